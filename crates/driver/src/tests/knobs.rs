//! execbuffer's rules, eviction, and the knobs beside the policy.

use alloc::vec;

use super::*;
use crate::api::{DropCaches, FaultInjection, Relocation};
use crate::config::{Mutations, PpgttMode, Scratch};
use Policy::*;

const DEFAULT: ContextId = ContextId::DEFAULT;

#[test]
fn execbuffer_refuses_duplicates_bad_handles_and_bad_addresses() {
    let mut gem = with_policy(V4NoWait);
    let a = gem.open().unwrap();
    let x = gem.gem_create(a, PAGE).unwrap();
    let name = gem.gem_flink(a, x).unwrap();
    let other = gem.gem_open(a, name).unwrap();
    assert_eq!(gem.exec(a, DEFAULT, RCS, &[x, x]), Err(Error::Invalid));
    assert_eq!(gem.exec(a, DEFAULT, RCS, &[x, other]), Err(Error::Invalid), "same object");
    assert_eq!(gem.exec(a, DEFAULT, RCS, &[Handle(99)]), Err(Error::NoEntry));
    assert_eq!(gem.exec(a, ContextId(7), RCS, &[x]), Err(Error::NoEntry));
    assert_eq!(gem.exec(a, DEFAULT, EngineId::Vecs, &[x]), Err(Error::NoDevice));
    assert_eq!(gem.exec(a, DEFAULT, RCS, &[]), Err(Error::Invalid));
    for bad in [0x8000_0000_0000, 0x1_0000_0000_0000, 0x10_0800] {
        let objects = vec![ExecObject::new(x).pinned_at(bad)];
        let exec = ExecBuffer { context: DEFAULT, engine: RCS, objects, batch_offset: 0 };
        assert_eq!(gem.execbuffer(a, &exec), Err(Error::Invalid), "{bad:#x}");
    }
    gem.check_invariants().unwrap();
    assert_eq!(gem.context_destroy(a, DEFAULT), Err(Error::NoEntry));
    gem.end();
}

#[test]
fn softpin_binds_exactly_there_and_moves_what_is_in_the_way() {
    let mut gem = with_policy(V4Relaxed);
    let a = gem.open().unwrap();
    let (x, y) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
    let high = 0xffff_8000_0000_0000;
    let run = |gem: &mut TestGem, handle, at| {
        let objects = vec![ExecObject::new(handle).pinned_at(at)];
        let exec = ExecBuffer { context: DEFAULT, engine: RCS, objects, batch_offset: 0 };
        gem.execbuffer(a, &exec).map(|result| result.offsets[0])
    };
    assert_eq!(run(&mut gem, x, high), Ok(high));
    assert_eq!(gem.vma_offset(a, DEFAULT, x), Some(0x8000_0000_0000));
    assert_eq!(run(&mut gem, y, high), Ok(high), "x is evicted");
    assert_eq!(gem.vma_offset(a, DEFAULT, x), Nothing);
    assert_eq!(run(&mut gem, y, 0x20_0000), Ok(0x20_0000), "y moves");
    gem.check_invariants().unwrap();
    gem.end();
}

use Option::None as Nothing;

#[test]
fn relocations_are_written_only_where_the_presumed_address_is_wrong() {
    let mut gem = with_policy(V4NoWait);
    let a = gem.open().unwrap();
    let (target, batch) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
    let mut run = |presumed_offset, offset| {
        let relocation = Relocation { offset, target, delta: 0x10, presumed_offset };
        let objects = vec![
            ExecObject::new(target),
            ExecObject::new(batch).with_relocations(vec![relocation]),
        ];
        let exec = ExecBuffer { context: DEFAULT, engine: RCS, objects, batch_offset: 0 };
        let result = gem.execbuffer(a, &exec)?;
        let patched = gem.pread(a, batch, offset, 1)?[0];
        gem.pwrite(a, batch, offset, &[0])?;
        Ok((result.offsets[0], patched))
    };
    let (address, patched) = run(0, 8).unwrap();
    assert_eq!(u64::from(patched), address + 0x10);
    assert_eq!(run(address, 8), Ok((address, 0)), "presumed right: untouched");
    assert_eq!(run(0, PAGE - 4), Err(Error::Invalid), "a pointer has 8 bytes");
    assert_eq!(run(0, 2), Err(Error::Invalid));
    gem.end();
}

#[test]
fn a_full_address_space_evicts_its_own_objects_and_never_a_dead_one() {
    let mut gem = gem(Config { vm_size: Some(0x10_0000), ..Config::for_policy(None) });
    let a = gem.open().unwrap();
    let big = |gem: &mut TestGem| gem.gem_create(a, 0x8_0000).unwrap();
    let (x, y, z) = (big(&mut gem), big(&mut gem), gem.gem_create(a, 0x10_0000).unwrap());
    let c = gem.context_create(a).unwrap();
    gem.exec(a, c, RCS, &[x]).unwrap();
    gem.sync(a, x);
    gem.retire();
    gem.context_destroy(a, c).unwrap();
    gem.exec(a, DEFAULT, RCS, &[x]).unwrap();
    gem.exec(a, DEFAULT, RCS, &[y]).unwrap();
    assert!(gem.vma_offset(a, DEFAULT, x).is_none(), "x made room");
    assert_eq!(gem.vma_count(a, x), 1, "the orphan in the dead VM stays");
    assert_eq!(gem.exec(a, DEFAULT, RCS, &[z]), Err(Error::NoSpace), "the bias leaves no room");
    gem.check_invariants().unwrap();
    gem.end();
}

