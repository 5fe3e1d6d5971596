//! What the driver does in the places where the real one had bugs, without the bug and with it.

use alloc::vec;

use super::*;
use crate::api::{DropCaches, FaultInjection};
use crate::bug::Bug;
use Policy::{CloseTracking49, LutOpenCount414, V4NoWait, VmWeak61};

const DEFAULT: ContextId = ContextId::DEFAULT;

fn with_bug(policy: Policy, bug: Bug) -> TestGem {
    gem(Config { bug: Some(bug), ..Config::for_policy(policy) })
}

/// Objects that share a page table do not matter here: one a page table.
fn exec_at(gem: &mut TestGem, client: ClientId, handle: Handle, address: u64) {
    let objects = vec![ExecObject::new(handle).pinned_at(address)];
    let exec = ExecBuffer { context: DEFAULT, engine: RCS, objects, batch_offset: 0 };
    gem.execbuffer(client, &exec).unwrap();
}

#[test]
fn translations_go_before_pages_that_were_mapped_and_only_then() {
    for (gem, flushes) in
        [(with_policy(VmWeak61), 1), (with_bug(VmWeak61, Bug::NoTlbFlushAtPageRelease), 0)]
    {
        let mut gem = gem;
        let a = gem.open().unwrap();
        let never_mapped = gem.gem_create(a, PAGE).unwrap();
        gem.pwrite(a, never_mapped, 0, &[1]).unwrap();
        gem.gem_close(a, never_mapped).unwrap();
        assert_eq!(gem.hw.tlb_flushes, 0);
        let mapped = gem.gem_create(a, PAGE).unwrap();
        gem.exec(a, DEFAULT, RCS, &[mapped]).unwrap();
        gem.sync(a, mapped);
        gem.gem_close(a, mapped).unwrap();
        gem.quiesce();
        assert_eq!(gem.hw.tlb_flushes, flushes);
        gem.end();
    }
}

fn racing_destroy(gem: &mut TestGem, client: ClientId, context: ContextId) {
    gem.queue_action(CpuAction {
        label: "destroy",
        needs_struct_mutex: true,
        op: CpuOp::DestroyContext { client, context },
    });
}

#[test]
fn of_racing_destroys_only_one_finds_the_context() {
    for policy in Policy::ALL {
        let mut gem = with_policy(policy);
        let a = gem.open().unwrap();
        let x = gem.gem_create(a, PAGE).unwrap();
        let context = gem.context_create(a).unwrap();
        gem.exec(a, context, RCS, &[x]).unwrap();
        racing_destroy(&mut gem, a, context);
        assert_eq!(gem.context_destroy(a, context), Err(Error::NoEntry), "{policy:?}");
        gem.check_invariants().unwrap();
        assert!(!gem.names().contains(&"StaleReference"));
        gem.end();
    }
}

#[test]
fn a_destroy_that_looks_up_unlocked_drops_references_that_are_not_its_own() {
    let mut gem = with_bug(LutOpenCount414, Bug::ContextDestroyRaces);
    let a = gem.open().unwrap();
    let (x, gate) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
    let context = gem.context_create(a).unwrap();
    gem.exec_held(a, context, RCS, &[x], gate);
    racing_destroy(&mut gem, a, context);
    gem.context_destroy(a, context).unwrap();
    // One put too many: what is left is the engine's reference, or the request's, not both.
    assert!(gem.check_invariants().is_err());
    gem.open_gate(a, gate);
}

#[test]
fn unmapped_user_memory_is_unbound_first_and_its_pages_go() {
    for policy in Policy::ALL {
        let mut gem = with_policy(policy);
        let a = gem.open().unwrap();
        let gate = gem.gem_create(a, PAGE).unwrap();
        let (x, memory) = gem.userptr_create(a, 2 * PAGE).unwrap();
        gem.exec_held(a, DEFAULT, RCS, &[x], gate);
        let before = gem.hw.pages.len();
        gem.queue_gate(a, gate, false);
        gem.userptr_unmap(memory).unwrap();
        assert!(!gem.gem_busy(a, x).unwrap(), "{policy:?}: it waited");
        assert_eq!(gem.hw.pages.len(), before - 2, "{policy:?}");
        assert!(!gem.is_bound(a, x));
        gem.check_invariants().unwrap();
        // The name was used up; the object lives on, and gets pages again.
        assert_eq!(gem.userptr_unmap(memory), Ok(()));
        gem.exec(a, DEFAULT, RCS, &[x]).unwrap();
        gem.end();
    }
}

#[test]
fn user_memory_of_a_dead_object_is_gone_with_it() {
    let mut gem = with_policy(CloseTracking49);
    let a = gem.open().unwrap();
    let (x, memory) = gem.userptr_create(a, PAGE).unwrap();
    gem.pwrite(a, x, 0, &[1]).unwrap();
    gem.gem_close(a, x).unwrap();
    assert_eq!(gem.userptr_unmap(memory), Ok(()));
    gem.end();
}

#[test]
fn low_memory_in_a_bind_unbinds_others_and_keeps_the_tables_of_the_range() {
    for policy in Policy::ALL {
        let mut gem = with_policy(policy);
        let a = gem.open().unwrap();
        let idle = gem.gem_create(a, PAGE).unwrap();
        exec_at(&mut gem, a, idle, 8 << 21);
        gem.sync(a, idle);
        gem.retire();
        let across = gem.gem_create(a, 2 * PAGE).unwrap();
        gem.inject(FaultInjection::LowMemory);
        exec_at(&mut gem, a, across, (16 << 21) - PAGE);
        assert!(!gem.is_bound(a, idle), "{policy:?}: the shrinker ran");
        assert!(gem.is_bound(a, across), "{policy:?}");
        gem.check_invariants().unwrap();
        gem.end();
    }
}

#[test]
fn a_lazily_closed_vma_that_pins_its_vm_keeps_it_until_parking() {
    for (bug, spaces) in [(None, 1), (Some(Bug::LazyClosePinsVm), 2)] {
        let mut gem = gem(Config { bug, ..Config::for_policy(VmWeak61) });
        let (a, b) = (gem.open().unwrap(), gem.open().unwrap());
        let shared = gem.gem_create(a, PAGE).unwrap();
        let name = gem.gem_flink(a, shared).unwrap();
        let handle = gem.gem_open(b, name).unwrap();
        gem.exec(b, DEFAULT, RCS, &[handle]).unwrap();
        gem.sync(b, handle);
        gem.settle();
        gem.exec(b, DEFAULT, RCS, &[handle]).unwrap();
        gem.sync(b, handle);
        gem.exec(a, DEFAULT, RCS, &[shared]).unwrap();
        gem.sync(a, shared);
        gem.retire();
        gem.close(b).unwrap();
        assert_eq!(gem.counters().vms, spaces, "{bug:?}");
        gem.check_invariants().unwrap();
        gem.drop_caches(DropCaches::IDLE).unwrap();
        assert_eq!(gem.counters().vms, 1, "{bug:?}");
        gem.end();
    }
}

#[test]
fn red_zones_keep_objects_apart() {
    for (red_zone, apart) in [(0, PAGE), (2 * PAGE, 3 * PAGE)] {
        let mut gem = gem(Config { red_zone, ..Config::for_policy(V4NoWait) });
        let a = gem.open().unwrap();
        let (x, y) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
        let offsets = gem.exec(a, DEFAULT, RCS, &[x, y]).unwrap();
        assert_eq!(offsets[1] - offsets[0], apart);
        gem.end();
    }
}
