//! For each bug of the real driver ([`Bug`]) a program that makes it bite. Without the bug each
//! leaves nothing behind and shows nothing.

use alloc::vec::Vec;

use driver::{
    Bug, ClientId, ContextId, CpuAction, CpuOp, Error, ExecObject, FaultInjection, Handle,
    Platform, Policy,
};
use gen8_spec::engine::EngineId;

use super::contexts;
use crate::batch::Batch;
use crate::case::{Case, Levels, SubmissionMode};
use crate::id::ScenarioId;
use crate::report::label;
use crate::world::{Hold, Outcome, PAGE, World};

/// What one page table maps.
const TABLE_SPAN: u64 = 2 << 20;
/// What one page directory maps.
const DIRECTORY_SPAN: u64 = 1 << 30;
/// How long a batch is given to get to where it waits.
const RUN_NS: u64 = 1_000_000;
/// How often a program is started and ended beside a busy engine.
const PROGRAMS: u32 = 8;

/// The case in which `bug` bites: the kernel that had it, as far as a policy stands for that.
pub fn case(bug: Bug) -> Case {
    let (policy, levels, submission) = match bug {
        Bug::NoTlbFlushAtPageRelease => (Policy::VmWeak61, Levels::Four, SubmissionMode::Execlists),
        Bug::UnbindMissesClosedActive => {
            (Policy::CloseTracking49, Levels::Four, SubmissionMode::Execlists)
        }
        // The kernel with the fix: what the bug takes away is the only difference.
        Bug::LazyClosePinsVm => (Policy::VmWeak61, Levels::Four, SubmissionMode::Execlists),
        Bug::ContextDestroyRaces | Bug::ShrinkerFreesTablesInAllocation => {
            (Policy::LutOpenCount414, Levels::Four, SubmissionMode::Execlists)
        }
        // Four levels have one pointer, which never changes.
        Bug::PdpChangeNotMarkedDirty => {
            (Policy::LutOpenCount414, Levels::Three, SubmissionMode::Execlists)
        }
        // The legacy ring saves a context when it switches to the next one, which can be any time
        // later; with execlists the save follows the seqno at once.
        Bug::ContextUnpinnedAtBreadcrumb => {
            (Policy::LutOpenCount414, Levels::Four, SubmissionMode::Legacy)
        }
    };
    Case { scenario: ScenarioId::Planted(bug), policy, levels, submission }
}

/// What the program for `bug` observes if the bug is not there.
pub(crate) fn facts(bug: Bug) -> &'static [(&'static str, bool)] {
    match bug {
        Bug::NoTlbFlushAtPageRelease => {
            &[("write_beside_the_list_lands", true), ("late_write_lands_in_the_new_object", true)]
        }
        Bug::ContextDestroyRaces => &[("batch_ends_well", true)],
        Bug::UnbindMissesClosedActive => &[("gpu_is_done_when_the_memory_goes", true)],
        Bug::LazyClosePinsVm => &[],
        Bug::ShrinkerFreesTablesInAllocation | Bug::PdpChangeNotMarkedDirty => {
            &[("write_lands", true)]
        }
        Bug::ContextUnpinnedAtBreadcrumb => &[],
    }
}

/// Runs the program for `bug`.
pub(crate) fn program<P: Platform>(bug: Bug, world: &mut World<'_, P>) -> Outcome {
    match bug {
        Bug::NoTlbFlushAtPageRelease => late_write(world),
        Bug::ContextDestroyRaces => racing_destroys(world),
        Bug::UnbindMissesClosedActive => memory_goes_while_closed(world),
        Bug::LazyClosePinsVm => programs_beside_a_busy_engine(world),
        Bug::ShrinkerFreesTablesInAllocation => low_memory_in_a_bind(world),
        Bug::PdpChangeNotMarkedDirty => another_directory(world),
        // A context ends when its batch is done; the engine saves it when the next one comes.
        Bug::ContextUnpinnedAtBreadcrumb => contexts::destroy_own_object(world),
    }
}

