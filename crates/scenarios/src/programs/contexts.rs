//! E, J, K, R: a context is created and destroyed within one file.

use driver::{ContextId, FaultInjection, Platform};
use gen8_spec::engine::EngineId;

use crate::report::label;
use crate::world::{Outcome, World};

/// E: nothing is shared; the object only outlives the context.
pub(crate) fn destroy_own_object<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let client = world.driver.open()?;
    let object = world.end_batch_object(client)?;
    let bystander = world.bystander()?;
    world.settled_checkpoint(label::BEFORE);
    let context = world.driver.context_create(client)?;
    world.exec_self_and_wait(client, context, EngineId::Rcs, object)?;
    world.checkpoint(label::DURING);
    world.driver.context_destroy(client, context)?;
    world.bystander_runs(&bystander, EngineId::Rcs)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// J: the execbuffer fails between the look-up, which makes the VMA, and the binding.
pub(crate) fn unbound_vma<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let client = world.driver.open()?;
    let object = world.end_batch_object(client)?;
    let bystander = world.bystander()?;
    world.settled_checkpoint(label::BEFORE);
    let context = world.driver.context_create(client)?;
    world.driver.inject(FaultInjection::ExecbufVaSpace);
    let failed = world.exec_self(client, context, EngineId::Rcs, object).is_err();
    world.fact("execbuffer_failed", failed);
    world.fact("object_is_bound", world.driver.is_bound(client, object));
    world.checkpoint(label::DURING);
    world.driver.context_destroy(client, context)?;
    world.bystander_runs(&bystander, EngineId::Rcs)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// K: one PPGTT aliases the GGTT (execlists), or there is none (legacy rings); contexts have none of
/// their own.
pub(crate) fn no_vm<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let client = world.driver.open()?;
    let object = world.end_batch_object(client)?;
    // The aliasing page tables for the addresses in question are to exist before.
    world.exec_self_and_wait(client, ContextId::DEFAULT, EngineId::Rcs, object)?;
    world.settled_checkpoint(label::BEFORE);
    let context = world.driver.context_create(client)?;
    world.fact("context_has_a_vm", world.driver.vm_id(client, context).is_some());
    world.exec_self_and_wait(client, context, EngineId::Rcs, object)?;
    world.checkpoint(label::DURING);
    world.driver.context_destroy(client, context)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// R: the context's only object is gone before it, so that under every policy the address space
/// dies with the context, while the engine, idle, still has its roots loaded.
pub(crate) fn live_root_free<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let client = world.driver.open()?;
    let bystander = world.bystander()?;
    world.settled_checkpoint(label::BEFORE);
    let context = world.driver.context_create(client)?;
    let object = world.end_batch_object(client)?;
    world.exec_self_and_wait(client, context, EngineId::Rcs, object)?;
    world.checkpoint(label::DURING);
    world.driver.gem_close(client, object)?;
    world.driver.quiesce();
    world.driver.context_destroy(client, context)?;
    world.driver.quiesce();
    world.bystander_runs(&bystander, EngineId::Rcs)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}
