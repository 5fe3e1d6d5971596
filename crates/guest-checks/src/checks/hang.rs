//! Endless batches: the kernel ends them, and nobody else suffers.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::error_state::ErrorState;
use crate::files::Setting;
use crate::gpu::{Context, Device, Endless, Engine, Node, Worker};
use crate::report::{Reporter, expect_resets};

/// How long the kernel may take to notice and to reset. With the settings below it is about a
/// second; emulators are slow.
const PATIENCE: Duration = Duration::from_secs(40);
/// What makes the kernel notice soon; its own value is 2500.
const HEARTBEAT_MS: &str = "100";
/// Between two rounds of the others' work.
const BREATH: Duration = Duration::from_millis(20);

/// Two results an engine: a loop without and with a place where another context may come in. i915
/// lets no context displace another on Broadwell (`can_preempt` of
/// `gt/intel_execlists_submission.c`), so both must be ended by a reset. `most`: on so many engines
/// at most.
pub(super) fn run(reporter: &mut Reporter, most: u32) -> Result<()> {
    let engines = Device::open(Node::Render)?.engines()?;
    expect_resets(true);
    for engine in engines.iter().take(most as usize) {
        reporter.result(Some(&engine.to_string()), hang(*engine, &engines, false));
        let polite = format!("{engine} with MI_ARB_CHECK");
        reporter.result(Some(&polite), hang(*engine, &engines, true));
    }
    expect_resets(false);
    Ok(())
}

/// A context and objects on an engine other than the hung one.
struct Bystander {
    engine: Engine,
    context: Context,
    worker: Worker,
    batches: u32,
}

impl Bystander {
    fn new(device: &Device, engine: Engine) -> Result<Bystander> {
        let (context, worker) = (device.context(engine)?, Worker::new(device)?);
        Ok(Bystander { engine, context, worker, batches: 0 })
    }

    fn work(&mut self) -> Result<()> {
        self.batches += 1;
        self.worker
            .run(&self.context, 0x6000_0000 + self.batches)
            .map_err(|error| Error::Wrong(format!("meanwhile on {}: {error}", self.engine)))
    }

    fn must_be_innocent(&self) -> Result<()> {
        let stats = self.context.reset_stats()?;
        if stats.batch_active != 0 {
            return Err(Error::Wrong(format!("{} was blamed, too", self.engine)));
        }
        Ok(())
    }
}

fn bystanders(device: &Device, hung: Engine, engines: &[Engine]) -> Result<Vec<Bystander>> {
    let others = engines.iter().filter(|engine| **engine != hung);
    others.map(|engine| Bystander::new(device, *engine)).collect()
}

/// The kernel must reset the engine, blame the right context and keep the engine's state for us to
/// read.
fn hang(engine: Engine, engines: &[Engine], polite: bool) -> Result<String> {
    if polite && engine.sysfs()?.join("preempt_timeout_ms").exists() {
        return Err(Error::NotHere("this kernel lets contexts displace it without a reset".into()));
    }
    // A client of its own: one that hangs often is banned.
    let (guilty, innocent) = (Device::open(Node::Render)?, Device::open(Node::Render)?);
    let heartbeat = engine.sysfs()?.join("heartbeat_interval_ms");
    let impatience = Setting::set(&heartbeat, HEARTBEAT_MS)?;
    let error_state = ErrorState::cleared()?;
    let mut others = bystanders(&innocent, engine, engines)?;
    let endless = Endless::start(&guilty, engine, polite, PATIENCE)?;
    let took = work_until_ended(&endless, &mut others)?;
    drop(impatience);

    let stats = endless.context().reset_stats()?;
    if stats.batch_active != 1 {
        let blamed = stats.batch_active;
        return Err(Error::Wrong(format!("the hung context was blamed {blamed} times, not once")));
    }
    others.iter().try_for_each(Bystander::must_be_innocent)?;
    error_state.must_name(engine)?;
    let mut after = Bystander::new(&innocent, engine)?;
    (0..3).try_for_each(|_| after.work())?;
    let meanwhile: u32 = others.iter().map(|other| other.batches).sum();
    Ok(format!(
        "reset after {} ms, {meanwhile} batches of others meanwhile; error state names it; it works on",
        took.as_millis()
    ))
}

/// Runs batches on the other engines, at least one each, until the endless one has ended.
fn work_until_ended(endless: &Endless, others: &mut [Bystander]) -> Result<Duration> {
    let start = Instant::now();
    loop {
        others.iter_mut().try_for_each(Bystander::work)?;
        if !endless.is_running()? {
            return Ok(start.elapsed());
        }
        if start.elapsed() > PATIENCE {
            return Err(Error::Late("the endless batch".into()));
        }
        // The kernel looks for hangs in a worker, which wants the CPU, too.
        thread::sleep(BREATH);
    }
}
