//! Resets of an engine and of the whole GPU: who is blamed, who goes on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    FORGET, PATIENCE, SELDOM, ended, heartbeat, must, must_be_ended, must_be_guilty, on_engines,
    parameter, unknown_command,
};
use crate::error::{Error, Result};
use crate::files::{self, Setting};
use crate::gpu::{Context, Device, Endless, Engine, Node, Worker};
use crate::report::{Reporter, expect_resets};

/// Hangs in quick succession after which a context is banned, at the latest
/// (`CONTEXT_FAST_HANG_JIFFIES` of `i915_gem_context_types.h`).
const BANNED_AFTER: u32 = 3;
/// Contexts of others that wait behind the hung one.
const WAITING: u32 = 4;
/// Within this after a reset it is known what became of a batch.
const AFTERMATH: Duration = Duration::from_millis(500);
/// i915's parameter `reset`: no resets, and of the whole GPU only.
const NO_RESET: &str = "0";
const WHOLE_GPU: &str = "1";
/// `i915_wedged`: all engines are to be reset.
const ALL_ENGINES: &str = "0xffff";

/// A result for each engine, and for the GPU as a whole.
pub(in crate::checks) fn run(reporter: &mut Reporter, most: u32) -> Result<()> {
    let capture = parameter("error_capture")?;
    let _forgetful = Setting::set(&capture, FORGET)?;
    on_engines(reporter, most, |engine| Ok(format!("{}; {}", queued(engine)?, ban(engine)?)))?;
    let engines = Device::open(Node::Render)?.engines()?;
    expect_resets(true);
    for &engine in engines.iter().take(most as usize) {
        reporter.result(Some(&format!("whole GPU for {engine}")), whole(engine, &engines));
    }
    reporter.result(Some("wedged"), wedged(&engines));
    expect_resets(false);
    Ok(())
}

/// A context with its objects, and what it must have written.
struct Innocent {
    context: Context,
    worker: Worker,
}

impl Innocent {
    fn new(device: &Device, engine: Engine) -> Result<Innocent> {
        Ok(Innocent { context: device.context(engine)?, worker: Worker::new(device)? })
    }

    fn must_not_be_guilty(&self) -> Result<()> {
        let blamed = self.context.reset_stats()?.batch_active;
        must(blamed == 0, || "an innocent context was blamed".into())
    }
}

/// Contexts that wait behind the hung one run after the reset of the engine.
fn queued(engine: Engine) -> Result<String> {
    let (guilty, client) = (Device::open(Node::Render)?, Device::open(Node::Render)?);
    let heartbeat = heartbeat(engine)?;
    let blind = Setting::set(&heartbeat, SELDOM)?;
    let endless = Endless::start(&guilty, engine, false, PATIENCE)?;
    let others: Vec<Innocent> =
        (0..WAITING).map(|_| Innocent::new(&client, engine)).collect::<Result<_>>()?;
    for (number, other) in (0..).zip(&others) {
        other.worker.start(&other.context, 0x0ae0_0000 + number)?;
    }
    drop(blind);
    must_be_ended(&endless, engine)?;
    for (number, other) in (0..).zip(&others) {
        other.worker.finish(0x0ae0_0000 + number)?;
        other.must_not_be_guilty()?;
    }
    Ok(format!("{WAITING} contexts behind the hung one ran"))
}

/// A context that hangs again and again is banned; others of the engine are not.
fn ban(engine: Engine) -> Result<String> {
    let (device, client) = (Device::open(Node::Render)?, Device::open(Node::Render)?);
    let endless = Endless::prepare(&device, device.context(engine)?, &unknown_command())?;
    let other = Innocent::new(&client, engine)?;
    for hang in 0..=BANNED_AFTER {
        match endless.submit() {
            Ok(()) => {}
            Err(error) if error.errno() == Some(libc::EIO) && hang > 0 => {
                other.worker.run(&other.context, 0x0ba0_0000)?;
                let again = Innocent::new(&client, engine)?;
                again.worker.run(&again.context, 0x0ba0_0001)?;
                return Ok(format!("banned after {hang} hangs, alone"));
            }
            Err(error) => return Err(error),
        }
        ended(&endless)?;
        other.worker.run(&other.context, 0x0ba0_0100 + hang)?;
    }
    Err(Error::Wrong(format!("the context is not banned after {BANNED_AFTER} hangs")))
}

