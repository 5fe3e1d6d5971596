//! One engine waits, and the CPU ends that.

use std::thread;
use std::time::Duration;

use crate::checks::gem::{Work, everywhere};
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::mi::Compare;
use crate::gpu::{Batch, Device, Endless, Engine, Trial};

pub(super) const WORKS: &[Work] = &[
    Work { name: "loops", on: everywhere, run: loops },
    Work { name: "waits", on: everywhere, run: waits },
    Work { name: "satisfied waits", on: everywhere, run: satisfied },
    Work { name: "queue", on: everywhere, run: queue },
];

/// How long anything may take to be seen under a slow emulator.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long something that must not go on is watched.
const WATCH: Duration = Duration::from_millis(3);

/// A slot that the CPU writes to let a batch go on. MI_CONDITIONAL_BATCH_BUFFER_END takes addresses
/// of qwords only.
const GO: usize = 2;

/// A loop goes on until the CPU writes the batch's end into it, or the memory that it looks at.
fn loops(device: &Device, engine: Engine) -> Result<String> {
    for polite in [false, true] {
        let endless = Endless::start(device, engine, polite, PATIENCE)?;
        thread::sleep(WATCH);
        if !endless.is_running()? {
            return Err(Error::Wrong("an endless batch ended by itself".into()));
        }
        endless.release();
        files::wait_until("a loop with an end", PATIENCE, || Ok(!endless.is_running()?))?;
    }
    let trial = Trial::new(device, engine)?;
    trial.set(GO, 1);
    let start = Batch::default().store(trial.slot(0), 1);
    let again = trial.code(start.len());
    trial.start(&start.end_unless_greater(trial.slot(GO), 0).jump(again).end())?;
    files::wait_until("the loop's start", PATIENCE, || Ok(trial.get(0) == 1))?;
    thread::sleep(WATCH);
    if !trial.is_running()? {
        return Err(Error::Wrong("a loop ended ahead of its condition".into()));
    }
    trial.set(GO, 0);
    trial.wait()?;
    Ok("ended by the batch's end and by a condition".into())
}

/// For each comparison of memory with data: what fails, and what holds; at the border, and where a
/// sign would matter.
const CASES: [(Compare, u32, u32, u32); 8] = [
    (Compare::Greater, 5, 5, 6),
    (Compare::Greater, 0x7fff_ffff, 1, 0x8000_0000),
    (Compare::GreaterOrEqual, 5, 4, 5),
    (Compare::Less, 5, 5, 4),
    (Compare::Less, 5, u32::MAX, 0),
    (Compare::LessOrEqual, 5, 6, 5),
    (Compare::Equal, 5, 4, 5),
    (Compare::NotEqual, 5, 5, 0xffff_fffa),
];

/// A wait stays while the comparison fails and goes on when it holds.
fn waits(device: &Device, engine: Engine) -> Result<String> {
    const PASSED: usize = 32;
    let trial = Trial::new(device, engine)?;
    let mut batch = Batch::default();
    for (n, (compare, data, failing, _)) in CASES.into_iter().enumerate() {
        trial.set(n, failing);
        batch = batch.store(trial.slot(PASSED), n as u32 + 1);
        batch = batch.wait_until(trial.slot(n), compare, data);
    }
    trial.start(&batch.store(trial.slot(PASSED), u32::MAX).end())?;
    for (n, (compare, data, failing, holding)) in CASES.into_iter().enumerate() {
        let what = format!("wait {n}, {compare:?} {data:#x}");
        let reached = n as u32 + 1;
        files::wait_until(&format!("the start of {what}"), PATIENCE, || {
            Ok(trial.get(PASSED) >= reached)
        })?;
        thread::sleep(WATCH);
        trial.expect(&format!("the progress in {what} with {failing:#x}"), PASSED, reached)?;
        trial.set(n, holding);
    }
    trial.wait()?;
    trial.expect("the progress", PASSED, u32::MAX)?;
    Ok(format!("{} waits in poll mode", CASES.len()))
}

/// A wait whose comparison holds at once is none, in either mode.
fn satisfied(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let mut batch = Batch::default();
    for (n, (compare, data, _, holding)) in CASES.into_iter().enumerate() {
        trial.set(n, holding);
        batch = batch.wait_until(trial.slot(n), compare, data);
        batch = batch.wait_for_signal(trial.slot(n), compare, data);
    }
    trial.run(&batch.store(trial.slot(32), 1).end())?;
    trial.expect("what stands behind the waits", 32, 1)?;
    Ok(format!("{} waits in each mode", CASES.len()))
}

/// Many contexts queue behind each other, each at a wait of its own. The one that the engine is in
/// must be ended first, whatever the order of the kernel; every batch runs once.
fn queue(device: &Device, engine: Engine) -> Result<String> {
    const CONTEXTS: usize = 12;
    const STARTED: usize = 0;
    const DONE: usize = 4;
    let mut blocked = Vec::new();
    for _ in 0..CONTEXTS {
        let trial = Trial::new(device, engine)?;
        let batch = Batch::default()
            .store(trial.slot(STARTED), 1)
            .wait_until(trial.slot(GO), Compare::Equal, 1)
            // Twice would show.
            .increment(trial.slot(DONE));
        trial.start(&batch.end())?;
        blocked.push(trial);
    }
    let started = || blocked.iter().filter(|trial| trial.get(STARTED) == 1 && trial.get(GO) == 0);
    for left in (0..CONTEXTS).rev() {
        files::wait_until("the next of the queue", PATIENCE, || Ok(started().next().is_some()))?;
        if let Some(trial) = started().next() {
            if trial.get(DONE) != 0 {
                return Err(Error::Wrong(format!("a wait was passed, {left} are left")));
            }
            trial.set(GO, 1);
            trial.wait()?;
        }
    }
    for trial in &blocked {
        trial.expect("the rounds of a queued batch", DONE, 1)?;
    }
    Ok(format!("{CONTEXTS} contexts, each ended in its turn"))
}
