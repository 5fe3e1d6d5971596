//! Everything once more on each engine, while another one hangs.

use std::thread;
use std::time::{Duration, Instant};

use super::{FAMILIES, Work};
use crate::error::{Error, Result};
use crate::files::Setting;
use crate::gpu::{Device, Endless, Engine, Node};
use crate::report::{Reporter, expect_resets};

/// How long the kernel may take to end the hang once it looks often. Emulators are slow.
const PATIENCE: Duration = Duration::from_secs(40);
/// Milliseconds between two looks of the kernel for a hang: as good as never (0 is refused where
/// contexts cannot displace each other), and as often as is sensible under an emulator.
const SELDOM: &str = "600000";
const OFTEN: &str = "100";
/// Between two looks at the hung batch.
const BREATH: Duration = Duration::from_millis(20);

/// A result for each hanging engine.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    let engines = Device::open(Node::Render)?.engines()?;
    expect_resets(true);
    for &engine in &engines {
        reporter.result(Some(&engine.to_string()), beside(engine, &engines));
    }
    expect_resets(false);
    Ok(())
}

/// Hangs `hung`, works on the others, and lets the kernel end the hang.
fn beside(hung: Engine, engines: &[Engine]) -> Result<String> {
    // A client of its own: one that hangs often is banned.
    let (guilty, innocent) = (Device::open(Node::Render)?, Device::open(Node::Render)?);
    let heartbeat = hung.sysfs()?.join("heartbeat_interval_ms");
    let blind = Setting::set(&heartbeat, SELDOM)?;
    let endless = Endless::start(&guilty, hung, false, PATIENCE)?;
    let others = || engines.iter().copied().filter(|engine| *engine != hung);
    let mut done = 0;
    for engine in others() {
        for work in FAMILIES.iter().copied().flatten().filter(|work| (work.on)(engine)) {
            done += u32::from(one(work, &innocent, engine)?);
        }
    }
    if !endless.is_running()? {
        return Err(Error::Wrong("the endless batch ended before the others' work".into()));
    }
    drop(blind);
    let impatient = Setting::set(&heartbeat, OFTEN)?;
    must_be_ended(&endless)?;
    drop(impatient);
    Ok(format!("{done} works on the other engines; then reset"))
}

/// Whether the work could be done here.
fn one(work: &Work, device: &Device, engine: Engine) -> Result<bool> {
    match (work.run)(device, engine) {
        Ok(_) => Ok(true),
        Err(Error::NotHere(_)) => Ok(false),
        Err(error) => Err(Error::Wrong(format!("{engine} {}: {error}", work.name))),
    }
}

/// The kernel must end the batch and blame its context.
fn must_be_ended(endless: &Endless) -> Result<()> {
    let start = Instant::now();
    while endless.is_running()? {
        if start.elapsed() > PATIENCE {
            return Err(Error::Late("the endless batch".into()));
        }
        thread::sleep(BREATH);
    }
    match endless.context().reset_stats()?.batch_active {
        1 => Ok(()),
        blamed => {
            Err(Error::Wrong(format!("the hung context was blamed {blamed} times, not once")))
        }
    }
}
