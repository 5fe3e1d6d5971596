//! Who maps some pages: all that were ever loaded are asked, by their tables as they are now.

mod support;

use std::collections::BTreeSet;

use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId;
use gen8_spec::pte::{ACCESSED, PAGE_SIZE_BIT, PRESENT, WRITABLE};
use gpu_model::{Event, Observer};
use observe::{AddressSpaces, PageMappings};
use ppgtt::{AddressSpace, Levels, PhysicalMemory};
use support::Guest;

/// Three pages of an object, and what is loaded.
struct Bench {
    guest: Guest,
    list: AddressSpaces,
    pages: BTreeSet<u64>,
}

impl Bench {
    fn new() -> Bench {
        let mut guest = Guest::new();
        let pages = (0..3).map(|_| guest.page(PageKind::Object, 9)).collect();
        Bench { guest, list: AddressSpaces::new(), pages }
    }

    /// A new address space that maps each of `pages` from `va` on, loaded on RCS.
    fn space(&mut self, vm: u32, levels: Levels, va: u64, pages: &[u64]) -> AddressSpace {
        let mut space = self.guest.vm(vm, levels);
        for (index, &page) in (0..).zip(pages) {
            self.guest.map(vm, &mut space, va + 0x1000 * index, page);
        }
        self.load(space.root().pdps(), levels);
        space
    }

    fn load(&mut self, pdps: [u64; 4], levels: Levels) {
        let (engine, levels) = (EngineId::Rcs, levels.number());
        self.list.event(1, &Event::PdpLoaded { engine, levels, pdps, context: 1 });
    }

    fn mappings(&self) -> PageMappings {
        self.list.mappings(&self.guest.ram, &self.pages)
    }

    /// Number, PTEs and first address of each that maps some.
    fn found(&self) -> Vec<(u64, u64, u64)> {
        let spaces = self.mappings().spaces;
        spaces.iter().map(|space| (space.number, space.ptes, space.first)).collect()
    }
}

#[test]
fn only_address_spaces_that_map_the_pages_are_told_with_their_ptes() {
    let mut bench = Bench::new();
    let pages: Vec<u64> = bench.pages.iter().copied().collect();
    let other = bench.guest.page(PageKind::Object, 10);
    bench.space(1, Levels::Four, 0x10_0000, &[other]);
    bench.space(2, Levels::Four, 0x7000_0000, &[other, pages[0], pages[2], pages[0]]);
    bench.space(3, Levels::Three, 0x20_0000, &pages);
    assert_eq!(bench.found(), [(1, 3, 0x7000_1000), (2, 3, 0x20_0000)]);
    let PageMappings { walked, reused, complete, spaces } = bench.mappings();
    assert_eq!((walked, reused, complete), (3, 0, true));
    assert_eq!((spaces[0].levels, spaces[1].levels), (4, 3));
    assert_eq!((&spaces[0].live_on[..], &spaces[1].live_on[..]), (&[][..], &["rcs0"][..]));
}

#[test]
fn what_was_unbound_is_gone_and_the_rest_of_the_address_space_stays() {
    let mut bench = Bench::new();
    let pages: Vec<u64> = bench.pages.iter().copied().collect();
    let mut space = bench.space(1, Levels::Four, 0x10_0000, &pages);
    space.clear_range(&bench.guest.ram, 0x10_0000, 0x2000).unwrap();
    assert_eq!(bench.found(), [(0, 1, 0x10_2000)]);
    space.clear_range(&bench.guest.ram, 0x10_2000, 0x1000).unwrap();
    assert_eq!(bench.found(), []);
}

#[test]
fn tables_that_were_cleared_when_they_were_freed_map_nothing() {
    let mut bench = Bench::new();
    let pages: Vec<u64> = bench.pages.iter().copied().collect();
    let space = bench.space(1, Levels::Four, 0x10_0000, &pages);
    for (_, page) in space.pages() {
        for entry in 0..512 {
            assert!(bench.guest.ram.write_u64(page + 8 * entry, 0));
        }
    }
    assert_eq!(bench.found(), []);
    assert!(bench.mappings().complete);
}

