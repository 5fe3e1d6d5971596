//! Android-like churn: a compositor shares buffers with many short-lived programs.
//!
//! The script is made from the seed first ([`script`]); the program performs it on the driver, and
//! [`Survivors`] tells by simple bookkeeping, without any driver, what must be left over when
//! nothing is cleaned up.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use driver::{ClientId, ContextId, Handle, Name, Platform};
use gen8_spec::engine::EngineId;

use crate::report::label;
use crate::rng::Rng;
use crate::world::{Outcome, World};

/// Steps of a script.
const STEPS: usize = 160;
/// Programs that live at a time, at most.
const PROGRAMS: usize = 5;
/// Buffers that the compositor holds.
const BUFFERS: usize = 8;
/// Engines that every part has.
const ENGINES: [EngineId; 4] = [EngineId::Rcs, EngineId::Bcs, EngineId::Vcs, EngineId::Vecs];

/// One step. Programs and buffers are numbered in the order of their birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The compositor makes a buffer and shares it.
    Share { buffer: u32 },
    /// The compositor frees a buffer.
    Free { buffer: u32 },
    /// A program starts.
    Start { program: u32 },
    /// A program imports a buffer, uses it on an engine and perhaps closes its handle.
    Use { program: u32, buffer: u32, engine: EngineId, close: bool },
    /// A program exits.
    Exit { program: u32 },
}

/// The script of `seed`. At its end every program has exited and the compositor holds its buffers.
pub(crate) fn script(seed: u64) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let mut steps = Vec::new();
    let mut buffers: Vec<u32> = (0..BUFFERS as u32).collect();
    let mut programs: Vec<u32> = Vec::new();
    let (mut next_buffer, mut next_program) = (BUFFERS as u32, 0);
    steps.extend(buffers.iter().map(|&buffer| Step::Share { buffer }));
    for _ in 0..STEPS {
        let slot = rng.below(BUFFERS);
        let chosen = rng.below(programs.len());
        match (rng.below(10), programs.get(chosen).copied()) {
            (0, _) => {
                steps.push(Step::Free { buffer: buffers[slot] });
                buffers[slot] = next_buffer;
                steps.push(Step::Share { buffer: next_buffer });
                next_buffer += 1;
            }
            (1 | 2, Some(program)) => {
                programs.remove(chosen);
                steps.push(Step::Exit { program });
            }
            (3 | 4, _) | (_, None) if programs.len() < PROGRAMS => {
                programs.push(next_program);
                steps.push(Step::Start { program: next_program });
                next_program += 1;
            }
            (_, Some(program)) => steps.push(Step::Use {
                program,
                buffer: buffers[slot],
                engine: ENGINES[rng.below(ENGINES.len())],
                close: rng.below(2) == 0,
            }),
            (_, None) => {}
        }
    }
    steps.extend(programs.into_iter().map(|program| Step::Exit { program }));
    steps
}

/// Who is left over when a dead address space lives as long as an object that it has a VMA of: the
/// law of policy `None`.
#[derive(Debug, Default)]
pub(crate) struct Survivors {
    /// Buffers that the compositor holds.
    shared: BTreeSet<u32>,
    /// Open handles: (program, buffer) → how many.
    handles: BTreeMap<(u32, u32), u32>,
    /// VMAs: (program, buffer).
    vmas: BTreeSet<(u32, u32)>,
}

impl Survivors {
    /// What is left over after the script of `seed`: address spaces and VMAs.
    pub(crate) fn of(seed: u64) -> (i64, i64) {
        let mut survivors = Survivors::default();
        for step in script(seed) {
            survivors.step(step);
        }
        let vms: BTreeSet<u32> = survivors.vmas.iter().map(|&(program, _)| program).collect();
        (vms.len() as i64, survivors.vmas.len() as i64)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Start { .. } => {}
            Step::Share { buffer } => {
                self.shared.insert(buffer);
            }
            Step::Free { buffer } => {
                self.shared.remove(&buffer);
            }
            Step::Use { program, buffer, close, .. } => {
                self.vmas.insert((program, buffer));
                if !close {
                    *self.handles.entry((program, buffer)).or_default() += 1;
                }
            }
            Step::Exit { program } => self.handles.retain(|&(owner, _), _| owner != program),
        }
        // A buffer dies with its last holder, and takes its VMAs along.
        let (shared, handles) = (&self.shared, &self.handles);
        self.vmas.retain(|&(_, buffer)| {
            shared.contains(&buffer) || handles.keys().any(|&(_, held)| held == buffer)
        });
    }
}

