//! The leak and its fix, as the census must see them.

mod support;

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use observe::{CensusFinding, MappedRange, TableTotals};
use ppgtt::Levels;
use support::Guest;

const LEVELS: [(Levels, usize); 2] = [(Levels::Three, 5), (Levels::Four, 8)];
const BATCH: u64 = 0x4_0000;
const PAGE: u64 = 0x1000;

fn names(findings: &[CensusFinding]) -> Vec<&'static str> {
    findings.iter().map(CensusFinding::name).collect()
}

#[test]
fn an_orphan_vma_shows_as_orphan_vm_with_its_pages() {
    for (levels, pages) in LEVELS {
        let mut guest = Guest::new();
        let before = guest.checkpoint(0);
        let page = guest.page(PageKind::Object, 7);
        let mut space = guest.vm(3, levels);
        guest.bind(3, &mut space, 7, BATCH, page);
        let during = guest.checkpoint(1);
        assert_eq!((during.vms, during.vmas, during.vmas_bound, during.pages), (1, 1, 1, pages));
        assert_eq!(during.findings, []);

        guest.hint(Hint::ContextFreed { context: 3 });
        let after = guest.checkpoint(2);
        let excess = (after.vms, after.vmas, after.pages - before.pages);
        assert_eq!(excess, (1, 1, pages));
        assert_eq!(names(&after.findings), ["OrphanVm", "OrphanMapping"]);
        let mapping = CensusFinding::OrphanMapping { vm: 3, object: Some(7), va: BATCH };
        assert!(after.findings.contains(&mapping));
        let text = after.explain();
        let expected = format!(
            "VM 3 ({} levels): {pages} page-table pages, reached by no context; \
             object 7 still mapped at 0x40000: its VMA holds the last reference",
            levels.number()
        );
        assert!(text.contains(&expected), "{text:#?}");
    }
}

#[test]
fn the_fix_leaves_nothing() {
    for (levels, _) in LEVELS {
        let mut guest = Guest::new();
        let page = guest.page(PageKind::Object, 7);
        let mut space = guest.vm(3, levels);
        guest.bind(3, &mut space, 7, BATCH, page);
        space.clear_range(&guest.ram, BATCH, PAGE).expect("inside");
        guest.hint(Hint::VmaDestroyed { vm: 3, object: 7 });
        guest.hint(Hint::ContextFreed { context: 3 });
        guest.release(3, space);
        let after = guest.checkpoint(2);
        assert_eq!((after.vms, after.vmas, after.vmas_bound, after.pages), (0, 0, 0, 0));
        assert_eq!(after.findings, []);
        assert_eq!((after.run, after.label), (1, 2));
    }
}

#[test]
fn unbinding_keeps_the_pages_and_ends_the_binding() {
    for (levels, pages) in LEVELS {
        let mut guest = Guest::new();
        let page = guest.page(PageKind::Object, 7);
        let mut space = guest.vm(3, levels);
        guest.bind(3, &mut space, 7, BATCH, page);
        space.clear_range(&guest.ram, BATCH, PAGE).expect("inside");
        let unbound = guest.checkpoint(1);
        assert_eq!((unbound.vmas, unbound.vmas_bound, unbound.pages), (1, 0, pages));
        guest.reclaim(&mut space);
        let reclaimed = guest.checkpoint(2);
        let base = if levels == Levels::Three { 3 } else { 5 };
        assert_eq!((reclaimed.pages, &reclaimed.findings[..]), (base, &[][..]));
    }
}

#[test]
fn without_hints_the_loaded_roots_are_counted() {
    for (levels, pages) in LEVELS {
        let mut guest = Guest::new();
        guest.hints = false;
        let page = guest.page(PageKind::Object, 7);
        let mut space = guest.vm(3, levels);
        guest.bind(3, &mut space, 7, BATCH, page);
        guest.bind(3, &mut space, 8, BATCH + 4 * PAGE, page);
        guest.load(EngineId::Rcs, &space);
        guest.load(EngineId::Bcs, &space);
        let seen = guest.checkpoint(0);
        assert_eq!((seen.vms, seen.vmas, seen.vmas_bound, seen.pages), (1, 2, 2, pages));
        assert_eq!(seen.findings, []);
        let [unknown] = &seen.address_spaces[..] else { panic!("one address space") };
        assert_eq!((unknown.vm, unknown.orphan), (None, false));
        let ranges: Vec<_> = unknown.objects.iter().flat_map(|object| &object.ranges).collect();
        let expected = [0, 4].map(|n| MappedRange { va: BATCH + n * PAGE, len: PAGE });
        assert_eq!(ranges, expected.iter().collect::<Vec<_>>());
    }
}

