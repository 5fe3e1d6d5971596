//! Runtime suspend and resume under load.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::{PATIENCE, SELDOM, let_go};
use crate::error::{Error, Result};
use crate::files::{self, Setting};
use crate::gpu::{Context, Device, Endless, Node, Worker};
use crate::report::Reporter;

/// i915 is to let go of the idle GPU so many milliseconds after its last use.
const DELAY_MS: &str = "10";
/// A busy GPU must not be suspended within this.
const WINDOW: Duration = Duration::from_millis(500);

/// What the kernel tells of the GPU's power.
struct Power {
    status: PathBuf,
    asleep: PathBuf,
}

impl Power {
    fn is_suspended(&self) -> Result<bool> {
        Ok(files::read(&self.status)? == "suspended")
    }
}

/// `rounds` times asleep and awake by a batch, on the engines in turn; then busy.
pub(in crate::checks) fn run(reporter: &mut Reporter, rounds: u32) -> Result<()> {
    let directory = Node::Render.sysfs()?.join("device/power");
    let (delay, control) = (directory.join("autosuspend_delay_ms"), directory.join("control"));
    let power = Power {
        status: directory.join("runtime_status"),
        asleep: directory.join("runtime_suspended_time"),
    };
    let device = Device::open(Node::Render)?;
    let _delay = Setting::set(&delay, DELAY_MS)?;
    let _control = Setting::set(&control, "auto")?;
    reporter.result(Some("rounds"), sleep_and_wake(&device, rounds, &power));
    reporter.result(Some("busy"), stays_awake(&device, &power));
    Ok(())
}

/// Each engine wakes the GPU: its context, its ring and all translations are what they were.
fn sleep_and_wake(device: &Device, rounds: u32, power: &Power) -> Result<String> {
    let engines = device.engines()?;
    let contexts: Vec<Context> =
        engines.iter().map(|engine| device.context(*engine)).collect::<Result<_>>()?;
    let worker = Worker::new(device)?;
    let before = files::read_number(&power.asleep)?;
    for (round, (context, engine)) in (0..rounds).zip(contexts.iter().zip(&engines).cycle()) {
        let_go()?;
        files::wait_until("going to sleep", PATIENCE, || power.is_suspended())?;
        worker
            .run(context, 0x5100_0000 + round)
            .map_err(|error| Error::Wrong(format!("round {round} on {engine}: {error}")))?;
    }
    let slept = files::read_number(&power.asleep)?.saturating_sub(before);
    if slept == 0 {
        return Err(Error::Wrong("the kernel counted no time of sleep".into()));
    }
    Ok(format!("{rounds} times asleep and awake on {} engines, {slept} ms asleep", engines.len()))
}

/// A GPU that works is not suspended.
fn stays_awake(device: &Device, power: &Power) -> Result<String> {
    for engine in device.engines()? {
        let heartbeat = engine.sysfs()?.join("heartbeat_interval_ms");
        let _blind = Setting::set(&heartbeat, SELDOM)?;
        let endless = Endless::start(device, engine, false, PATIENCE)?;
        let before = files::read_number(&power.asleep)?;
        thread::sleep(WINDOW);
        let (suspended, after) = (power.is_suspended()?, files::read_number(&power.asleep)?);
        endless.release();
        endless.wait()?;
        if suspended || after != before {
            return Err(Error::Wrong(format!("suspended while {engine} works")));
        }
    }
    Ok("awake while an engine works, on each".into())
}
