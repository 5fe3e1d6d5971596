//! What bindings cost in page-table pages, and when the pages come back.

mod support;

use std::cell::Cell;

use gen8_spec::debug_page::PageKind;
use gen8_spec::pte::CacheLevel;
use ppgtt::{
    Access, AddressSpace, Levels, MapError, PageTableRoot, PhysicalMemory, ScratchTree,
    TableCounts, census, walk,
};
use support::{Pages, Ram};

const LEVELS: [Levels; 2] = [Levels::Three, Levels::Four];
/// Where i915 places the first batch: execbuffer's bias.
const BATCH: u64 = 0x4_0000;
const PAGE: u64 = 0x1000;

fn bind(ram: &Ram, pages: &mut Pages, space: &mut AddressSpace, va: u64, len: u64) {
    space.allocate_range(ram, pages, va, len).expect("RAM suffices");
    let physical = (0..len / PAGE).map(|page| 0x40_0000_0000 + page * PAGE);
    assert_eq!(space.insert(ram, va, physical, CacheLevel::Llc, false), Ok(len));
}

/// The pages after binding one range, by the builder, by the allocator and by the census.
fn cost(levels: Levels, va: u64, len: u64) -> usize {
    let ram = Ram::new(32);
    let mut pages = Pages::default();
    let mut space = AddressSpace::new(&ram, &mut pages, levels).expect("RAM suffices");
    bind(&ram, &mut pages, &mut space, va, len);
    assert_eq!(space.page_count(), pages.out.len());
    let found = census(&ram, &space.root(), |_| {});
    assert_eq!(found.counts(), space.tables());
    assert_eq!(found.mapped_bytes(), len);
    assert_eq!(found.problem_count, 0);
    space.page_count()
}

#[test]
fn an_empty_address_space_is_its_scratch_tree() {
    for (levels, base) in [(Levels::Three, 3), (Levels::Four, 5)] {
        let ram = Ram::new(8);
        let mut pages = Pages::default();
        let space = AddressSpace::new(&ram, &mut pages, levels).expect("RAM suffices");
        assert_eq!(space.page_count(), base);
        let found = census(&ram, &space.root(), |leaf| panic!("{leaf:?} is scratch"));
        assert_eq!((found.page_count(), found.counts()), (base, space.tables()));
        assert_eq!(found.scratch_pages, [space.scratch().page()]);
    }
}

#[test]
fn one_batch_costs_5_or_8_pages() {
    assert_eq!(LEVELS.map(|levels| cost(levels, BATCH, PAGE)), [5, 8]);
}

#[test]
fn four_mebibytes_cost_6_or_9_pages_aligned_and_7_or_10_unaligned() {
    assert_eq!(LEVELS.map(|levels| cost(levels, 0x20_0000, 0x40_0000)), [6, 9]);
    assert_eq!(LEVELS.map(|levels| cost(levels, 0x20_1000, 0x40_0000)), [7, 10]);
}

#[test]
fn a_range_across_1_gib_and_512_gib_needs_tables_on_both_sides() {
    assert_eq!(LEVELS.map(|levels| cost(levels, 0x3fff_f000, 2 * PAGE)), [7, 10]);
    assert_eq!(cost(Levels::Four, 0x7f_ffff_f000, 2 * PAGE), 11);
}

#[test]
fn unmapping_keeps_the_tables_until_reclaim() {
    for levels in LEVELS {
        let ram = Ram::new(32);
        let mut pages = Pages::default();
        let mut space = AddressSpace::new(&ram, &mut pages, levels).expect("RAM suffices");
        let base = space.page_count();
        bind(&ram, &mut pages, &mut space, BATCH, PAGE);
        let bound = space.page_count();
        space.clear_range(&ram, BATCH, PAGE).expect("the range is in the address space");

        let found = census(&ram, &space.root(), |leaf| panic!("{leaf:?} was unmapped"));
        assert_eq!((space.page_count(), found.page_count()), (bound, bound));
        let scratch = walk(&ram, &space.root(), BATCH, Access::Read).map(|t| t.page());
        assert_eq!(scratch, Ok(space.scratch().page()));

        assert_eq!(space.reclaim_empty(&ram, &mut pages), Ok(bound - base));
        assert_eq!((space.page_count(), pages.out.len()), (base, base));
        assert_eq!(census(&ram, &space.root(), |_| {}).page_count(), base);
    }
}

#[test]
fn reclaim_spares_tables_with_a_mapping() {
    let ram = Ram::new(32);
    let mut pages = Pages::default();
    let mut space = AddressSpace::new(&ram, &mut pages, Levels::Four).expect("RAM suffices");
    bind(&ram, &mut pages, &mut space, BATCH, PAGE);
    bind(&ram, &mut pages, &mut space, 0x80_0000_0000, PAGE);
    space.clear_range(&ram, BATCH, PAGE).expect("the range is in the address space");
    assert_eq!(space.reclaim_empty(&ram, &mut pages), Ok(3));
    let mapped = walk(&ram, &space.root(), 0x80_0000_0000, Access::Write).map(|t| t.physical);
    assert_eq!(mapped, Ok(0x40_0000_0000));
}

