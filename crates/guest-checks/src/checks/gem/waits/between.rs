//! One engine waits, and another one ends that.

use std::thread;
use std::time::Duration;

use crate::checks::gem::Pair;
use crate::error::{Error, Result, expect_dword};
use crate::files;
use crate::gpu::mi::{self, Compare};
use crate::gpu::{Batch, Device, Engine, Object, Trial};

pub(super) const PAIRS: &[Pair] = &[
    Pair { name: "ping-pong", run: ping_pong },
    Pair { name: "signal", run: signal },
    Pair { name: "shared counter", run: shared_counter },
];

/// Where both contexts have the page that they share.
const SHARED: u64 = 0x40_0000;
const PATIENCE: Duration = Duration::from_secs(20);

/// A page that both engines use. Nobody tells the kernel that they write it, else it would let one
/// batch wait for the other.
fn shared(device: &Device) -> Result<Object> {
    device.object(4096)
}

const fn slot(number: u64) -> u64 {
    SHARED + 4 * number
}

/// Two batches take turns: each waits for the other's number and gives its own.
fn ping_pong(device: &Device, first: Engine, second: Engine) -> Result<String> {
    const ROUNDS: u32 = 100;
    let page = shared(device)?;
    let seen = page.open()?;
    let trials = [Trial::new(device, first)?, Trial::new(device, second)?];
    let [mut ping, mut pong] = [Batch::default(), Batch::default()];
    for round in 1..=ROUNDS {
        ping = ping.store(slot(0), round).wait_until(slot(1), Compare::Equal, round);
        pong = pong.wait_until(slot(0), Compare::Equal, round).store(slot(1), round);
    }
    for (trial, batch) in trials.iter().zip([&ping, &pong]) {
        trial.start_with(&[page.at(SHARED)], &batch.clone().store(trial.slot(0), 7).end())?;
    }
    for trial in &trials {
        trial.wait()?;
        trial.expect("the end of the rounds", 0, 7)?;
    }
    for n in [0, 1] {
        expect_dword("the last number", seen.read(n), ROUNDS)?;
    }
    Ok(format!("{ROUNDS} rounds"))
}

/// A wait in signal mode ends when another engine has written memory and signals the context.
fn signal(device: &Device, first: Engine, second: Engine) -> Result<String> {
    /// EXECLIST_STATUS, upper half: the context that the engine runs.
    const RUNNING_CONTEXT: u32 = 0x238;
    const GO: u64 = 0;
    const CONTEXT: u64 = 1;
    const READY: u64 = 2;
    let page = shared(device)?;
    let seen = page.open()?;
    let (waiting, signalling) = (Trial::new(device, first)?, Trial::new(device, second)?);
    let batch = Batch::default()
        .store_register(slot(CONTEXT), waiting.register(RUNNING_CONTEXT)?)
        .store(slot(READY), 1)
        .wait_for_signal(slot(GO), Compare::Equal, 1)
        .store(waiting.slot(0), 5);
    waiting.start_with(&[page.at(SHARED)], &batch.end())?;
    let read = |number: u64| seen.read(number as usize);
    files::wait_until("the batch that waits", PATIENCE, || Ok(read(READY) == 1))?;
    thread::sleep(Duration::from_millis(2));
    waiting.expect("ahead of the signal", 0, 0)?;
    let target = first.semaphore_target()?;
    let batch = Batch::default()
        .store(slot(GO), 1)
        .command(mi::SEMAPHORE_SIGNAL | target << 15, &[read(CONTEXT)])
        .store(signalling.slot(0), 6);
    signalling.run_with(&[page.at(SHARED)], &batch.end())?;
    signalling.expect("behind the signal", 0, 6)?;
    waiting.wait().map_err(|error| match error {
        Error::Late(_) => Error::Late("the wait that was signalled".into()),
        other => other,
    })?;
    waiting.expect("behind the wait", 0, 5)?;
    Ok(format!("context {:#x} woken", read(CONTEXT)))
}

/// Two engines count in the same dword at the same time; no step is lost.
fn shared_counter(device: &Device, first: Engine, second: Engine) -> Result<String> {
    const ROUNDS: u32 = 1000;
    let page = shared(device)?;
    let seen = page.open()?;
    let trials = [Trial::new(device, first)?, Trial::new(device, second)?];
    // Both wait until both are there.
    let meet = Batch::default().increment(slot(1)).wait_until(slot(1), Compare::Equal, 2);
    let batch = (0..ROUNDS).fold(meet, |batch, _| batch.increment(slot(0)));
    for trial in &trials {
        trial.start_with(&[page.at(SHARED)], &batch.clone().end())?;
    }
    trials.iter().try_for_each(Trial::wait)?;
    expect_dword("the count", seen.read(0), 2 * ROUNDS)?;
    Ok(format!("{ROUNDS} steps each"))
}
