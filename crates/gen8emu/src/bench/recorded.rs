//! `record_overhead` and `record_in_process`: what a recording costs the device's users.

mod served;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Error, Result, ensure};
use gpu_model::Journal;
use recording::{Recorder, RecorderHandle};
use rigs::Program;

pub(super) use self::served::Guest;
use self::served::Served;
use super::cpu_time::CpuTime;
use super::measure::{Pair, Ratios};
use super::server::Pinned;
use super::{Bench, Target, Unit};

/// As a guest's batches go: through the server. What the guest's own driver does comes on top for both. Client,
/// server and device share a CPU, and what counts is the time that they have it: so it does not matter what else
/// the machine does, nor where threads are woken.
pub(super) const RECORD_OVERHEAD: Bench = Bench {
    name: "record_overhead",
    about: "a batch through the server's socket, from the ELSP writes to the CSB entry, recorded to a file",
    limit: "the same without a recording",
    unit: Unit::Microseconds,
    target: Target::Ratio(1.10),
    run: through_server,
};

/// Nothing is in the way here: no guest, no socket, no other thread.
pub(super) const RECORD_IN_PROCESS: Bench = Bench {
    name: "record_in_process",
    about: "a batch through our driver in process, recorded to a file",
    limit: "the same without a recording",
    unit: Unit::Microseconds,
    target: Target::Ratio(2.0),
    run: in_process,
};

/// How often the devices are brought up.
const STARTS: usize = 12;
/// Pairs of samples of each.
const PAIRS: usize = 24;
/// Batches of a sample: about a millisecond.
const ROUNDS_IN_PROCESS: u32 = 400;
pub(super) const ROUNDS_SERVED: u32 = 32;
/// Batches through a server before the measurement.
pub(super) const WARM_UP: u32 = 64;

/// A path that nobody else uses; what is there is gone with this.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gen8emu-bench-record-{}-{number}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may not be there.
        let _ = fs::remove_file(&self.0);
    }
}

fn record(file: &Scratch) -> Result<(Box<dyn Journal>, RecorderHandle)> {
    let (recorder, handle) = Recorder::create(&file.0, &rigs::config()?)?;
    Ok((Box::new(recorder), handle))
}

/// Makes sure that the recording is one of many batches.
fn check(handle: RecorderHandle) -> Result<()> {
    let written = handle.finish()?;
    ensure!(written.inputs > 1000, "only {} inputs were recorded", written.inputs);
    Ok(())
}

fn in_process() -> Result<Pair> {
    let mut ratios = Ratios::default();
    for _ in 0..STARTS {
        let file = Scratch::new();
        let (journal, handle) = record(&file)?;
        let mut recorded = Program::new(Some(journal), None)?;
        let mut plain = Program::new(None, None)?;
        let clock = CpuTime::of_this_thread();
        let sample = |program: &mut Program| {
            clock.of_each(ROUNDS_IN_PROCESS, || program.run().map_err(Error::from))
        };
        ratios.take(PAIRS, || sample(&mut recorded), || sample(&mut plain))?;
        drop(recorded);
        check(handle)?;
    }
    Ok(ratios.pair())
}

fn through_server() -> Result<Pair> {
    let mut ratios = Ratios::default();
    for _ in 0..STARTS {
        let file = Scratch::new();
        // Ahead of the pinning: the thread that packs and writes has the other CPUs.
        let (journal, handle) = record(&file)?;
        let _pinned = Pinned::new()?;
        let mut recorded = Served::start(Some(journal))?;
        let mut plain = Served::start(None)?;
        for _ in 0..WARM_UP {
            recorded.run()?;
            plain.run()?;
        }
        let clock = CpuTime::of_threads(|name| name != recording::WRITER_THREAD)?;
        let sample = |served: &mut Served| clock.of_each(ROUNDS_SERVED, || served.run());
        ratios.take(PAIRS, || sample(&mut recorded), || sample(&mut plain))?;
        recorded.end()?;
        plain.end()?;
        check(handle)?;
    }
    Ok(ratios.pair())
}
