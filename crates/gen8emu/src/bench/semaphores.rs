//! `semaphore_handover`: work that goes back and forth between two engines.

use anyhow::{Result, ensure};
use gen8_spec::commands::mi::{self, semaphore};
use gen8_spec::engine::EngineId;

use super::measure::Pair;
use super::{Bench, Target, Unit, measure};
use rigs::{BATCH_ROOM, CONTEXT_ID, DATA_VA, Rig, SECOND_BATCH};

/// The limit is the commands themselves: an engine that need not wait runs on in its slice.
pub(super) const SEMAPHORE_HANDOVER: Bench = Bench {
    name: "semaphore_handover",
    about: "from a signal on one engine until the waiter on another has signalled back",
    limit: "the same commands where nobody has to wait",
    unit: Unit::Microseconds,
    target: Target::Value(5.0),
    run: semaphore_handover,
};

/// Turns of each engine in its batch.
const TURNS: u32 = 256;
/// The dword that says whose turn it is, behind the batches.
const TURN: u64 = BATCH_ROOM;

/// One turn: waits for a signal until the dword is at least `from`, sets it to `to`, signals.
fn turn(from: u32, to: u32, other: EngineId) -> Vec<u32> {
    let place = DATA_VA + TURN;
    let (low, high) = (place as u32, (place >> 32) as u32);
    let at_least = semaphore::SAD_GTE_SDD << semaphore::COMPARE_SHIFT;
    let is_other = |&target: &u32| EngineId::from_semaphore_target(target) == Some(other);
    let target = (0..=semaphore::TARGET_MASK).find(is_other).unwrap_or(semaphore::TARGET_MASK);
    let wait = [mi::header(mi::SEMAPHORE_WAIT, 2) | at_least, from, low, high];
    let store = [mi::header(mi::STORE_DATA_IMM, 2), low, high, to];
    let header = mi::header(mi::SEMAPHORE_SIGNAL, 0) | target << semaphore::TARGET_SHIFT;
    [&wait[..], &store, &[header, CONTEXT_ID]].concat()
}

/// Two engines that take turns, or do the same without a wait.
fn rig(waits: bool) -> Result<Rig> {
    let engines = [EngineId::Rcs, EngineId::Bcs];
    let rig = Rig::pair(engines)?;
    for (first, offset, other) in [(0, 0, engines[1]), (1, SECOND_BATCH, engines[0])] {
        let turns = (0..TURNS).flat_map(|n| {
            let now = 2 * n + first;
            turn(if waits { now } else { 0 }, now + 1, other)
        });
        let mut batch: Vec<u32> = turns.collect();
        batch.push(mi::header(mi::BATCH_BUFFER_END, 0));
        rig.put_data(offset, &batch);
    }
    Ok(rig)
}

/// Runs both batches; how often the work went over.
fn run(rig: &mut Rig, rounds: u32) -> u64 {
    for _ in 0..rounds {
        rig.put_data(TURN, &[0]);
        rig.run_batch();
    }
    u64::from(rounds) * u64::from(2 * TURNS - 1)
}

fn semaphore_handover() -> Result<Pair> {
    let (mut subject, mut limit) = (rig(true)?, rig(false)?);
    run(&mut subject, 1);
    let last = subject.data(TURN);
    ensure!(last == Some(2 * TURNS), "the engines stopped at turn {last:?}");
    Ok(measure::pair(|rounds| run(&mut subject, rounds), |rounds| run(&mut limit, rounds)))
}
