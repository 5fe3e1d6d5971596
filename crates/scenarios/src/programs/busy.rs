//! F, F2, Q: the object is idle in the dying context and busy in another one, so a destructor that
//! waits for the *object* sleeps with the lock held (spec vma-cleanup §4 P2).

use driver::{ClientId, ContextId, ExecObject, Handle, Platform};
use gen8_spec::engine::EngineId;

use crate::batch::Batch;
use crate::report::label;
use crate::world::{Hold, Outcome, Program, World};

/// What the slow context writes when it is let go.
const RESULT: u32 = 0x600d_600d;

/// One file with a slow context: its batch waits for `hold`, then writes [`RESULT`].
struct Slow {
    client: ClientId,
    context: ContextId,
    /// The object that both contexts use.
    shared: Handle,
    hold: Hold,
    result: Handle,
    program: Program,
}

impl Slow {
    /// Set up and run once unhindered, so that everything of it is bound.
    fn new<P: Platform>(world: &mut World<'_, P>) -> Outcome<Slow> {
        let client = world.driver.open()?;
        let shared = world.end_batch_object(client)?;
        let hold = world.hold(client)?;
        let result = world.driver.gem_create(client, crate::world::PAGE)?;
        let context = world.driver.context_create(client)?;
        let batch = Batch::new().wait_for(hold.handle, 0).store(result, 0, RESULT);
        let program = world.program(client, batch)?;
        let slow = Slow { client, context, shared, hold, result, program };
        slow.start(world)?;
        world.wait(client, result)?;
        Ok(slow)
    }

    /// Puts the batch on the render engine; clears the result first.
    fn start<P: Platform>(&self, world: &mut World<'_, P>) -> Outcome {
        world.driver.pwrite(self.client, self.result, 0, &[0])?;
        let objects = [
            ExecObject::new(self.shared),
            ExecObject::new(self.hold.handle),
            ExecObject::new(self.result).written(),
        ];
        world.run(self.client, self.context, EngineId::Rcs, &objects, &self.program)?;
        Ok(())
    }

    /// The recipe up to the destroy call: a quick context used the shared object and is idle; the
    /// slow one is held with it. Gives the quick context.
    fn quick_context_idle_slow_one_busy<P: Platform>(
        &self,
        world: &mut World<'_, P>,
    ) -> Outcome<ContextId> {
        let quick = world.driver.context_create(self.client)?;
        world.exec_self_and_wait(self.client, quick, EngineId::Rcs, self.shared)?;
        world.driver.quiesce();
        world.close_hold(self.hold)?;
        self.start(world)?;
        Ok(quick)
    }

    fn is_busy<P: Platform>(&self, world: &mut World<'_, P>) -> Outcome<bool> {
        world.driver.gem_busy(self.client, self.shared)
    }

    fn address<P: Platform>(&self, world: &World<'_, P>) -> Option<u64> {
        world.driver.vma_offset(self.client, self.context, self.shared)
    }

    /// Waits for the slow batch; whether it did its work.
    fn finish<P: Platform>(&self, world: &mut World<'_, P>) -> Outcome<bool> {
        world.wait(self.client, self.result)?;
        Ok(world.first_dword(self.client, self.result)? == RESULT)
    }
}

/// F: the release needs the lock.
pub(crate) fn busy_elsewhere<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let slow = Slow::new(world)?;
    let address = slow.address(world);
    world.settled_checkpoint(label::BEFORE);
    let quick = slow.quick_context_idle_slow_one_busy(world)?;
    world.checkpoint(label::DURING);
    // Queued before the call that may wait: nobody else runs while this thread sleeps in it.
    world.queue_open_hold(slow.hold, true);
    world.driver.context_destroy(slow.client, quick)?;
    let busy = slow.is_busy(world)?;
    world.fact("destroy_returned_at_once", busy);
    let done = slow.finish(world)?;
    world.fact("other_context_did_its_work", done);
    let untouched = address.is_some() && slow.address(world) == address;
    world.fact("other_contexts_vma_untouched", untouched);
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// F2: first a release that needs no lock (only a stall), then one that does (a deadlock, if the
/// destructor waits).
pub(crate) fn both_releases<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let slow = Slow::new(world)?;
    world.settled_checkpoint(label::BEFORE);
    for (locked, stalls, deadlocks) in [
        (false, "destructor_stalls", "deadlock_on_unlocked_release"),
        (true, "destructor_stalls_again", "deadlock_on_locked_release"),
    ] {
        let quick = slow.quick_context_idle_slow_one_busy(world)?;
        world.queue_open_hold(slow.hold, locked);
        world.driver.context_destroy(slow.client, quick)?;
        let busy = slow.is_busy(world)?;
        world.fact(stalls, !busy);
        world.fact(deadlocks, world.found("DeadlockDetected"));
        slow.finish(world)?;
    }
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// Q: nobody ever releases the slow context; hang detection resets the GPU.
pub(crate) fn reset_during_cleanup<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let slow = Slow::new(world)?;
    let bystander = world.bystander()?;
    world.settled_checkpoint(label::BEFORE);
    let quick = slow.quick_context_idle_slow_one_busy(world)?;
    world.driver.context_destroy(slow.client, quick)?;
    // Whoever waits for the hung batch is let go by the reset.
    world.driver.gem_wait(slow.client, slow.shared, None).ok();
    world.driver.quiesce();
    let busy = slow.is_busy(world)?;
    world.fact("gpu_idle_after_reset", !busy);
    let done = world.first_dword(slow.client, slow.result)? == RESULT;
    world.fact("hung_batch_was_skipped", !done);
    world.open_hold(slow.hold)?;
    let works = world.bystander_runs(&bystander, EngineId::Rcs).is_ok();
    world.fact("gpu_works_after_reset", works);
    world.settled_checkpoint(label::AFTER);
    Ok(())
}