/// The whole GPU is reset for one engine. i915 6.1 ends and blames what runs on any engine then
/// (`execlists_reset_csb`), 5.10 begins it anew; what waits behind that runs afterwards.
fn whole(hung: Engine, engines: &[Engine]) -> Result<String> {
    let (guilty, client) = (Device::open(Node::Render)?, Device::open(Node::Render)?);
    let parameter = parameter("reset")?;
    let _whole = Setting::set(&parameter, WHOLE_GPU)?;
    let heartbeats: Vec<PathBuf> = engines.iter().map(|e| heartbeat(*e)).collect::<Result<_>>()?;
    let blind: Vec<Setting> =
        heartbeats.iter().map(|file| Setting::set(file, SELDOM)).collect::<Result<_>>()?;
    let start = |engine: &Engine| Endless::start(&guilty, *engine, false, PATIENCE);
    let running: Vec<Endless> = engines.iter().map(start).collect::<Result<_>>()?;
    let behind: Vec<Innocent> =
        engines.iter().map(|engine| Innocent::new(&client, *engine)).collect::<Result<_>>()?;
    for innocent in &behind {
        innocent.worker.start(&innocent.context, 0x3010_0000)?;
    }
    for (endless, engine) in running.iter().zip(engines).filter(|(_, engine)| **engine == hung) {
        must_be_ended(endless, *engine)?;
    }
    let mut replayed = 0;
    for endless in &running {
        replayed += u32::from(was_replayed(endless)?);
    }
    for innocent in &behind {
        innocent.worker.finish(0x3010_0000)?;
        innocent.must_not_be_guilty()?;
    }
    drop(blind);
    let (ended, behind) = (running.len() as u32 - replayed, behind.len());
    Ok(format!("{ended} batches ended, {replayed} begun anew; {behind} behind them ran"))
}

/// Whether a batch that ran in a reset of the whole GPU is begun anew; else it was ended and blamed.
fn was_replayed(endless: &Endless) -> Result<bool> {
    match files::wait_until("the batch", AFTERMATH, || Ok(!endless.is_running()?)) {
        Ok(_) => {
            must_be_guilty(endless)?;
            Ok(false)
        }
        Err(Error::Late(_)) => {
            endless.release();
            endless.wait()?;
            let blamed = endless.context().reset_stats()?.batch_active;
            must(blamed == 0, || "a batch that was begun anew was blamed".into())?;
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Without resets a hang is the end (EIO to everybody); with resets again, i915 recovers.
fn wedged(engines: &[Engine]) -> Result<String> {
    let device = Device::open(Node::Render)?;
    let old: Vec<Innocent> =
        engines.iter().map(|engine| Innocent::new(&device, *engine)).collect::<Result<_>>()?;
    for innocent in &old {
        innocent.worker.run(&innocent.context, 0x3ed0_0000)?;
    }
    let (state, parameter) = (Node::debugfs()?.join("i915_wedged"), parameter("reset")?);
    let no_reset = Setting::set(&parameter, NO_RESET)?;
    files::write(&state, ALL_ENGINES)?;
    let given_up = must_be_given_up(&state, &old);
    drop(no_reset);
    // Recovery is tried in any case: nothing works until then.
    files::write(&state, ALL_ENGINES)?;
    given_up?;
    must(files::read_number(&state)? == 0, || "i915 has not recovered".into())?;
    for innocent in &old {
        innocent.worker.run(&innocent.context, 0x3ed0_0001)?;
    }
    all_work(&device, engines)?;
    Ok("EIO to all while wedged; contexts old and new work after the recovery".into())
}

fn must_be_given_up(state: &Path, old: &[Innocent]) -> Result<()> {
    must(files::read_number(state)? == 1, || "i915 has not given the GPU up".into())?;
    for innocent in old {
        match innocent.worker.start(&innocent.context, 0x3ed0_0002) {
            Err(error) if error.errno() == Some(libc::EIO) => {}
            Err(error) => return Err(error),
            Ok(()) => return Err(Error::Wrong("a GPU that was given up takes batches".into())),
        }
    }
    Ok(())
}

fn all_work(device: &Device, engines: &[Engine]) -> Result<()> {
    engines.iter().try_for_each(|engine| {
        let innocent = Innocent::new(device, *engine)?;
        innocent.worker.run(&innocent.context, 0x0a11_0000)
    })
}