#[test]
fn release_gives_every_page_back_and_the_defect_all_but_one() {
    for levels in LEVELS {
        let ram = Ram::new(32);
        let mut pages = Pages::default();
        let mut space = AddressSpace::new(&ram, &mut pages, levels).expect("RAM suffices");
        bind(&ram, &mut pages, &mut space, BATCH, PAGE);
        space.release(&mut pages);
        assert!(pages.out.is_empty());

        let mut space = AddressSpace::new(&ram, &mut pages, levels).expect("RAM suffices");
        bind(&ram, &mut pages, &mut space, BATCH, PAGE);
        let forgotten = space.release_except_one(&mut pages);
        assert!(pages.out.iter().eq([(&forgotten, &PageKind::Pt)]));

        let space = AddressSpace::new(&ram, &mut pages, levels).expect("RAM suffices");
        let forgotten = space.release_except_one(&mut pages);
        assert_eq!(pages.out.get(&forgotten), Some(&PageKind::ScratchPage));
    }
}

#[test]
fn shared_scratch_is_read_only_and_not_owned() {
    for levels in LEVELS {
        let ram = Ram::new(32);
        let mut pages = Pages::default();
        let scratch = ScratchTree::build(&ram, &mut pages, levels, true).expect("RAM suffices");
        let shared = pages.out.len();
        let mut spaces = [0, 1].map(|_| {
            AddressSpace::with_shared_scratch(&ram, &mut pages, &scratch).expect("RAM suffices")
        });
        for space in &mut spaces {
            bind(&ram, &mut pages, space, BATCH, PAGE);
            assert_eq!(space.page_count(), if levels == Levels::Three { 2 } else { 4 });
            let write = walk(&ram, &space.root(), 0, Access::Write);
            assert!(write.is_err_and(|fault| fault.is_silent()));
        }
        spaces.into_iter().for_each(|space| space.release(&mut pages));
        assert_eq!(pages.out.len(), shared);
        scratch.free(&mut pages);
        assert!(pages.out.is_empty());
    }
}

#[test]
fn three_level_root_follows_the_directories() {
    let ram = Ram::new(32);
    let mut pages = Pages::default();
    let mut space = AddressSpace::new(&ram, &mut pages, Levels::Three).expect("RAM suffices");
    let PageTableRoot::ThreeLevel(empty) = space.root() else { panic!("three levels") };
    bind(&ram, &mut pages, &mut space, 0xc000_0000, PAGE);
    let PageTableRoot::ThreeLevel(bound) = space.root() else { panic!("three levels") };
    assert_eq!(empty[..3], bound[..3]);
    assert_ne!(empty[3], bound[3]);
    let expected =
        TableCounts { pt: 1, pd: 1, scratch_tables: 2, scratch_pages: 1, ..Default::default() };
    assert_eq!(space.tables(), expected);
}

#[test]
fn ranges_and_pages_that_no_entry_can_hold_are_refused() {
    for levels in LEVELS {
        let ram = Ram::new(32);
        let mut pages = Pages::default();
        let mut space = AddressSpace::new(&ram, &mut pages, levels).expect("RAM suffices");
        let total = space.total();
        let ranges = [(0, 0), (0x800, PAGE), (0, 0x800), (total, PAGE), (total - PAGE, 2 * PAGE)];
        for (va, len) in ranges.into_iter().chain([(u64::MAX - 0xfff, PAGE)]) {
            let error = Err(MapError::BadRange { va, len });
            assert_eq!(space.allocate_range(&ram, &mut pages, va, len), error);
            assert_eq!(space.clear_range(&ram, va, len).map(|()| 0), error);
        }
        let missing = space.insert(&ram, BATCH, [0x5000], CacheLevel::Llc, false);
        assert_eq!(missing, Err(MapError::NotAllocated { va: BATCH }));

        bind(&ram, &mut pages, &mut space, BATCH, 2 * PAGE);
        let before = ram.clone();
        for page in [1 << 39, 0x5001, u64::MAX] {
            let refused = space.insert(&ram, BATCH, [0x5000, page], CacheLevel::Llc, false);
            assert_eq!(refused, Err(MapError::BadPage { page }));
        }
        assert!(ram == before, "a refused mapping writes no PTE");
        let last = (1 << 39) - PAGE;
        assert!(space.insert(&ram, BATCH, [last], CacheLevel::Llc, false).is_ok());
        assert!(walk(&ram, &space.root(), BATCH, Access::Read).is_ok_and(|t| t.page() == last));
    }
}

