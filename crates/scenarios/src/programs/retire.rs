//! G, H, I, S: a context dies while the retirement of its objects is incomplete.
//!
//! The original of G keeps the blitter busy with a thousand copies; here a batch on the blitter's
//! engine waits for a semaphore, which holds the object exactly as long as the scenario wants.

use driver::{ClientId, ContextId, DropCaches, ExecObject, Handle, Platform};
use gen8_spec::engine::EngineId;

use crate::batch::Batch;
use crate::report::label;
use crate::world::{Hold, Outcome, Program, World};

/// A context that reads the shared object on the blitter's engine for as long as `hold` is closed.
struct SlowReader {
    client: ClientId,
    context: ContextId,
    shared: Handle,
    hold: Hold,
    program: Program,
}

impl SlowReader {
    /// Set up and run once unhindered, so that its page tables exist.
    fn new<P: Platform>(world: &mut World<'_, P>) -> Outcome<SlowReader> {
        let client = world.driver.open()?;
        let shared = world.end_batch_object(client)?;
        let hold = world.hold(client)?;
        let context = world.driver.context_create(client)?;
        let program = world.program(client, Batch::new().wait_for(hold.handle, 0))?;
        let reader = SlowReader { client, context, shared, hold, program };
        reader.run(world)?;
        world.wait(client, shared)?;
        Ok(reader)
    }

    fn run<P: Platform>(&self, world: &mut World<'_, P>) -> Outcome {
        let objects = [ExecObject::new(self.shared), ExecObject::new(self.hold.handle)];
        world.run(self.client, self.context, EngineId::Bcs, &objects, &self.program)?;
        Ok(())
    }

    fn start_held<P: Platform>(&self, world: &mut World<'_, P>) -> Outcome {
        world.close_hold(self.hold)?;
        self.run(world)
    }

    fn is_busy<P: Platform>(&self, world: &mut World<'_, P>) -> Outcome<bool> {
        world.driver.gem_busy(self.client, self.shared)
    }
}

/// G: the quick context's own work is done, but the object is busy elsewhere, so its VMA is still
/// on the active list when the context dies.
pub(crate) fn vma_not_inactive<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let slow = SlowReader::new(world)?;
    let bystander = world.bystander()?;
    world.settled_checkpoint(label::BEFORE);
    slow.start_held(world)?;
    let quick = world.driver.context_create(slow.client)?;
    world.exec_self(slow.client, quick, EngineId::Rcs, slow.shared)?;
    // The engine takes requests in order, so the quick one is done, retired and switched out.
    world.bystander_runs(&bystander, EngineId::Rcs)?;
    world.checkpoint(label::DURING);
    world.queue_open_hold(slow.hold, false);
    world.driver.context_destroy(slow.client, quick)?;
    let busy = slow.is_busy(world)?;
    world.fact("destroy_returned_at_once", busy);
    world.wait(slow.client, slow.shared)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// H: the object is active in the dead context's address space and in the slow one's; the shrinker
/// unbinds the dead one's VMA first, and waits for the slow one.
pub(crate) fn recursion<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let slow = SlowReader::new(world)?;
    let bystander = world.bystander()?;
    let client = slow.client;
    let quick_hold = world.hold(client)?;
    let everything = DropCaches::BOUND | DropCaches::UNBOUND | DropCaches::SHRINK_ALL;
    // Nothing is bound before, as nothing will be after.
    world.driver.drop_caches(everything)?;
    world.settled_checkpoint(label::BEFORE);

    // The quick context comes first, so that its VMA is first on the object's list.
    let quick = world.driver.context_create(client)?;
    let batch = Batch::new().wait_for(quick_hold.handle, 0);
    let program = world.program_into(client, slow.shared, batch)?;
    world.close_hold(quick_hold)?;
    let objects = [ExecObject::new(quick_hold.handle)];
    world.run(client, quick, EngineId::Rcs, &objects, &program)?;
    slow.start_held(world)?;
    world.open_hold(quick_hold)?;
    world.bystander_runs(&bystander, EngineId::Rcs)?;
    let busy = slow.is_busy(world)?;
    world.fact("object_is_still_busy", busy);

    world.queue_open_hold(slow.hold, false);
    world.driver.context_destroy(client, quick)?;
    world.driver.drop_caches(everything)?;
    world.fact("shrinker_unbound_the_object", !world.driver.is_bound(client, slow.shared));
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// I: the context is destroyed while its batch is in flight, and another context has taken the
/// engine, so the request's references are the context's last ones. The shared object is the batch
/// itself: it is retired last.
pub(crate) fn last_ref_in_retire<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let client = world.driver.open()?;
    let hold = world.hold(client)?;
    let other_batch = world.end_batch_object(client)?;
    let other = world.driver.context_create(client)?;
    world.exec_self_and_wait(client, other, EngineId::Rcs, other_batch)?;
    world.settled_checkpoint(label::BEFORE);

    let context = world.driver.context_create(client)?;
    let program = world.program(client, Batch::new().wait_for(hold.handle, 0))?;
    world.close_hold(hold)?;
    let objects = [ExecObject::new(hold.handle)];
    world.run(client, context, EngineId::Rcs, &objects, &program)?;
    world.exec_self(client, other, EngineId::Rcs, other_batch)?;
    world.checkpoint(label::DURING);
    world.driver.context_destroy(client, context)?;
    world.open_hold(hold)?;
    world.wait(client, other_batch)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// Contexts of S that die.
pub(crate) const DYING: usize = 7;
/// The first so many of them were idle before the object became busy elsewhere: their VMAs are on
/// the inactive list. Those of the others are stuck on the active list.
pub(crate) const IDLE_BEFORE: usize = 4;
/// The order in which they die, from a die once cast: a stuck one first, then an idle one.
pub(crate) const DEATHS: [usize; DYING] = [5, 1, 4, 0, 6, 2, 3];

/// S.
pub(crate) fn shared_in_n_vms<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let slow = SlowReader::new(world)?;
    let bystander = world.bystander()?;
    world.settled_checkpoint(label::BEFORE);
    let mut contexts = [ContextId::DEFAULT; DYING];
    for (i, context) in contexts.iter_mut().enumerate() {
        if i == IDLE_BEFORE {
            world.driver.quiesce();
            slow.start_held(world)?;
        }
        *context = world.driver.context_create(slow.client)?;
        world.exec_self(slow.client, *context, EngineId::Rcs, slow.shared)?;
    }
    world.bystander_runs(&bystander, EngineId::Rcs)?;
    world.checkpoint(label::DURING);
    world.queue_open_hold(slow.hold, false);
    for index in DEATHS {
        if let Some(&context) = contexts.get(index) {
            world.driver.context_destroy(slow.client, context)?;
        }
    }
    world.wait(slow.client, slow.shared)?;
    let bound = world.driver.vma_offset(slow.client, slow.context, slow.shared).is_some();
    world.fact("survivors_vma_untouched", bound);
    world.settled_checkpoint(label::AFTER);
    Ok(())
}
