//! One hand-made defect for each finding.

mod support;

use gen8_spec::context_image::{
    LRI_HEADER_0, LRI_HEADER_1, RCS_LRI_0, RCS_LRI_1, XCS_LRI_0, XCS_LRI_1, pdp_ldw, pdp_udw,
};
use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::csb;
use gen8_spec::pte::encode_table;
use gpu_model::Event;
use observe::{CensusFinding, StaleReason};
use ppgtt::{AddressSpace, Levels, PhysicalMemory};
use support::Guest;

const BATCH: u64 = 0x4_0000;

/// A guest with object 7 bound in VM 3, loaded by the render engine.
fn bound(levels: Levels) -> (Guest, AddressSpace, u64) {
    let mut guest = Guest::new();
    let page = guest.page(PageKind::Object, 7);
    let mut space = guest.vm(3, levels);
    guest.bind(3, &mut space, 7, BATCH, page);
    guest.load(EngineId::Rcs, &space);
    (guest, space, page)
}

fn findings(guest: &mut Guest) -> Vec<CensusFinding> {
    guest.checkpoint(0).findings
}

#[test]
fn a_pte_without_a_vma_is_stale_and_still_counts_as_bound() {
    let (mut guest, _space, page) = bound(Levels::Four);
    guest.hint(Hint::VmaDestroyed { vm: 3, object: 7 });
    let seen = guest.checkpoint(0);
    let reason = StaleReason::NoVma;
    let object = Some(7);
    let stale = CensusFinding::StalePte { vm: Some(3), va: BATCH, page, object, reason };
    assert_eq!(seen.findings, [stale]);
    assert_eq!((seen.vmas, seen.vmas_bound), (1, 1));
}

#[test]
fn a_pte_to_a_freed_page_is_stale() {
    let (mut guest, _space, page) = bound(Levels::Three);
    guest.hint(Hint::PageFreed { page });
    let reason = StaleReason::PageFreed;
    let object = Some(7);
    let stale = CensusFinding::StalePte { vm: Some(3), va: BATCH, page, object, reason };
    assert_eq!(findings(&mut guest), [stale]);
}

#[test]
fn a_pte_to_a_page_of_no_object_is_stale() {
    let (mut guest, mut space, _) = bound(Levels::Four);
    let ring = guest.page(PageKind::Ring, 1);
    guest.map(3, &mut space, BATCH + 0x8000, ring);
    let [CensusFinding::StalePte { page, object: None, reason: StaleReason::NoObject, .. }] =
        findings(&mut guest)[..]
    else {
        panic!("one stale PTE");
    };
    assert_eq!(page, ring);
    guest.hint(Hint::PageFreed { page });
    let [CensusFinding::StalePte { object: None, reason: StaleReason::PageFreed, .. }] =
        findings(&mut guest)[..]
    else {
        panic!("the same, and the page is free");
    };
}

#[test]
fn freeing_tables_that_an_engine_has_loaded_is_reported_once() {
    for levels in [Levels::Three, Levels::Four] {
        let (mut guest, space, _) = bound(levels);
        guest.hint(Hint::VmaDestroyed { vm: 3, object: 7 });
        guest.hint(Hint::ContextFreed { context: 3 });
        guest.release(3, space);
        let seen = guest.checkpoint(0);
        let [CensusFinding::PtFreedWhileLoaded { engine: EngineId::Rcs, vm: 3, .. }] =
            seen.findings[..]
        else {
            panic!("{:?}", seen.findings);
        };
        assert_eq!((seen.vms, seen.pages), (0, 0), "a stale register is no address space");
        assert_eq!(findings(&mut guest), [], "a finding by event belongs to one checkpoint");
    }
}

#[test]
fn tables_may_be_freed_before_the_vm_is_said_to_be_released() {
    let (mut guest, space, _) = bound(Levels::Four);
    let [(_, pml4), ..] = space.pages().collect::<Vec<_>>()[..] else { panic!("a PML4") };
    guest.hint(Hint::PageFreed { page: pml4 });
    let expected = CensusFinding::PtFreedWhileLoaded { engine: EngineId::Rcs, vm: 3, page: pml4 };
    assert!(findings(&mut guest).contains(&expected));
}

