//! The list of address spaces: what is told apart, what is kept.

mod support;

use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId::{Bcs, Rcs};
use gen8_spec::execlists::csb;
use gpu_model::{Event, Observer};
use observe::{AddressSpaceReport, AddressSpaces, MappedPage, RootError};
use ppgtt::{AddressSpace, Levels, PageTableRoot};
use support::Guest;

/// A list that is fed by hand.
struct List {
    observer: AddressSpaces,
    guest: Guest,
    now_ns: u64,
}

impl List {
    fn new() -> List {
        List { observer: AddressSpaces::new(), guest: Guest::new(), now_ns: 0 }
    }

    fn load(&mut self, engine: gen8_spec::engine::EngineId, pml4: u64, context: u32) {
        self.now_ns += 1;
        let pdps = [pml4, 0, 0, 0];
        let load = Event::PdpLoaded { engine, levels: 4, pdps, context };
        self.observer.event(self.now_ns, &load);
    }

    fn mark(&mut self, engine: gen8_spec::engine::EngineId, value: u32) {
        self.now_ns += 1;
        self.observer.event(self.now_ns, &Event::NopId { engine, context: 0, value });
    }

    fn spaces(&self) -> Vec<AddressSpaceReport> {
        self.observer.report(&self.guest.ram).spaces
    }
}

/// Root, mark and loads of each.
fn brief(spaces: &[AddressSpaceReport]) -> Vec<(u64, Option<u32>, u64)> {
    spaces.iter().map(|space| (space.root[0], space.mark, space.loads)).collect()
}

#[test]
fn loads_of_one_root_by_several_engines_and_contexts_are_one_address_space() {
    let mut list = List::new();
    list.load(Rcs, 0x1000, 7);
    list.load(Bcs, 0x1000, 8);
    list.load(Rcs, 0x2000, 9);
    list.load(Rcs, 0x1000, 7);
    let spaces = list.spaces();
    assert_eq!(brief(&spaces), [(0x1000, None, 3), (0x2000, None, 1)]);
    assert_eq!(spaces[0].engines, ["rcs0", "bcs0"]);
    assert_eq!(spaces[0].contexts, [7, 8]);
    assert_eq!((spaces[0].first_ns, spaces[0].last_ns), (1, 4));
}

#[test]
fn a_root_is_found_by_its_number_unless_it_is_anothers_by_now() {
    let mut list = List::new();
    assert_eq!(list.observer.root(0), Err(RootError::NoneLoaded(0)));
    for mark in [100, 200] {
        list.load(Rcs, 0x1000, 1);
        list.mark(Rcs, mark);
    }
    assert_eq!(list.observer.root(0), Err(RootError::Replaced(0)));
    assert_eq!(list.observer.root(1), Ok(PageTableRoot::FourLevel(0x1000)));
    let unknown = RootError::Unknown { number: 2, first: 0, last: 1 };
    assert_eq!(list.observer.root(2), Err(unknown));
    assert_eq!(unknown.to_string(), "there is no address space 2: expected 0 to 1");
}

#[test]
fn another_mark_at_the_same_root_is_another_address_space_from_its_load_on() {
    let mut list = List::new();
    list.load(Rcs, 0x1000, 1);
    list.mark(Rcs, 100);
    list.load(Rcs, 0x1000, 1);
    list.mark(Rcs, 100);
    list.load(Rcs, 0x2000, 2);
    list.load(Bcs, 0x1000, 3);
    list.mark(Bcs, 200);
    let spaces = list.spaces();
    let expected = [(0x1000, Some(100), 2), (0x2000, None, 1), (0x1000, Some(200), 1)];
    assert_eq!(brief(&spaces), expected);
    assert_eq!(spaces[0].replaced_ns, Some(6), "gone when the other one was loaded");
    assert_eq!(spaces[0].engines, ["rcs0"], "the load on bcs0 was the other one's");
    assert_eq!(spaces[0].walk, None);
    assert_eq!(spaces[2].replaced_ns, None);
    assert_eq!(list.observer.report(&list.guest.ram).roots, 2);
}

#[test]
fn two_marks_within_one_load_are_two_address_spaces() {
    let mut list = List::new();
    list.load(Rcs, 0x1000, 1);
    for mark in [100, 100, 200, 100] {
        list.mark(Rcs, mark);
    }
    let marks: Vec<_> = list.spaces().iter().map(|space| space.mark).collect();
    assert_eq!(marks, [Some(100), Some(200), Some(100)]);
}

#[test]
fn a_walk_counts_tables_and_mappings_but_not_scratch() {
    let mut list = List::new();
    let mut space = list.guest.vm(1, Levels::Four);
    let page = list.guest.page(PageKind::Object, 9);
    for va in [0x10_0000, 0x10_1000, 0x8000_0000] {
        list.guest.map(1, &mut space, va, page);
    }
    let pml4 = root(&space);
    list.load(Rcs, pml4, 1);
    let walk = list.spaces()[0].walk.expect("its root is its own");
    let tables = walk.tables;
    assert_eq!((walk.ptes, walk.problems, walk.truncated), (3, 0, false));
    assert_eq!((tables.pml4, tables.pdp, tables.pd, tables.pt), (1, 1, 2, 2));
    assert_eq!((tables.scratch_tables, tables.scratch_pages), (3, 1));
}