/// Whether the script of `seed` has a program whose address space goes with an engine's reference
/// on its last context: it exits while it is the last on some engine, and when the last such engine
/// leaves it, no VMA is left in it. With `cleaned` none ever is in a dead context's; else the law of
/// [`Survivors`] holds.
///
/// Every use is waited for, so there is no other reference on the context.
pub(crate) fn releases_at_a_switch(seed: u64, cleaned: bool) -> bool {
    let mut survivors = Survivors::default();
    let mut last: BTreeMap<usize, u32> = BTreeMap::new();
    let mut exited: BTreeSet<u32> = BTreeSet::new();
    let mut released = false;
    let steps = script(seed);
    let middle = steps.len() / 2;
    let settle = |at: usize| at == middle || at == steps.len();
    for at in 0..=steps.len() {
        // The programs that engines leave at this step, one after the other.
        let mut left = Vec::new();
        if settle(at) {
            while let Some((_, program)) = last.pop_first() {
                left.push((program, last.clone()));
            }
        }
        match steps.get(at) {
            Some(&Step::Use { program, engine, .. }) => {
                if let Some(old) = last.insert(engine.index(), program) {
                    left.push((old, last.clone()));
                }
            }
            Some(&Step::Exit { program }) => {
                exited.insert(program);
            }
            _ => {}
        }
        released |= left.into_iter().any(|(program, still)| {
            exited.contains(&program)
                && !still.values().any(|&other| other == program)
                && (cleaned || !survivors.vmas.iter().any(|&(owner, _)| owner == program))
        });
        if let Some(&step) = steps.get(at) {
            survivors.step(step);
        }
    }
    released
}

/// The compositor's side of a buffer.
struct Buffer {
    handle: Handle,
    name: Name,
}

/// W.
pub(crate) fn android_churn<P: Platform>(world: &mut World<'_, P>, seed: u64) -> Outcome {
    let compositor = world.driver.open()?;
    world.settled_checkpoint(label::BEFORE);
    let mut buffers: BTreeMap<u32, Buffer> = BTreeMap::new();
    let mut programs: BTreeMap<u32, ClientId> = BTreeMap::new();
    let steps = script(seed);
    let middle = steps.len() / 2;
    for (i, step) in steps.into_iter().enumerate() {
        if i == middle {
            world.settled_checkpoint(label::DURING);
        }
        perform(world, compositor, &mut buffers, &mut programs, step)?;
    }
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

fn perform<P: Platform>(
    world: &mut World<'_, P>,
    compositor: ClientId,
    buffers: &mut BTreeMap<u32, Buffer>,
    programs: &mut BTreeMap<u32, ClientId>,
    step: Step,
) -> Outcome {
    match step {
        Step::Share { buffer } => {
            let handle = world.end_batch_object(compositor)?;
            let name = world.driver.gem_flink(compositor, handle)?;
            buffers.insert(buffer, Buffer { handle, name });
        }
        Step::Free { buffer } => {
            if let Some(Buffer { handle, .. }) = buffers.remove(&buffer) {
                world.driver.gem_close(compositor, handle)?;
            }
        }
        Step::Start { program } => {
            programs.insert(program, world.driver.open()?);
        }
        Step::Use { program, buffer, engine, close } => {
            if let (Some(&client), Some(shared)) = (programs.get(&program), buffers.get(&buffer)) {
                let handle = world.driver.gem_open(client, shared.name)?;
                world.exec_self_and_wait(client, ContextId::DEFAULT, engine, handle)?;
                if close {
                    world.driver.gem_close(client, handle)?;
                }
            }
        }
        Step::Exit { program } => {
            if let Some(client) = programs.remove(&program) {
                world.driver.close(client)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_is_decided_by_its_seed() {
        assert_eq!(script(1), script(1));
        assert_ne!(script(1), script(2));
    }

    #[test]
    fn script_churns() {
        let steps = script(1);
        let count = |wanted: fn(&Step) -> bool| steps.iter().filter(|step| wanted(step)).count();
        assert!(count(|step| matches!(step, Step::Start { .. })) >= 10);
        assert!(count(|step| matches!(step, Step::Free { .. })) >= 5);
        assert!(count(|step| matches!(step, Step::Use { .. })) >= 40);
        assert_eq!(
            count(|step| matches!(step, Step::Start { .. })),
            count(|step| matches!(step, Step::Exit { .. }))
        );
    }

    #[test]
    fn a_vma_survives_as_long_as_somebody_holds_its_buffer() {
        let mut survivors = Survivors::default();
        let used = Step::Use { program: 0, buffer: 7, engine: EngineId::Rcs, close: false };
        for step in [Step::Share { buffer: 7 }, Step::Start { program: 0 }, used] {
            survivors.step(step);
        }
        survivors.step(Step::Exit { program: 0 });
        assert_eq!(survivors.vmas.len(), 1);
        survivors.step(Step::Free { buffer: 7 });
        assert_eq!(survivors.vmas.len(), 0);
    }
}