#[test]
fn releasing_a_loaded_vm_is_reported_even_if_its_pages_stay() {
    let (mut guest, space, _) = bound(Levels::Four);
    guest.hint(Hint::VmReleased { vm: 3 });
    let page = space.root().pdps()[0];
    let expected = CensusFinding::PtFreedWhileLoaded { engine: EngineId::Rcs, vm: 3, page };
    assert!(findings(&mut guest).contains(&expected));
}

#[test]
fn an_engine_that_switched_away_went_idle_or_was_reset_has_nothing_loaded() {
    let away: [&dyn Fn(&mut Guest); 3] = [
        &|guest| {
            let other = guest.vm(9, Levels::Four);
            guest.load(EngineId::Rcs, &other);
        },
        &|guest| {
            let status = csb::ACTIVE_IDLE | csb::COMPLETE;
            guest.event(Event::ContextSwitch {
                engine: EngineId::Rcs,
                slot: 0,
                status,
                context: 1,
            });
        },
        &|guest| guest.event(Event::Reset { domains: EngineId::Rcs.reset_domain() }),
    ];
    for leave in away {
        let (mut guest, space, _) = bound(Levels::Four);
        leave(&mut guest);
        guest.hint(Hint::VmaDestroyed { vm: 3, object: 7 });
        guest.hint(Hint::ContextFreed { context: 3 });
        guest.release(3, space);
        assert_eq!(findings(&mut guest), []);
    }
}

#[test]
fn an_engine_that_came_back_to_work_walks_again() {
    let (mut guest, space, _) = bound(Levels::Four);
    for status in [csb::ACTIVE_IDLE, csb::IDLE_ACTIVE] {
        guest.event(Event::ContextSwitch { engine: EngineId::Rcs, slot: 0, status, context: 1 });
    }
    guest.release(3, space);
    assert!(guest.checkpoint(0).has_finding("PtFreedWhileLoaded"));
}

#[test]
fn reclaiming_an_unlinked_table_of_a_loaded_vm_is_no_finding() {
    let (mut guest, mut space, _) = bound(Levels::Four);
    let page = guest.page(PageKind::Object, 8);
    guest.bind(3, &mut space, 8, 1 << 40, page);
    space.clear_range(&guest.ram, 1 << 40, 0x1000).expect("inside");
    guest.reclaim(&mut space);
    assert_eq!(findings(&mut guest), []);
}

#[test]
fn a_stale_tlb_entry_is_reported_once_for_many_uses() {
    let (mut guest, ..) = bound(Levels::Four);
    let (engine, used, current) = (EngineId::Vecs, 0x9000, None);
    for _ in 0..1000 {
        guest.event(Event::StaleTlb { engine, address: BATCH, write: false, used, current });
    }
    let stale = CensusFinding::StaleTlb { engine, va: BATCH, used, current };
    assert_eq!(findings(&mut guest), [stale]);
}

#[test]
fn a_table_page_that_is_not_freed_outlives_its_vm() {
    let (mut guest, space, _) = bound(Levels::Four);
    guest.event(Event::Reset { domains: EngineId::Rcs.reset_domain() });
    guest.hint(Hint::VmaDestroyed { vm: 3, object: 7 });
    guest.hint(Hint::ContextFreed { context: 3 });
    let page = guest.release_except_one(3, space);
    let seen = guest.checkpoint(0);
    assert_eq!(seen.findings, [CensusFinding::TableOutlivesVm { vm: 3, page }]);
    assert_eq!((seen.vms, seen.pages), (0, 1));
}

#[test]
fn a_table_that_no_hint_names_is_a_disagreement() {
    let (mut guest, mut space, page) = bound(Levels::Four);
    guest.hints = false;
    guest.map(3, &mut space, 1 << 21, page);
    let [CensusFinding::HintDisagreement { vm: Some(3), .. }] = findings(&mut guest)[..] else {
        panic!("the new page table is not hinted");
    };
}