#[test]
fn failure_at_every_allocation_leaves_the_state_as_it_was() {
    for levels in LEVELS {
        let ram = Ram::new(2048);
        let mut pages = Pages::default();
        let mut attempts = 0..;
        let mut space = loop {
            pages.left = attempts.next();
            match AddressSpace::new(&ram, &mut pages, levels) {
                Ok(space) => break space,
                Err(error) => assert_eq!(error, MapError::OutOfMemory),
            }
            assert!(pages.out.is_empty(), "a failed creation keeps no page");
        };
        assert_eq!(attempts.start, 1 + space.page_count());
        pages.left = None;
        bind(&ram, &mut pages, &mut space, BATCH, PAGE);

        // Across 1 GiB, so that both new and existing directories are concerned.
        let (va, len) = (0x3fe0_0000, 0x60_0000);
        let old = (space.root(), census(&ram, &space.root(), |_| {}), pages.out.clone());
        for left in 0.. {
            pages.left = Some(left);
            let done = space.allocate_range(&ram, &mut pages, va, len);
            pages.left = None;
            if let Ok(new) = done {
                assert_eq!((new, left), (4, 4), "3 PTs and 1 PD");
                break;
            }
            assert_eq!(done, Err(MapError::OutOfMemory));
            let now = (space.root(), census(&ram, &space.root(), |_| {}), pages.out.clone());
            assert!(now == old, "a failed allocation changes nothing");
        }
        space.release(&mut pages);
        assert!(pages.out.is_empty());
    }
}

/// RAM that makes a device walk after every single write.
struct Watched<'a> {
    ram: &'a Ram,
    root: PageTableRoot,
    /// Pages where a walk may lead.
    known: [u64; 3],
    walks: Cell<usize>,
}

impl PhysicalMemory for Watched<'_> {
    fn read_u64(&self, address: u64) -> Option<u64> {
        self.ram.read_u64(address)
    }
    fn write_u64(&self, address: u64, value: u64) -> bool {
        let written = self.ram.write_u64(address, value);
        for va in [0, BATCH, 0x20_0000, 0x4000_0000, 0xffff_f000] {
            let page = walk(self.ram, &self.root, va, Access::Read).map(|t| t.page());
            let known = page.is_ok_and(|page| self.known.contains(&page));
            assert!(known, "{va:#x} leads to {page:x?} while {address:#x} is written");
            self.walks.set(self.walks.get() + 1);
        }
        written
    }
    fn read_u32(&self, _address: u64) -> Option<u32> {
        unreachable!("page tables are made of qwords")
    }
    fn write_u32(&self, _address: u64, _value: u32) -> bool {
        unreachable!("page tables are made of qwords")
    }
}

#[test]
fn a_walk_between_any_two_writes_meets_no_half_built_table() {
    for levels in LEVELS {
        let ram = Ram::new(32);
        let mut pages = Pages::default();
        let mut space = AddressSpace::new(&ram, &mut pages, levels).expect("RAM suffices");
        bind(&ram, &mut pages, &mut space, BATCH, PAGE);
        let known = [space.scratch().page(), 0x40_0000_0000, 0x5000];
        let watched = Watched { ram: &ram, root: space.root(), known, walks: Cell::new(0) };
        for va in [0x20_0000, 0x4000_0000] {
            space.allocate_range(&watched, &mut pages, va, PAGE).expect("RAM suffices");
            let done = space.insert(&watched, va, [0x5000], CacheLevel::Llc, false);
            assert_eq!(done, Ok(PAGE));
            space.clear_range(&watched, va, PAGE).expect("the range is in the address space");
        }
        let tables = space.page_count();
        let freed = space.reclaim_empty(&watched, &mut pages).expect("tables in RAM");
        assert_eq!(space.page_count(), tables - freed);
        assert!(watched.walks.get() > 3 * 512, "each entry of each new table is a write");
    }
}

#[test]
fn tables_outside_ram_are_refused_and_given_back() {
    for levels in LEVELS {
        let base = if levels == Levels::Three { 3 } else { 5 };
        for ram_pages in 1..=base + 2 {
            let ram = Ram::new(ram_pages);
            let mut pages = Pages::default();
            match AddressSpace::new(&ram, &mut pages, levels) {
                Err(error) => assert!(matches!(error, MapError::OutsideRam { .. })),
                Ok(mut space) => {
                    let done = space.allocate_range(&ram, &mut pages, BATCH, PAGE);
                    assert!(matches!(done, Err(MapError::OutsideRam { .. })));
                    assert_eq!(pages.out.len(), base);
                    space.release(&mut pages);
                }
            }
            assert!(pages.out.is_empty());
        }
    }
}
