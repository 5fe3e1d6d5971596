//! All engines spin at once; everything else must stay responsive.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::checks::gem::beside_hang::without_capture;
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::mi::Compare;
use crate::gpu::{Batch, Device, Endless, Engine, Node, Trial, Worker};
use crate::report::{Reporter, expect_resets};

/// How long one look or one submission may take while all engines spin. Idle it is some
/// milliseconds under an emulator; what must not be is that it waits for the engines, which would
/// take until somebody ends them.
const PROMPT: Duration = Duration::from_secs(2);
/// How long the kernel may take to reset all engines one by one: each is some register accesses and
/// waits of milliseconds.
const RESET: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);

/// How engines are kept busy.
#[derive(Clone, Copy, Debug)]
enum Spin {
    /// A loop that changes memory all the time.
    Working,
    /// A loop that changes nothing.
    Idling,
    /// A wait at a semaphore.
    Waiting,
}

impl Spin {
    const ALL: [Spin; 3] = [Spin::Working, Spin::Idling, Spin::Waiting];

    fn name(self) -> &'static str {
        match self {
            Spin::Working => "engines that work",
            Spin::Idling => "engines in empty loops",
            Spin::Waiting => "engines that wait",
        }
    }
}

/// A result for each kind of spinning, and one for the reset that ends it.
pub(super) fn run(reporter: &mut Reporter) -> Result<()> {
    let engines = Device::open(Node::Render)?.engines()?;
    for spin in Spin::ALL {
        reporter.result(Some(spin.name()), responsive(spin, &engines));
    }
    expect_resets(true);
    reporter.result(Some("reset of all"), reset(&engines));
    expect_resets(false);
    Ok(())
}

/// Slots; GO is one of a qword, as MI_CONDITIONAL_BATCH_BUFFER_END wants it.
const STARTED: usize = 0;
const GO: usize = 2;
const ROUNDS: usize = 4;

/// Keeps an engine busy until GO is 1.
fn spin(device: &Device, engine: Engine, spin: Spin) -> Result<Trial> {
    let trial = Trial::new(device, engine)?;
    let start = Batch::default().store(trial.slot(STARTED), 1);
    // The place behind the first store.
    let again = trial.code(start.len());
    // GO counts down to end a loop: the batch's end comes unless memory is greater.
    trial.set(GO, 1);
    let batch = match spin {
        Spin::Working => {
            start.increment(trial.slot(ROUNDS)).end_unless_greater(trial.slot(GO), 0).jump(again)
        }
        Spin::Idling => start.end_unless_greater(trial.slot(GO), 0).jump(again),
        Spin::Waiting => start.wait_until(trial.slot(GO), Compare::Equal, 0),
    };
    trial.start(&batch.end())?;
    files::wait_until("the start of a spinning batch", PATIENCE, || Ok(trial.get(STARTED) == 1))?;
    Ok(trial)
}

/// All engines spin: registers are read, state is told and batches are taken at once; when the
/// engines come free, all that was queued runs.
fn responsive(kind: Spin, engines: &[Engine]) -> Result<String> {
    let (spinners, others) = (Device::open(Node::Render)?, Device::open(Node::Render)?);
    let spinning: Vec<Trial> =
        engines.iter().map(|engine| spin(&spinners, *engine, kind)).collect::<Result<_>>()?;
    let mut slowest = Duration::ZERO;
    let mut promptly = |what: &str, act: &mut dyn FnMut() -> Result<()>| -> Result<()> {
        let start = Instant::now();
        act()?;
        let took = start.elapsed();
        slowest = slowest.max(took);
        if took > PROMPT {
            return Err(Error::Late(format!("{what} took {} ms and", took.as_millis())));
        }
        Ok(())
    };
    let mut missing = String::new();
    for path in [frequency()?, Node::debugfs()?.join("i915_engine_info")] {
        let name = path.display().to_string();
        if path.exists() {
            promptly(&name, &mut || files::read(&path).map(drop))?;
        } else {
            missing += "; not here: ";
            missing += &name;
        }
    }
    let mut queued = Vec::new();
    for engine in engines {
        let (context, worker) = (others.context(*engine)?, Worker::new(&others)?);
        promptly("a submission", &mut || worker.start(&context, 0x1234_5678))?;
        queued.push((context, worker));
    }
    for trial in &spinning {
        if !trial.is_running()? {
            return Err(Error::Wrong("a spinning batch ended by itself".into()));
        }
        trial.set(GO, 0);
    }
    for trial in &spinning {
        trial.wait()?;
    }
    for (_, worker) in &queued {
        worker.finish(0x1234_5678)?;
    }
    let rounds: u32 = spinning.iter().map(|trial| trial.get(ROUNDS)).sum();
    if matches!(kind, Spin::Working) && spinning.iter().any(|trial| trial.get(ROUNDS) == 0) {
        return Err(Error::Wrong("an engine did not work".into()));
    }
    let slowest = slowest.as_millis();
    Ok(format!("slowest answer {slowest} ms, {rounds} rounds meanwhile{missing}"))
}

/// The file whose reading takes a register of the GPU.
fn frequency() -> Result<PathBuf> {
    Ok(Node::Card.sysfs()?.join("gt_act_freq_mhz"))
}

/// The kernel is told to reset every engine while all spin.
fn reset(engines: &[Engine]) -> Result<String> {
    let wedged = Node::debugfs()?.join("i915_wedged");
    if !wedged.exists() {
        return Err(Error::NotHere(format!("there is no {}", wedged.display())));
    }
    let device = Device::open(Node::Render)?;
    let spinning: Vec<Endless> = engines
        .iter()
        .map(|engine| Endless::start(&device, *engine, false, PATIENCE))
        .collect::<Result<_>>()?;
    let _no_capture = without_capture()?;
    let start = Instant::now();
    files::write(&wedged, "0xffffffff")?;
    files::wait_until("the reset of all engines", RESET, || {
        for endless in &spinning {
            if endless.is_running()? {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    let took = start.elapsed();
    for (endless, engine) in spinning.iter().zip(engines) {
        let blamed = endless.context().reset_stats()?.batch_active;
        if blamed != 1 {
            return Err(Error::Wrong(format!("{engine}'s context was blamed {blamed} times")));
        }
    }
    let fresh = Device::open(Node::Render)?;
    for (number, engine) in (1..).zip(engines) {
        Worker::new(&fresh)?.run(&fresh.context(*engine)?, number)?;
    }
    Ok(format!("ended after {} ms; all engines work on", took.as_millis()))
}