#[test]
fn failed_page_tables_leave_a_placeholder_and_no_page() {
    let mut gem = with_policy(V4NoWait);
    let a = gem.open().unwrap();
    let x = gem.gem_create(a, PAGE).unwrap();
    let pages = gem.counters().page_table_pages;
    gem.inject(FaultInjection::PageTableAlloc);
    assert_eq!(gem.exec(a, DEFAULT, RCS, &[x]), Err(Error::NoMemory));
    assert_eq!(gem.counters().page_table_pages, pages);
    assert_eq!((gem.vma_count(a, x), gem.is_bound(a, x)), (1, false));
    gem.exec(a, DEFAULT, RCS, &[x]).unwrap();
    gem.end();
}

#[test]
fn closing_a_handle_frees_the_address_from_4_9_on() {
    for policy in Policy::ALL {
        let mut gem = with_policy(policy);
        let (a, b) = (gem.open().unwrap(), gem.open().unwrap());
        let x = gem.gem_create(a, PAGE).unwrap();
        let name = gem.gem_flink(a, x).unwrap();
        let h = gem.gem_open(b, name).unwrap();
        let first = gem.exec(b, DEFAULT, RCS, &[h]).unwrap();
        gem.sync(b, h);
        gem.gem_close(b, h).unwrap();
        gem.drop_caches(DropCaches::RETIRE | DropCaches::IDLE).unwrap();
        let y = gem.gem_create(b, PAGE).unwrap();
        let second = gem.exec(b, DEFAULT, RCS, &[y]).unwrap();
        assert_eq!(first == second, policy >= CloseTracking49, "{policy}");
        gem.end();
    }
}

#[test]
fn lazily_closed_vmas_stay_until_the_gt_parks_and_can_be_opened_again() {
    for policy in [LazyClose418, VmWeak61] {
        let mut gem = with_policy(policy);
        let (a, b) = (gem.open().unwrap(), gem.open().unwrap());
        let x = gem.gem_create(a, PAGE).unwrap();
        let name = gem.gem_flink(a, x).unwrap();
        let h = gem.gem_open(b, name).unwrap();
        let first = gem.exec(b, DEFAULT, RCS, &[h]).unwrap();
        gem.sync(b, h);
        gem.gem_close(b, h).unwrap();
        assert_eq!(gem.vma_count(a, x), 1, "{policy}");
        let again = gem.gem_open(b, name).unwrap();
        assert_eq!(gem.exec(b, DEFAULT, RCS, &[again]), Ok(first), "{policy}");
        gem.settle();
        assert_eq!(gem.vma_count(a, x), 1, "{policy}: open again");
        gem.gem_close(b, again).unwrap();
        gem.settle();
        assert_eq!(gem.vma_count(a, x), 0, "{policy}");
        gem.end();
    }
}

#[test]
fn a_dead_context_frees_its_address_space_before_the_gt_parks_only_if_vmas_do_not_hold_it() {
    for (policy, left) in [(LazyClose418, 1), (VmWeak61, 0)] {
        let mut gem = with_policy(policy);
        let a = gem.open().unwrap();
        let (x, y) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
        let c = gem.context_create(a).unwrap();
        gem.exec(a, c, RCS, &[x]).unwrap();
        gem.sync(a, x);
        gem.context_destroy(a, c).unwrap();
        gem.exec(a, DEFAULT, RCS, &[y]).unwrap();
        gem.sync(a, y);
        gem.retire();
        assert_eq!(gem.counters().vms - 1, left, "{policy}");
        gem.settle();
        assert_eq!(gem.counters().vms, 1, "{policy}");
        gem.end();
    }
}

#[test]
fn two_handles_close_one_vma_twice_without_the_open_count() {
    for (open_count, asserts) in [(false, true), (true, false)] {
        let mut gem = gem(Config { open_count, ..Config::for_policy(LutOpenCount414) });
        let (a, b) = (gem.open().unwrap(), gem.open().unwrap());
        let x = gem.gem_create(a, PAGE).unwrap();
        let name = gem.gem_flink(a, x).unwrap();
        let (h1, h2) = (gem.gem_open(b, name).unwrap(), gem.gem_open(b, name).unwrap());
        gem.exec(b, DEFAULT, RCS, &[h1]).unwrap();
        gem.exec(b, DEFAULT, RCS, &[h2]).unwrap();
        gem.sync(b, h1);
        gem.gem_close(b, h1).unwrap();
        assert_eq!(gem.vma_count(a, x), usize::from(open_count));
        gem.gem_close(b, h2).unwrap();
        assert_eq!(gem.vma_count(a, x), 0);
        assert_eq!(gem.names().contains(&"Assertion"), asserts);
        gem.end();
    }
}

