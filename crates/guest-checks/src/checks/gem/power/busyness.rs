//! How busy the engines are: i915's PMU, and what it tells of a client.

use std::thread;
use std::time::{Duration, Instant};

use super::{PATIENCE, SELDOM, let_go, percent, share_of};
use crate::error::{Error, Result};
use crate::files::Setting;
use crate::gpu::{Batch, Counter, Device, Endless, Engine, Node};
use crate::report::Reporter;

/// How long each state is looked at.
const WINDOW: Duration = Duration::from_millis(300);
/// Nearly all of the time, and next to none of it.
const MOST: f64 = 0.9;
const LITTLE: f64 = 0.1;
/// How far a client's time, which i915 takes from the GPU's own clock, may be from the CPU's.
const FAIR: f64 = 0.1;

/// A result for each engine.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    for engine in Device::open(Node::Render)?.engines()? {
        reporter.result(Some(&engine.to_string()), busy(engine));
    }
    Ok(())
}

/// The counters of one engine.
struct Counters {
    busy: Counter,
    semaphore: Counter,
    wait: Counter,
}

impl Counters {
    fn open(engine: Engine) -> Result<Counters> {
        let open = |what| Counter::open(&format!("{engine}-{what}"));
        Ok(Counters { busy: open("busy")?, semaphore: open("sema")?, wait: open("wait")? })
    }

    /// Shares of a window.
    fn look(&self) -> Result<Shares> {
        let mut shares = Shares { busy: 0.0, semaphore: 0.0, wait: 0.0 };
        let inner = || {
            thread::sleep(WINDOW);
            Ok(())
        };
        let wait = || {
            shares.wait = share_of(|| self.wait.read(), inner)?.0;
            Ok(())
        };
        let semaphore = || {
            shares.semaphore = share_of(|| self.semaphore.read(), wait)?.0;
            Ok(())
        };
        let busy = share_of(|| self.busy.read(), semaphore)?.0;
        Ok(Shares { busy, ..shares })
    }
}

/// Shares of a window in which the engine was busy, and waited.
#[derive(Clone, Copy, Debug)]
struct Shares {
    busy: f64,
    semaphore: f64,
    wait: f64,
}

impl Shares {
    fn must(self, state: &str, right: impl FnOnce(Shares) -> bool) -> Result<String> {
        let Shares { busy, semaphore, wait } = self;
        let told = format!("{state}: busy {}", percent(busy));
        if right(self) {
            return Ok(told);
        }
        let (semaphore, wait) = (percent(semaphore), percent(wait));
        Err(Error::Wrong(format!("{told}, at a semaphore {semaphore}, waiting {wait}")))
    }
}

fn busy(engine: Engine) -> Result<String> {
    let heartbeat = engine.sysfs()?.join("heartbeat_interval_ms");
    let _blind = Setting::set(&heartbeat, SELDOM)?;
    let counters = Counters::open(engine)?;
    let_go()?;
    let idle = counters.look()?.must("idle", |shares| {
        shares.busy <= LITTLE && shares.semaphore <= LITTLE && shares.wait <= LITTLE
    })?;

    let device = Device::open(Node::Render)?;
    let spins = Endless::start(&device, engine, false, PATIENCE)?;
    let spinning = counters.look()?;
    spins.release();
    spins.wait()?;
    let spinning = spinning.must("spinning", |shares| {
        shares.busy >= MOST && shares.semaphore <= LITTLE && shares.wait <= LITTLE
    })?;

    let commands = Batch::default().wait_for(Endless::MAILBOX, 1).end();
    let waits = Endless::start_with(&device, engine, &commands, PATIENCE)?;
    let waiting = counters.look()?;
    waits.mail(1);
    waits.wait()?;
    let waiting = waiting.must("at a semaphore", |shares| {
        shares.busy >= MOST && shares.semaphore >= MOST && shares.wait <= LITTLE
    })?;
    let client = of_client(engine)?;
    Ok(format!("{idle}; {spinning}; {waiting}; {client}"))
}

/// What i915 tells of a client is the time for which its batch ran.
fn of_client(engine: Engine) -> Result<String> {
    let device = Device::open(Node::Render)?;
    let key = format!("drm-engine-{}:", engine.class_name());
    let runtime = || device.figure(&key);
    if runtime()?.is_none() {
        return Ok("no figures of clients here".into());
    }
    let runtime = || Ok::<u64, Error>(runtime()?.unwrap_or_default());
    let (start, before) = (Instant::now(), runtime()?);
    let spins = Endless::start(&device, engine, false, PATIENCE)?;
    thread::sleep(WINDOW);
    spins.release();
    spins.wait()?;
    let took = start.elapsed();
    // i915 books the time when it hears that the context has left the engine, after the batch's end.
    let_go()?;
    let ran = Duration::from_nanos(runtime()?.saturating_sub(before));
    let told = format!("its client: {} of {} ms", ran.as_millis(), took.as_millis());
    // It ran while we slept, and not before it was made.
    if ran >= WINDOW.mul_f64(1.0 - FAIR) && ran <= took.mul_f64(1.0 + FAIR) {
        return Ok(told);
    }
    Err(Error::Wrong(told))
}
