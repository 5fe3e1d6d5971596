//! RC6, the sleep of the render well: entered when the GPU is idle and only then.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{PATIENCE, SELDOM, let_go, percent, share_of};
use crate::error::{Error, Result};
use crate::files::{self, Setting};
use crate::gpu::{Awake, Counter, Device, Endless, Node};
use crate::report::Reporter;

/// How long each state is looked at.
const WINDOW: Duration = Duration::from_millis(500);
/// A GPU that sleeps does so for most of this.
const MOMENT: Duration = Duration::from_millis(50);
/// Most of the time, and next to none of it.
const MOST: f64 = 0.8;
const LITTLE: f64 = 0.1;

/// Results for idle, held awake, and busy.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    let device = Device::open(Node::Render)?;
    let engine = *device.engines()?.first().ok_or_else(|| Error::Wrong("no engine".into()))?;
    // A GPU that is suspended counts nothing.
    let control = Node::Card.sysfs()?.join("device/power/control");
    let _on = Setting::set(&control, "on")?;
    let heartbeat = engine.sysfs()?.join("heartbeat_interval_ms");
    let blind = Setting::set(&heartbeat, SELDOM)?;
    let residency = Node::Card.sysfs()?.join("power/rc6_residency_ms");
    let counter = Counter::open("rc6-residency")?;
    let look = || -> Result<[f64; 2]> {
        let (by_sysfs, _) = share_of(
            || Ok(files::read_number(&residency)? * 1_000_000),
            || {
                thread::sleep(WINDOW);
                Ok(())
            },
        )?;
        let (by_pmu, _) = share_of(
            || counter.read(),
            || {
                thread::sleep(WINDOW);
                Ok(())
            },
        )?;
        Ok([by_sysfs, by_pmu])
    };

    fall_asleep(&residency)?;
    reporter.result(Some("idle"), judge(look()?, |share| share >= MOST));
    let awake = Awake::keep()?;
    reporter.result(Some("held awake"), judge(look()?, |share| share <= LITTLE));
    drop(awake);
    let endless = Endless::start(&device, engine, false, PATIENCE)?;
    reporter.result(Some("busy"), judge(look()?, |share| share <= LITTLE));
    endless.release();
    endless.wait()?;
    // At times it is a heartbeat that lets i915 see that an engine has nothing left to do.
    drop((endless, blind));
    fall_asleep(&residency)?;
    reporter.result(Some("idle again"), judge(look()?, |share| share >= MOST));
    Ok(())
}

/// Waits until the GPU sleeps: i915 holds on to it for up to a second or two.
fn fall_asleep(residency: &Path) -> Result<()> {
    let_go()?;
    files::wait_until("falling asleep", PATIENCE, || {
        let before = files::read_number(residency)?;
        thread::sleep(MOMENT);
        Ok(u128::from(files::read_number(residency)?.saturating_sub(before)) * 2
            > MOMENT.as_millis())
    })?;
    Ok(())
}

fn judge(shares: [f64; 2], right: impl Fn(f64) -> bool) -> Result<String> {
    let [sysfs, pmu] = shares.map(percent);
    let told = format!("in RC6 for {sysfs} of the time by sysfs, {pmu} by PMU");
    if shares.into_iter().all(right) { Ok(told) } else { Err(Error::Wrong(told)) }
}
