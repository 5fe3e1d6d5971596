//! Clocks: Broadwell's count 80 ns (PRM volume 2c, TIMESTAMP and CTX_TIMESTAMP; i915 assumes the
//! same 12.5 MHz).

use std::thread;
use std::time::{Duration, Instant};

use crate::checks::gem::{Work, everywhere};
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::mi::Compare;
use crate::gpu::{Batch, Device, Engine, Trial};

pub(super) const WORKS: &[Work] = &[
    Work { name: "timestamp", on: everywhere, run: timestamp },
    Work { name: "context timestamp", on: everywhere, run: context_timestamp },
];

const TICK_NS: u64 = 80;
const TIMESTAMP: u32 = 0x358;
const CTX_TIMESTAMP: u32 = 0x3a8;
/// Long against what a batch takes to start and end under an emulator.
const PAUSE: Duration = Duration::from_millis(30);
/// How far the guest's clock may be from the GPU's: an emulated CPU's is calibrated roughly.
const PER_CENT: u64 = 3;
/// Until a batch must have begun.
const PATIENCE: Duration = Duration::from_secs(20);

/// TIMESTAMP goes at the pace of the CPU's clock, whether the engine works or not; its upper half
/// holds four bits at most.
fn timestamp(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let register = trial.register(TIMESTAMP)?;
    let batch = Batch::default().store_registers(trial.slot(0), register, 2).end();
    let mut readings = Vec::new();
    for _ in 0..2 {
        let asked = Instant::now();
        trial.run(&batch)?;
        readings.push((asked, trial.get_qword(0), Instant::now()));
        thread::sleep(PAUSE);
    }
    let [(asked, first, answered), (asked_again, second, answered_again)] = readings[..] else {
        return Err(Error::Wrong("not two readings".into()));
    };
    let passed = second.wrapping_sub(first) * TICK_NS;
    let least = nanoseconds(asked_again - answered) * (100 - PER_CENT) / 100;
    let most = nanoseconds(answered_again - asked) * (100 + PER_CENT) / 100;
    if !(least..=most).contains(&passed) {
        return Err(Error::Wrong(format!(
            "TIMESTAMP went on by {passed} ns in {least} to {most} ns of the CPU's"
        )));
    }
    if second >> 36 != 0 {
        return Err(Error::Wrong(format!("TIMESTAMP has more than 36 bits: {second:#x}")));
    }
    Ok(format!("{passed} ns in {least} to {most} ns of the CPU's"))
}

/// CTX_TIMESTAMP goes as TIMESTAMP while its context runs, also while that waits, and stands while it
/// does not run.
fn context_timestamp(device: &Device, engine: Engine) -> Result<String> {
    const STARTED: usize = 8;
    const GO: usize = 9;
    let trial = Trial::new(device, engine)?;
    let clocks = [trial.register(TIMESTAMP)?, trial.register(CTX_TIMESTAMP)?];
    let read = |batch: Batch, slot: usize| {
        batch
            .store_register(trial.slot(slot), clocks[0])
            .store_register(trial.slot(slot + 1), clocks[1])
    };
    let batch = read(Batch::default(), 0).store(trial.slot(STARTED), 1).wait_until(
        trial.slot(GO),
        Compare::Equal,
        1,
    );
    trial.start(&read(batch, 2).end())?;
    files::wait_until("the batch's start", PATIENCE, || Ok(trial.get(STARTED) == 1))?;
    thread::sleep(PAUSE);
    trial.set(GO, 1);
    trial.wait()?;
    thread::sleep(PAUSE);
    trial.run(&read(Batch::default(), 4).end())?;

    let passed =
        |from: usize, to: usize| u64::from(trial.get(to).wrapping_sub(trial.get(from))) * TICK_NS;
    let (whole, running) = (passed(0, 2), passed(1, 3));
    if whole < nanoseconds(PAUSE) || whole.abs_diff(running) > whole * PER_CENT / 100 {
        return Err(Error::Wrong(format!("CTX_TIMESTAMP went {running} ns, TIMESTAMP {whole} ns")));
    }
    let (outside, counted) = (passed(2, 4), passed(3, 5));
    if outside < nanoseconds(PAUSE) || counted > outside / 2 {
        return Err(Error::Wrong(format!(
            "while the context rested, CTX_TIMESTAMP went on by {counted} of {outside} ns"
        )));
    }
    Ok(format!("{running} of {whole} ns running, {counted} of {outside} ns around its rest"))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