/// Lets the GPU run for a while, although what it runs does not end.
fn let_run<P: Platform>(world: &mut World<'_, P>, client: ClientId, held: Handle) -> Outcome {
    match world.driver.gem_wait(client, held, Some(RUN_NS)) {
        Ok(()) | Err(Error::TimedOut) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Row 1. A batch uses an address that its request does not name, waits, and uses it again. Meanwhile
/// the object at that address is freed, and another one bound there, by another engine's request.
fn late_write<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    world.settled_checkpoint(label::BEFORE);
    let client = world.driver.open()?;
    let hold = world.hold(client)?;
    let old = world.driver.gem_create(client, PAGE)?;
    let address = world.gpu_store(client, old, 1, 0x11)?;
    let batch = Batch::new().store_at(address, 0x22).wait_for(hold.handle, 0);
    let program = world.program(client, batch.store_at(address, 0x33))?;
    world.close_hold(hold)?;
    let held = [ExecObject::new(hold.handle)];
    world.run(client, ContextId::DEFAULT, EngineId::Rcs, &held, &program)?;
    let_run(world, client, hold.handle)?;
    let seen = world.first_dword(client, old)?;
    world.fact("write_beside_the_list_lands", seen == 0x22);
    world.checkpoint(label::DURING);

    world.driver.gem_close(client, old)?;
    let new = world.driver.gem_create(client, PAGE)?;
    let nothing = world.program(client, Batch::new())?;
    let there = [ExecObject::new(new).pinned_at(address)];
    world.run(client, ContextId::DEFAULT, EngineId::Bcs, &there, &nothing)?;
    world.wait(client, new)?;
    world.open_hold(hold)?;
    world.wait(client, hold.handle)?;
    let seen = world.first_dword(client, new)?;
    world.fact("late_write_lands_in_the_new_object", seen == 0x33);
    world.driver.close(client)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// Row 4. Three threads of a program destroy a context at once, while its batch runs. The first to
/// have the lock drops the reference of the id; one reference more is the batch's, and one the
/// engine's.
fn racing_destroys<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    world.settled_checkpoint(label::BEFORE);
    let client = world.driver.open()?;
    let hold = world.hold(client)?;
    let context = world.driver.context_create(client)?;
    let program = world.program(client, Batch::new().wait_for(hold.handle, 0))?;
    world.close_hold(hold)?;
    let held = [ExecObject::new(hold.handle)];
    world.run(client, context, EngineId::Rcs, &held, &program)?;
    let_run(world, client, hold.handle)?;
    world.checkpoint(label::DURING);
    for _ in 0..2 {
        world.driver.queue_action(CpuAction {
            label: "destroy the same context",
            needs_struct_mutex: true,
            op: CpuOp::DestroyContext { client, context },
        });
    }
    // One of the three is first; the others may be told that there is no such context any more. What
    // goes wrong beyond that is a finding, and the GPU runs on.
    let _ = world.driver.context_destroy(client, context);
    world.open_hold(hold)?;
    let ended = world.wait(client, hold.handle).is_ok();
    world.fact("batch_ends_well", ended);
    world.driver.close(client)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// Row 6. A program closes the handle of its own memory while a batch that writes there runs, then
/// unmaps the memory.
fn memory_goes_while_closed<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    world.settled_checkpoint(label::BEFORE);
    let client = world.driver.open()?;
    let hold = world.hold(client)?;
    let (handle, memory) = world.driver.userptr_create(client, PAGE)?;
    let batch = Batch::new().wait_for(hold.handle, 0).store(handle, 0, 0x66);
    let program = world.program(client, batch)?;
    world.close_hold(hold)?;
    let objects = [ExecObject::new(hold.handle), ExecObject::new(handle).written()];
    world.run(client, ContextId::DEFAULT, EngineId::Rcs, &objects, &program)?;
    let_run(world, client, hold.handle)?;
    world.checkpoint(label::DURING);
    world.driver.gem_close(client, handle)?;
    // Another thread lets the batch go on once somebody waits for it.
    world.queue_open_hold(hold, false);
    world.driver.userptr_unmap(memory)?;
    let done = !world.driver.gem_busy(client, hold.handle)?;
    world.fact("gpu_is_done_when_the_memory_goes", done);
    world.open_hold(hold)?;
    world.wait(client, hold.handle)?;
    world.driver.close(client)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// Row 8. Programs come, use a shared object and go, while another engine is never idle.
fn programs_beside_a_busy_engine<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let owner = world.driver.open()?;
    let shared = world.end_batch_object(owner)?;
    let name = world.driver.gem_flink(owner, shared)?;
    let hold = world.hold(owner)?;
    let program = world.program(owner, Batch::new().wait_for(hold.handle, 0))?;
    let held = [ExecObject::new(hold.handle)];
    let bystander = world.bystander()?;
    // Once unhindered, so that what it needs is there before.
    world.run(owner, ContextId::DEFAULT, EngineId::Bcs, &held, &program)?;
    world.wait(owner, hold.handle)?;
    world.settled_checkpoint(label::BEFORE);
    world.close_hold(hold)?;
    world.run(owner, ContextId::DEFAULT, EngineId::Bcs, &held, &program)?;
    for _ in 0..PROGRAMS {
        let client = world.driver.open()?;
        let handle = world.driver.gem_open(client, name)?;
        world.exec_self_and_wait(client, ContextId::DEFAULT, EngineId::Rcs, handle)?;
        world.bystander_runs(&bystander, EngineId::Rcs)?;
        world.driver.close(client)?;
    }
    world.checkpoint(label::DURING);
    world.open_hold(hold)?;
    world.wait(owner, hold.handle)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// Row 11. An object is bound across the border of two page tables, and memory gets short before the
/// second one is allocated. An idle object of the same address space is there to be unbound for it.
fn low_memory_in_a_bind<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    world.settled_checkpoint(label::BEFORE);
    let client = world.driver.open()?;
    let hold = busy_on_the_blitter(world, client)?;
    let idle = world.end_batch_object(client)?;
    let objects = Vec::from([ExecObject::new(idle).pinned_at(8 * TABLE_SPAN)]);
    let context = ContextId::DEFAULT;
    let exec = driver::ExecBuffer { context, engine: EngineId::Rcs, objects, batch_offset: 0 };
    world.driver.execbuffer(client, &exec)?;
    world.wait(client, idle)?;

    let target = world.driver.gem_create(client, 2 * PAGE)?;
    let batch = Batch::new().store(target, 0, 0x0b).store(target, PAGE, 0x0c);
    let program = world.program(client, batch)?;
    world.driver.inject(FaultInjection::LowMemory);
    let across = [ExecObject::new(target).pinned_at(16 * TABLE_SPAN - PAGE).written()];
    world.run(client, context, EngineId::Rcs, &across, &program)?;
    world.wait(client, target)?;
    world.checkpoint(label::DURING);
    let landed = world.first_dword(client, target)? == 0x0b;
    world.fact("write_lands", landed);
    world.open_hold(hold)?;
    world.wait(client, hold.handle)?;
    world.driver.close(client)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}

/// A batch that keeps objects of `client`'s default context active until the hold is opened.
fn busy_on_the_blitter<P: Platform>(world: &mut World<'_, P>, client: ClientId) -> Outcome<Hold> {
    let hold = world.hold(client)?;
    let program = world.program(client, Batch::new().wait_for(hold.handle, 0))?;
    world.close_hold(hold)?;
    let held = [ExecObject::new(hold.handle)];
    world.run(client, ContextId::DEFAULT, EngineId::Bcs, &held, &program)?;
    let_run(world, client, hold.handle)?;
    Ok(hold)
}

/// Row 13. An address space that an engine has loaded gets another page directory.
fn another_directory<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    world.settled_checkpoint(label::BEFORE);
    let client = world.driver.open()?;
    let near = world.driver.gem_create(client, PAGE)?;
    world.gpu_store(client, near, 1, 0x12)?;
    let far = world.driver.gem_create(client, PAGE)?;
    let program = world.program(client, Batch::new().store(far, 0, 0x13))?;
    let there = [ExecObject::new(far).pinned_at(DIRECTORY_SPAN).written()];
    world.run(client, ContextId::DEFAULT, EngineId::Rcs, &there, &program)?;
    world.wait(client, far)?;
    world.checkpoint(label::DURING);
    let landed = world.first_dword(client, far)? == 0x13;
    world.fact("write_lands", landed);
    world.driver.close(client)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}