#[test]
fn contexts_without_an_address_space_leak_nothing() {
    for ppgtt in [PpgttMode::None, PpgttMode::Aliasing] {
        for policy in Policy::ALL {
            let mut gem = gem(Config { ppgtt, ..Config::for_policy(policy) });
            let a = gem.open().unwrap();
            let x = gem.gem_create(a, PAGE).unwrap();
            let before = excess(&gem);
            let c = gem.context_create(a).unwrap();
            gem.exec(a, c, RCS, &[x]).unwrap();
            gem.sync(a, x);
            gem.context_destroy(a, c).unwrap();
            gem.settle();
            let (vms, vmas, _) = excess(&gem);
            assert_eq!((vms, vmas), (before.0, before.1), "{policy}");
            let warns = matches!(policy, V3NoWait | V4NoWait);
            assert_eq!(gem.findings().len(), usize::from(warns), "{policy}");
            gem.end();
        }
    }
}

#[test]
fn shared_scratch_is_no_part_of_an_address_space() {
    let mut gem = gem(Config { scratch: Scratch::Shared, ..Config::for_policy(V4NoWait) });
    let a = gem.open().unwrap();
    assert_eq!(gem.counters().page_table_pages, 1, "only the PML4");
    let x = gem.gem_create(a, PAGE).unwrap();
    gem.exec(a, DEFAULT, RCS, &[x]).unwrap();
    assert_eq!(gem.counters().page_table_pages, 4);
    gem.end();
}

#[test]
fn debugfs_lists_a_named_object_exactly_while_it_is_bound() {
    let mut gem = with_policy(V4NoWait);
    let (a, b) = (gem.open().unwrap(), gem.open().unwrap());
    let x = gem.gem_create(a, PAGE).unwrap();
    let name = gem.gem_flink(a, x).unwrap();
    let needle = alloc::format!("(name: {})", name.0);
    let h = gem.gem_open(b, name).unwrap();
    assert!(!gem.debugfs_gem_gtt().contains(&needle));
    gem.exec(b, DEFAULT, RCS, &[h]).unwrap();
    let text = gem.debugfs_gem_gtt();
    assert!(text.contains(&needle) && text.contains("(ppgtt offset: 00040000, size: 00001000)"));
    assert!(text.ends_with("Total 1 objects, 4096 bytes, 4096 GTT size\n"), "{text}");
    gem.sync(b, h);
    gem.close(b).unwrap();
    // The execlist queue's reference on the request goes with the next retire.
    gem.retire();
    assert_eq!(gem.debugfs_gem_gtt(), "Total 0 objects, 0 bytes, 0 GTT size\n");
    gem.end();
}

#[test]
fn each_mutation_breaks_what_it_says() {
    let run = |mutations| {
        let mut gem = gem(Config { mutations, ..Config::for_policy(V4NoWait) });
        let a = gem.open().unwrap();
        let x = gem.gem_create(a, PAGE).unwrap();
        let c = gem.context_create(a).unwrap();
        gem.exec(a, c, RCS, &[x]).unwrap();
        gem.sync(a, x);
        gem.retire();
        gem.context_destroy(a, c).unwrap();
        gem.settle();
        let vmas = gem.vma_count(a, x);
        gem.teardown();
        (vmas, gem.hw.pages.len())
    };
    assert_eq!(run(Mutations::default()), (0, 0));
    assert_eq!(run(Mutations { skip_cleanup: true, ..Mutations::default() }), (1, 0));
    let (vmas, pages) = run(Mutations { leak_one_table_page: true, ..Mutations::default() });
    assert_eq!((vmas, pages > 0), (0, true));
}

#[test]
fn skipping_the_pte_clear_leaves_the_old_page_mapped() {
    use crate::hardware::Hardware;
    use ppgtt::{Access, walk};
    for (skip_pte_clear, mapped) in [(false, false), (true, true)] {
        let mutations = Mutations { skip_pte_clear, ..Mutations::default() };
        let mut gem = gem(Config { mutations, ..Config::for_policy(V4NoWait) });
        let a = gem.open().unwrap();
        let x = gem.gem_create(a, PAGE).unwrap();
        let at = gem.exec(a, DEFAULT, RCS, &[x]).unwrap()[0];
        let object = gem.object_of(a, x).unwrap();
        let page = gem.objects.get(object).unwrap().backing[0];
        gem.sync(a, x);
        gem.retire();
        gem.drop_caches(DropCaches::BOUND).unwrap();
        assert_eq!(gem.vma_count(a, x), 0);
        let (_, vm) = gem.vms.iter().find(|(_, vm)| vm.number == 1).unwrap();
        let root = vm.tables.as_ref().unwrap().root();
        let found = walk(gem.hw.memory(), &root, at, Access::Read).unwrap().physical;
        assert_eq!(found == page, mapped);
        gem.end();
    }
}