#[test]
fn the_tables_are_told_by_level_and_the_mapping_by_object() {
    let mut guest = Guest::new();
    let page = guest.page(PageKind::Object, 7);
    let mut space = guest.vm(3, Levels::Four);
    guest.bind(3, &mut space, 7, BATCH, page);
    guest.hint(Hint::VmaCreated { vm: 3, object: 9 });
    let seen = guest.checkpoint(0);
    let [vm] = &seen.address_spaces[..] else { panic!("one address space") };
    let tables = TableTotals { pml4: 1, pdp: 1, pd: 1, pt: 1, scratch_tables: 3, scratch_pages: 1 };
    assert_eq!((vm.tables, vm.pages, &vm.contexts[..]), (tables, 8, &[3][..]));
    let objects: Vec<_> =
        vm.objects.iter().map(|object| (object.object, object.vma, object.ranges.len())).collect();
    assert_eq!(objects, [(Some(7), true, 1), (Some(9), true, 0)]);
    assert_eq!((seen.vmas, seen.vmas_bound), (2, 1), "an unbound VMA counts, but not as bound");
}

#[test]
fn three_level_addresses_come_from_what_was_loaded() {
    let mut guest = Guest::new();
    let page = guest.page(PageKind::Object, 7);
    let mut space = guest.vm(3, Levels::Three);
    guest.bind(3, &mut space, 7, 0xc000_0000, page);
    let va = |guest: &mut Guest| guest.checkpoint(0).address_spaces[0].objects[0].ranges[0].va;
    assert_eq!(va(&mut guest), 0, "which register holds the directory is not known yet");
    guest.load(EngineId::Rcs, &space);
    assert_eq!(va(&mut guest), 0xc000_0000);
}

#[test]
fn a_driver_start_forgets_the_driver_before() {
    let mut guest = Guest::new();
    let space = guest.vm(3, Levels::Four);
    guest.load(EngineId::Rcs, &space);
    guest.hint(Hint::DriverStart);
    let seen = guest.checkpoint(0);
    assert_eq!((seen.run, seen.vms, seen.pages, seen.contexts), (2, 0, 0, 0));
}

#[test]
fn a_page_shared_by_two_vms_counts_a_vma_in_each() {
    let mut guest = Guest::new();
    let page = guest.page(PageKind::Object, 7);
    for vm in [3, 4] {
        let mut space = guest.vm(vm, Levels::Four);
        guest.bind(vm, &mut space, 7, BATCH, page);
    }
    let seen = guest.checkpoint(0);
    assert_eq!((seen.vms, seen.vmas, seen.vmas_bound, seen.pages), (2, 2, 2, 16));
}

#[test]
fn a_snapshot_is_json_with_the_counts_on_top() {
    let mut guest = Guest::new();
    let space = guest.vm(3, Levels::Four);
    guest.hint(Hint::ContextFreed { context: 3 });
    let json = serde_json::to_value(guest.checkpoint(5)).expect("plain data");
    drop(space);
    assert_eq!((&json["label"], &json["vms"], &json["pages"]), (&5.into(), &1.into(), &5.into()));
    assert_eq!(json["findings"][0]["name"], "OrphanVm");
    assert_eq!(json["address_spaces"][0]["orphan"], true);
}

#[test]
fn bindings_of_the_drivers_own_address_space_are_not_counted() {
    let mut guest = Guest::new();
    let page = guest.page(PageKind::Object, 7);
    let mut space = guest.vm(0, Levels::Four);
    guest.bind(0, &mut space, 7, BATCH, page);
    guest.hint(Hint::ContextFreed { context: 0 });
    let seen = guest.checkpoint(0);
    assert_eq!((seen.vms, seen.vmas, seen.vmas_bound, seen.pages), (1, 0, 0, 8));
    assert_eq!(seen.findings, [], "VM 0 is no orphan");
}
