//! A, B, C, L, N, O, U, V: somebody exports an object, an importer uses it on the GPU and exits.
//!
//! The exporter never executes the object itself: with a VMA of its own it would hide the leak from
//! `i915_gem_gtt` (spec vma-cleanup §5.1).

use driver::{ClientId, ContextId, DmaBuf, DropCaches, Handle, Name, Platform};
use gen8_spec::engine::EngineId;

use crate::report::label;
use crate::world::{Outcome, PAGE, World};

/// An object of which a small address space holds only one.
const HALF_OF_SMALL_VM: u64 = 512 << 10;

/// Where the importer gets the object from.
#[derive(Clone, Copy)]
enum Import {
    Name(Name),
    DmaBuf(DmaBuf),
}

/// An exporter with its shared object.
struct Exporter {
    client: ClientId,
    object: Handle,
    name: Name,
}

fn exporter<P: Platform>(world: &mut World<'_, P>) -> Outcome<Exporter> {
    let client = world.driver.open()?;
    let object = world.driver.gem_create(client, PAGE)?;
    let name = world.driver.gem_flink(client, object)?;
    Ok(Exporter { client, object, name })
}

/// Opens, imports, makes the object a batch that ends at once and executes it (as IGT's helper does:
/// a zeroed object is a batch of NOOPs without an end). The object is then bound in the importer's
/// address space.
fn importer<P: Platform>(world: &mut World<'_, P>, import: Import) -> Outcome<(ClientId, Handle)> {
    let client = world.driver.open()?;
    let handle = match import {
        Import::Name(name) => world.driver.gem_open(client, name)?,
        Import::DmaBuf(buf) => world.driver.prime_import(client, buf)?,
    };
    world.write_end(client, handle)?;
    world.exec_self_and_wait(client, ContextId::DEFAULT, EngineId::Rcs, handle)?;
    Ok((client, handle))
}

/// A and B.
pub(crate) fn flink_and_exit<P: Platform>(world: &mut World<'_, P>, close_handle: bool) -> Outcome {
    let exporter = exporter(world)?;
    let bystander = world.bystander()?;
    world.settled_checkpoint(label::BEFORE);
    world.fact("listed_before", world.debugfs_lists(exporter.name));

    let (client, handle) = importer(world, Import::Name(exporter.name))?;
    world.checkpoint(label::DURING);
    world.fact("listed_during", world.debugfs_lists(exporter.name));
    if close_handle {
        world.driver.gem_close(client, handle)?;
    }
    world.driver.close(client)?;

    world.bystander_runs(&bystander, EngineId::Rcs)?;
    world.settled_checkpoint(label::AFTER);
    world.fact("listed_after", world.debugfs_lists(exporter.name));
    Ok(())
}

/// C: the exporter is the kernel's console; its frame buffer is pinned in the GGTT for scan-out. The
/// server is started and ended so many times.
pub(crate) fn xserver_restart<P: Platform>(world: &mut World<'_, P>, restarts: u32) -> Outcome {
    let (_, name) = world.driver.fb_create(PAGE)?;
    let bystander = world.bystander()?;
    world.settled_checkpoint(label::BEFORE);
    for run in 0..restarts {
        let (client, _) = importer(world, Import::Name(name))?;
        if run + 1 == restarts {
            world.checkpoint(label::DURING);
        }
        world.driver.close(client)?;
        world.bystander_runs(&bystander, EngineId::Rcs)?;
        // The machine is idle for a while before the next server starts.
        world.driver.settle();
    }
    world.checkpoint(label::AFTER);
    let vms = world.driver.counters().vms;
    world.driver.drop_caches(DropCaches::BOUND | DropCaches::UNBOUND)?;
    world.fact("shrinker_frees_vms", world.driver.counters().vms < vms);
    Ok(())
}

/// L: nobody else has anything bound, so that the shrinker's work shows alone.
pub(crate) fn shrinker_rescue<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let exporter = exporter(world)?;
    world.settled_checkpoint(label::BEFORE);
    let (client, _) = importer(world, Import::Name(exporter.name))?;
    world.driver.close(client)?;
    world.settled_checkpoint(label::DURING);
    world.driver.drop_caches(DropCaches::BOUND | DropCaches::UNBOUND)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// N.
pub(crate) fn exporter_frees<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let exporter = exporter(world)?;
    world.settled_checkpoint(label::BEFORE);
    let (client, _) = importer(world, Import::Name(exporter.name))?;
    world.driver.close(client)?;
    world.settled_checkpoint(label::DURING);
    world.driver.gem_close(exporter.client, exporter.object)?;
    world.settled_checkpoint(label::AFTER);
    let gone = world.driver.gem_open(exporter.client, exporter.name).is_err();
    world.fact("name_is_gone", gone);
    Ok(())
}

/// O: the census in the middle is taken while the engine still has the importer's context as its
/// last one, so nothing here may switch engines to the kernel's context before it.
pub(crate) fn engine_holds_last_ctx<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let exporter = exporter(world)?;
    let bystander = world.bystander()?;
    world.settled_checkpoint(label::BEFORE);
    let (client, _) = importer(world, Import::Name(exporter.name))?;
    world.driver.close(client)?;
    world.driver.quiesce();
    world.checkpoint(label::DURING);
    world.bystander_runs(&bystander, EngineId::Rcs)?;
    world.driver.quiesce();
    world.checkpoint(label::AFTER);
    Ok(())
}

/// U: the other client's address space holds one of its two objects at a time. The dead one has
/// room, and nobody binds there any more, so eviction never looks at it.
pub(crate) fn dead_vm_eviction<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let exporter = exporter(world)?;
    let other = world.driver.open()?;
    let first = world.end_batch_object_of(other, HALF_OF_SMALL_VM)?;
    let second = world.end_batch_object_of(other, HALF_OF_SMALL_VM)?;
    // Each has been there once: from 4.9 on an evicted VMA is kept, unbound.
    for object in [first, second, first] {
        world.exec_self_and_wait(other, ContextId::DEFAULT, EngineId::Rcs, object)?;
    }
    world.settled_checkpoint(label::BEFORE);

    let (client, _) = importer(world, Import::Name(exporter.name))?;
    world.checkpoint(label::DURING);
    world.driver.close(client)?;
    world.exec_self_and_wait(other, ContextId::DEFAULT, EngineId::Rcs, second)?;
    let evicted = world.driver.vma_offset(other, ContextId::DEFAULT, first).is_none();
    world.fact("eviction_ran", evicted);
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// V.
pub(crate) fn prime<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let exporter = exporter(world)?;
    let buf = world.driver.prime_export(exporter.client, exporter.object)?;
    let bystander = world.bystander()?;
    world.settled_checkpoint(label::BEFORE);
    let (client, handle) = importer(world, Import::DmaBuf(buf))?;
    let same = world.driver.object_id(client, handle)
        == world.driver.object_id(exporter.client, exporter.object);
    world.fact("import_is_the_same_object", same);
    world.checkpoint(label::DURING);
    world.driver.close(client)?;
    world.bystander_runs(&bystander, EngineId::Rcs)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}