#[test]
fn a_cpus_page_tables_in_the_place_of_a_root_are_no_address_space() {
    let mut bench = Bench::new();
    let pages: Vec<u64> = bench.pages.iter().copied().collect();
    for (vm, levels) in [(1, Levels::Three), (2, Levels::Four)] {
        let space = bench.space(vm, levels, 0x10_0000, &pages);
        assert_eq!(bench.found().len(), 1);
        let table = space.root().tables().next().unwrap();
        let entry = bench.guest.ram.read_u64(table).unwrap();
        assert!(bench.guest.ram.write_u64(table, entry | ACCESSED));
        assert_eq!((bench.found(), bench.mappings().reused), (vec![], vm as usize));
    }
}

#[test]
fn a_root_that_is_another_address_space_by_now_is_asked_once() {
    let mut bench = Bench::new();
    let pages: Vec<u64> = bench.pages.iter().copied().collect();
    let space = bench.space(1, Levels::Four, 0x10_0000, &pages);
    for value in [100, 200] {
        bench.load(space.root().pdps(), Levels::Four);
        let engine = EngineId::Rcs;
        bench.list.event(2, &Event::NopId { engine, context: 0, value });
    }
    assert_eq!(bench.found(), [(1, 3, 0x10_0000)]);
}

#[test]
fn a_large_page_counts_if_one_of_the_pages_is_in_it() {
    let mut bench = Bench::new();
    let ram = &bench.guest.ram;
    // A page directory whose second entry maps 2 MiB.
    let (root, directory) = (0x30_0000, 0x30_1000);
    let table = PRESENT | WRITABLE;
    assert!(ram.write_u64(directory + 8, 0x20_0000 | table | PAGE_SIZE_BIT));
    bench.load([root, 0, 0, 0], Levels::Three);
    for entry in 0..512 {
        assert!(bench.guest.ram.write_u64(root + 8 * entry, 0));
    }
    assert!(bench.guest.ram.write_u64(root, directory | table));
    bench.load([directory, 0, 0, 0], Levels::Three);
    bench.pages = BTreeSet::from([0x1000]);
    assert_eq!(bench.found(), []);
    bench.pages = BTreeSet::from([0x2f_f000]);
    assert_eq!(bench.found(), [(1, 1, 0x20_0000)]);
}

#[test]
fn an_answer_that_is_not_the_whole_truth_says_so() {
    let mut bench = Bench::new();
    let pages = bench.guest.ram.size() >> 12;
    // Every page is a table of every other: each root reaches all of RAM.
    for page in 0..pages {
        for entry in 0..512 {
            let target = (page + 1 + entry) % pages;
            bench.guest.ram.write_u64(page << 12 | entry << 3, target << 12 | PRESENT | WRITABLE);
        }
    }
    for page in 1..pages {
        bench.load([page << 12, 0, 0, 0], Levels::Four);
    }
    let found = bench.mappings();
    assert!(!found.complete && (found.walked as u64) < pages - 1, "{}", found.walked);
}

/// A page as of a program, in which some numbers look like entries of a table.
fn of_a_program(bench: &mut Bench, pages: u64) -> u64 {
    let (root, pdp) =
        (bench.guest.page(PageKind::Object, 9), bench.guest.page(PageKind::Object, 9));
    bench.guest.ram.write_u64(root, pdp | PRESENT);
    for index in 0..pages {
        bench.guest.ram.write_u64(pdp + 8 * index, index << 30 | PAGE_SIZE_BIT | PRESENT);
    }
    root
}

#[test]
fn a_root_that_is_a_programs_page_by_now_maps_nothing_and_takes_no_room_from_others() {
    let mut bench = Bench::new();
    let pages: Vec<u64> = bench.pages.iter().copied().collect();
    let root = of_a_program(&mut bench, 64);
    bench.load([root, 0, 0, 0], Levels::Four);
    bench.space(1, Levels::Four, 0x10_0000, &pages);
    let contents = bench.list.contents(&bench.guest.ram);
    assert!(contents.complete, "64 pages of 1 GiB are more than one look lists");
    let [reused, space] = &contents.spaces[..] else { panic!("{contents:?}") };
    assert_eq!((reused.problems, reused.pages.len()), (64, 0));
    let listed: Vec<u64> = space.pages.iter().map(|mapped| mapped.page).collect();
    assert_eq!((space.problems, listed), (0, pages));
}

#[test]
fn a_page_outside_ram_is_no_drivers() {
    let mut bench = Bench::new();
    bench.space(1, Levels::Four, 0x10_0000, &[1 << 38]);
    let contents = bench.list.contents(&bench.guest.ram);
    assert_eq!((contents.spaces[0].problems, contents.spaces[0].pages.len()), (1, 0));
}