#[test]
fn contents_are_pages_of_those_whose_root_is_their_own() {
    let mut list = List::new();
    let mut space = list.guest.vm(1, Levels::Four);
    let page = list.guest.page(PageKind::Object, 9);
    for va in [0x10_1000, 0x10_0000] {
        list.guest.map(1, &mut space, va, page);
    }
    let pml4 = root(&space);
    for mark in [100, 200] {
        list.load(Rcs, pml4, 1);
        list.mark(Rcs, mark);
    }
    let contents = list.observer.contents(&list.guest.ram);
    let [only] = &contents.spaces[..] else { panic!("{contents:?}") };
    assert_eq!((only.number, only.mark, only.problems), (1, Some(200), 0));
    assert_eq!(only.pages, [0x10_0000, 0x10_1000].map(|va| MappedPage { va, page }));
    assert_eq!(only.loaded_on, ["rcs0"]);
    assert!(contents.complete);
}

fn root(space: &AddressSpace) -> u64 {
    space.root().pdps()[0]
}

#[test]
fn an_idle_engine_has_nothing_loaded_that_is_alive() {
    let mut list = List::new();
    list.load(Rcs, 0x1000, 1);
    assert_eq!(list.spaces()[0].live_on, ["rcs0"]);
    let status = csb::ACTIVE_IDLE;
    list.observer
        .event(list.now_ns, &Event::ContextSwitch { engine: Rcs, slot: 0, status, context: 1 });
    assert!(list.spaces()[0].live_on.is_empty());
}

#[test]
fn a_function_reset_begins_a_new_list() {
    let mut list = List::new();
    list.load(Rcs, 0x1000, 1);
    list.observer.event(list.now_ns, &Event::FunctionReset);
    assert!(list.spaces().is_empty());
    // A mark without a load names nothing.
    list.mark(Rcs, 1);
    assert!(list.spaces().is_empty());
}

#[test]
fn of_more_address_spaces_than_are_kept_the_oldest_are_forgotten() {
    let mut list = List::new();
    let (kept, more) = (1 << 16, 10);
    for n in 1..=kept + more {
        list.load(Rcs, n << 12, 0);
    }
    let report = list.observer.report(&list.guest.ram);
    assert_eq!((report.spaces.len() as u64, report.forgotten), (kept, more));
    assert_eq!(report.spaces[0].number, more);
    // A forgotten one that comes back is a new one.
    list.load(Rcs, 0x1000, 0);
    let spaces = list.spaces();
    assert_eq!(spaces.last().map(|last| (last.root[0], last.loads)), Some((0x1000, 1)));
}

#[test]
fn tables_of_a_hostile_guest_are_walked_only_so_far() {
    let mut list = List::new();
    let pages = list.guest.ram.size() >> 12;
    // Every page is a table of every other: each root reaches all of RAM.
    for page in 0..pages {
        for entry in 0..512 {
            let target = (page + 1 + entry) % pages;
            ppgtt::PhysicalMemory::write_u64(
                &list.guest.ram,
                page << 12 | entry << 3,
                target << 12 | 3,
            );
        }
    }
    for page in 1..pages {
        list.load(Rcs, page << 12, 0);
    }
    let spaces = list.spaces();
    let walks: Vec<_> = spaces.iter().filter_map(|space| space.walk).collect();
    assert!(!walks.is_empty() && (walks.len() as u64) < pages - 1, "{}", walks.len());
    let before_the_last = &walks[..walks.len() - 1];
    assert!(before_the_last.iter().all(|walk| !walk.truncated));
}

#[test]
fn one_walk_ends_where_the_budget_of_the_whole_report_does() {
    let mut list = List::new();
    // 512 directories full of tables that lie nowhere: a quarter of a million of them, in 2 MiB.
    let ram = &list.guest.ram;
    assert!(ram.size() >= 516 << 12);
    let table = |page: u64| page << 12 | 3;
    let set = |page: u64, entry: u64, to| {
        assert!(ppgtt::PhysicalMemory::write_u64(ram, page << 12 | entry << 3, table(to)));
    };
    set(1, 0, 2);
    for directory in 0..512 {
        set(2, directory, 3 + directory);
        for entry in 0..512 {
            set(3 + directory, entry, 1 << 20 | directory << 9 | entry);
        }
    }
    list.load(Rcs, 0x1000, 0);
    list.load(Rcs, 0x2000, 0);
    let spaces = list.spaces();
    let walk = spaces[0].walk.unwrap();
    assert!(walk.truncated);
    assert!(walk.problems <= 1 << 17, "{} tables were looked at", walk.problems);
    assert_eq!(spaces[1].walk, None, "nothing is left for the next");
}
