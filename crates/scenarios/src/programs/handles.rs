//! D and P: a handle is closed while the context lives on.

use driver::{ClientId, ContextId, DropCaches, Handle, Name, Platform};
use gen8_spec::engine::EngineId;

use crate::report::label;
use crate::world::{Outcome, World};

/// An exporter's name and an importer whose page tables exist already: a batch of its own stays
/// bound, so that only the shared object's VMA can come and go.
fn warm_importer<P: Platform>(world: &mut World<'_, P>) -> Outcome<(Name, ClientId)> {
    let exporter = world.driver.open()?;
    let object = world.end_batch_object(exporter)?;
    let name = world.driver.gem_flink(exporter, object)?;
    let client = world.driver.open()?;
    let own = world.end_batch_object(client)?;
    exec(world, client, own)?;
    Ok((name, client))
}

fn exec<P: Platform>(world: &mut World<'_, P>, client: ClientId, handle: Handle) -> Outcome<u64> {
    world.exec_self_and_wait(client, ContextId::DEFAULT, EngineId::Rcs, handle)
}

/// D: is the object's address free for a new object once its handle is closed? Asked twice: after
/// a retire, and after the GT went idle (which the lazy policies need).
pub(crate) fn flink_and_close<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let (name, client) = warm_importer(world)?;
    world.settled_checkpoint(label::BEFORE);

    let shared = world.driver.gem_open(client, name)?;
    let address = exec(world, client, shared)?;
    world.checkpoint(label::DURING);
    world.driver.gem_close(client, shared)?;

    for (fact, flags) in [
        ("address_is_free_after_retire", DropCaches::RETIRE),
        ("address_is_free_after_idle", DropCaches::RETIRE | DropCaches::IDLE),
    ] {
        world.driver.drop_caches(flags)?;
        let new = world.end_batch_object(client)?;
        let new_address = exec(world, client, new)?;
        world.fact(fact, new_address == address);
        world.driver.gem_close(client, new)?;
    }
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// P, in two parts: the only *used* handle of two is closed; then one of two used handles.
pub(crate) fn two_handles<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let (name, client) = warm_importer(world)?;
    world.settled_checkpoint(label::BEFORE);

    let first = world.driver.gem_open(client, name)?;
    let second = world.driver.gem_open(client, name)?;
    world.fact("handles_differ", first != second);
    let address = exec(world, client, first)?;
    world.checkpoint(label::DURING);
    world.driver.gem_close(client, first)?;
    world.driver.retire();
    let bound = is_bound(world, client, second);
    world.fact("bound_after_the_used_handle_closed", bound);

    let again = exec(world, client, second)?;
    world.fact("same_address", again == address);
    let third = world.driver.gem_open(client, name)?;
    exec(world, client, third)?;
    world.driver.gem_close(client, second)?;
    world.driver.retire();
    let bound = is_bound(world, client, third);
    world.fact("bound_while_the_other_used_handle_is_open", bound);
    world.driver.gem_close(client, third)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

fn is_bound<P: Platform>(world: &World<'_, P>, client: ClientId, handle: Handle) -> bool {
    world.driver.vma_offset(client, ContextId::DEFAULT, handle).is_some()
}
