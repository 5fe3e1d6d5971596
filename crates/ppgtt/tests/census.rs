//! The census believes nobody: hostile and unusual tables.

mod support;

use gen8_spec::pte::{CacheLevel, PAGE_SIZE_BIT, encode_pte, encode_table};
use ppgtt::{
    AddressSpace, CensusLimits, CensusProblem, Level, Levels, PageTableRoot, PhysicalMemory,
    VaRange, census, census_within,
};
use support::{Pages, Ram};

const PAGE: u64 = 0x1000;

/// RAM whose pages hold zeros.
fn zeroed(pages: u64) -> Ram {
    let ram = Ram::new(pages as usize);
    assert!((0..pages).all(|page| ram.fill_u64(page * PAGE, 0, 512)));
    ram
}

fn set(ram: &Ram, table: u64, index: u64, entry: u64) {
    assert!(ram.write_u64(table + 8 * index, entry));
}

#[test]
fn a_table_that_names_itself_is_counted_once_and_reported() {
    let ram = zeroed(8);
    set(&ram, 0x1000, 0, encode_table(0x1000));
    set(&ram, 0x1000, 1, encode_table(0x2000));
    let found = census(&ram, &PageTableRoot::FourLevel(0x1000), |_| {});
    assert_eq!(found.page_count(), 2);
    let problem =
        CensusProblem::TwoLevels { table: 0x1000, first: Level::Pml4, second: Level::Pdp };
    assert_eq!(found.problems, [problem]);
}

#[test]
fn a_loop_between_tables_ends() {
    let ram = zeroed(8);
    assert!(ram.fill_u64(0x1000, encode_table(0x2000), 512));
    assert!(ram.fill_u64(0x2000, encode_table(0x1000), 512));
    let found = census(&ram, &PageTableRoot::FourLevel(0x1000), |_| {});
    assert_eq!(found.page_count(), 2);
    assert_eq!(found.problem_count, 512, "every entry of the second table");
    assert_eq!(found.problems.len(), 64, "but not all are kept");
}

#[test]
fn tables_outside_ram_are_reported_and_not_counted() {
    let ram = zeroed(4);
    set(&ram, 0x1000, 0, encode_table(0x2000));
    set(&ram, 0x2000, 5, encode_table(0x7f_0000_0000));
    let root = PageTableRoot::ThreeLevel([0x1000, 0x2000, 0, 0x70_0000_0000]);
    let found = census(&ram, &root, |_| {});
    let outside = |level, table| CensusProblem::TableOutsideRam { level, table };
    assert!(found.problems.contains(&outside(Level::Pd, 0x70_0000_0000)));
    assert!(found.problems.contains(&outside(Level::Pt, 0x7f_0000_0000)));
    assert_eq!(found.page_count(), 2);

    let nothing = census(&ram, &PageTableRoot::FourLevel(0x7000), |_| {});
    assert_eq!((nothing.page_count(), nothing.problem_count), (0, 1));
}

#[test]
fn a_table_under_two_entries_is_shared_and_mapped_once() {
    let ram = zeroed(8);
    set(&ram, 0x1000, 0, encode_table(0x2000));
    set(&ram, 0x1000, 7, encode_table(0x2000));
    set(&ram, 0x2000, 3, encode_pte(0x9000, CacheLevel::Llc, false));
    let root = PageTableRoot::ThreeLevel([0x1000, 0, 0, 0]);
    let mut leaves = Vec::new();
    let found = census(&ram, &root, |leaf| leaves.push((leaf.va, leaf.page)));
    assert_eq!(leaves, [(3 * PAGE, 0x9000)]);
    let shared = CensusProblem::SharedTable { level: Level::Pt, table: 0x2000 };
    assert_eq!(found.problems, [shared]);
}

#[test]
fn large_pages_are_mappings() {
    let ram = zeroed(8);
    set(&ram, 0x1000, 0, encode_table(0x2000));
    set(&ram, 0x1000, 1, encode_table(0x4000_0000) | PAGE_SIZE_BIT);
    set(&ram, 0x2000, 511, encode_pte(0x9000, CacheLevel::Llc, false));
    let root = PageTableRoot::ThreeLevel([0x1000, 0, 0, 0]);
    let mut shifts = Vec::new();
    let found = census(&ram, &root, |leaf| shifts.push(leaf.page_shift));
    assert_eq!(shifts, [21, 12]);
    assert_eq!(found.ranges, [VaRange { va: 0x1f_f000, len: 0x20_1000 }]);
}

#[test]
fn an_emptied_page_table_is_not_taken_for_scratch() {
    for levels in [Levels::Three, Levels::Four] {
        let ram = Ram::new(32);
        let mut pages = Pages::default();
        let mut space = AddressSpace::new(&ram, &mut pages, levels).expect("RAM suffices");
        space.allocate_range(&ram, &mut pages, 0, 3 << 21).expect("RAM suffices");
        let found = census(&ram, &space.root(), |leaf| panic!("nothing is mapped: {leaf:?}"));
        assert_eq!(found.counts(), space.tables());
        assert_eq!(found.counts().pt, 3);
    }
}

#[test]
fn a_directory_full_of_tables_leaves_the_mappings_right() {
    let ram = Ram::new(1024);
    let mut pages = Pages::default();
    let mut space = AddressSpace::new(&ram, &mut pages, Levels::Three).expect("RAM suffices");
    space.allocate_range(&ram, &mut pages, 0, 1 << 30).expect("RAM suffices");
    let page = [0x40_0000_0000];
    assert!(space.insert(&ram, 0x1234_5000, page, CacheLevel::Llc, false).is_ok());
    let found = census(&ram, &space.root(), |_| {});
    assert_eq!(found.ranges, [VaRange { va: 0x1234_5000, len: PAGE }]);
    assert_eq!(found.counts(), space.tables());
}

#[test]
fn a_census_ends_at_its_limits_and_says_so() {
    let ram = zeroed(8);
    set(&ram, 0x1000, 0, encode_table(0x2000));
    set(&ram, 0x1000, 1, encode_table(0x3000));
    for index in [0, 1, 4, 8] {
        set(&ram, 0x2000, index, encode_pte(0x7000, CacheLevel::Llc, false));
        set(&ram, 0x3000, index, encode_pte(0x7000, CacheLevel::Llc, false));
    }
    let root = PageTableRoot::ThreeLevel([0x1000, 0, 0, 0]);
    let within = |tables, ranges| {
        let limits = CensusLimits { tables, ranges };
        let found = census_within(&ram, &root, limits, |_| {});
        (found.page_count(), found.named_tables, found.ranges.len(), found.truncated)
    };
    assert_eq!(within(3, 6), (3, 3, 6, false));
    assert_eq!(within(2, 6), (2, 2, 3, true));
    assert_eq!(within(3, 5), (3, 3, 5, true));
    assert_eq!(within(0, 0), (0, 0, 0, true));
}