#[test]
fn a_hinted_table_that_the_walk_does_not_reach_is_a_disagreement_and_counts() {
    let (mut guest, ..) = bound(Levels::Four);
    let table = guest.page(PageKind::Pt, 3);
    let seen = guest.checkpoint(0);
    let [CensusFinding::HintDisagreement { vm: Some(3), page, .. }] = seen.findings[..] else {
        panic!("{:?}", seen.findings);
    };
    assert_eq!((page, seen.pages), (table, 9));
}

#[test]
fn a_page_freed_twice_or_used_twice_is_a_disagreement() {
    let mut guest = Guest::new();
    let page = guest.page(PageKind::Object, 7);
    guest.hint(Hint::PageOwned { page, kind: PageKind::Pt, owner: 1 });
    assert!(guest.checkpoint(0).has_finding("HintDisagreement"));
    guest.hint(Hint::PageFreed { page });
    assert_eq!(findings(&mut guest), []);
    guest.hint(Hint::PageFreed { page });
    assert!(guest.checkpoint(0).has_finding("HintDisagreement"));
}

#[test]
fn a_page_from_the_drivers_stock_is_given_its_use_later() {
    let mut guest = Guest::new();
    let page = guest.page(PageKind::Global, 0);
    let space = guest.vm(3, Levels::Four);
    guest.hint(Hint::PageOwned { page, kind: PageKind::ScratchTable, owner: 3 });
    let seen = guest.checkpoint(0);
    assert_eq!((seen.pages, &seen.findings[..]), (1 + space.page_count(), &[][..]));
}

#[test]
fn hints_about_pages_outside_ram_are_refused() {
    let mut guest = Guest::new();
    for page in [1 << 38, u64::MAX, 0x1008] {
        guest.hint(Hint::PageOwned { page, kind: PageKind::Pt, owner: 3 });
        let seen = guest.checkpoint(0);
        assert!(seen.has_finding("HintDisagreement"));
        assert_eq!(seen.pages, 0);
    }
}

#[test]
fn tables_that_lead_out_of_ram_are_reported() {
    let (mut guest, space, _) = bound(Levels::Four);
    let pml4 = space.root().pdps()[0];
    assert!(guest.ram.write_u64(pml4 + 8 * 77, encode_table(0x70_0000_0000)));
    assert!(guest.checkpoint(0).has_finding("BadTables"));
}

/// Writes PDP0 into a context image of `context`.
fn image(guest: &mut Guest, context: u32, headers: [u32; 2], pdp: u64) {
    let page = guest.page(PageKind::ContextImage, context);
    let set = |index: usize, value: u32| {
        assert!(guest.ram.write_u32(page + 4 * index as u64, value));
    };
    set(LRI_HEADER_0, headers[0]);
    set(LRI_HEADER_1, headers[1]);
    set(pdp_udw(0) + 1, (pdp >> 32) as u32);
    set(pdp_ldw(0) + 1, pdp as u32);
}

#[test]
fn a_context_image_must_name_the_tables_of_its_own_vm() {
    for headers in [[XCS_LRI_0, XCS_LRI_1], [RCS_LRI_0, RCS_LRI_1]] {
        let (mut guest, space, _) = bound(Levels::Four);
        let pml4 = space.root().pdps()[0];
        image(&mut guest, 3, headers, pml4);
        assert_eq!(findings(&mut guest), []);
        let _other = guest.vm(4, Levels::Four);
        image(&mut guest, 4, headers, pml4);
        let what = "in the image of a context that uses another VM";
        let expected = CensusFinding::HintDisagreement { vm: Some(4), page: pml4, what };
        assert_eq!(findings(&mut guest), [expected]);
    }
}

#[test]
fn hostile_events_leave_a_census_that_works() {
    let mut guest = Guest::new();
    let pdps = [u64::MAX, 0, 0x1000, 7];
    for levels in [0, 3, 4, u32::MAX] {
        let engine = EngineId::Vcs1;
        guest.event(Event::PdpLoaded { engine, levels, pdps, context: 0 });
        for vm in [0, 3, u32::MAX] {
            guest.hint(Hint::VmCreated { root: u64::MAX, vm, levels });
            guest.hint(Hint::ContextFreed { context: vm });
            guest.hint(Hint::VmaDestroyed { vm, object: vm });
        }
        let seen = guest.checkpoint(levels);
        assert!(!seen.explain().is_empty());
    }
}
