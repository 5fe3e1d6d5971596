//! The observer of uses after the end, event by event: what it must find, and what not.

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::csb;
use gen8_spec::pte::CacheLevel;
use gpu_model::{Event, GuestRam, Invalidation, Observer, Site, Space};
use observe::{Findings, Severity, UseAfter};
use ppgtt::{AddressSpace, Levels, PageAllocator};
use proptest::prelude::*;

const PAGE: u64 = 0x1000;
const RCS: EngineId = EngineId::Rcs;
const OBJECT: u32 = 7;
const VM: u32 = 3;
const CONTEXT: u32 = 5;
const VA: u64 = 0x4_0000;

/// One address space with one object, loaded by the render engine.
struct Guest {
    ram: GuestRam,
    observer: UseAfter<GuestRam>,
    now_ns: u64,
    next: u64,
    space: Option<AddressSpace>,
    page: u64,
}

struct Pages<'a>(&'a mut u64, Vec<(u64, PageKind)>);

impl PageAllocator for Pages<'_> {
    fn alloc(&mut self, kind: PageKind) -> Option<u64> {
        *self.0 += PAGE;
        self.1.push((*self.0, kind));
        Some(*self.0)
    }
    fn free(&mut self, _page: u64, _kind: PageKind) {}
}

impl Guest {
    fn new(levels: Levels) -> Guest {
        let ram = GuestRam::anonymous(1 << 20).expect("1 MiB of memory");
        let observer = UseAfter::new(ram.clone());
        let mut guest = Guest { ram, observer, now_ns: 0, next: 0, space: None, page: 0 };
        guest.hint(Hint::DriverStart);
        let mut pages = Pages(&mut guest.next, Vec::new());
        let mut space = AddressSpace::new(&guest.ram, &mut pages, levels).expect("room");
        space.allocate_range(&guest.ram, &mut pages, VA, PAGE).expect("room");
        let tables = pages.1;
        for (page, kind) in tables {
            guest.hint(Hint::PageOwned { page, kind, owner: VM });
        }
        let root = space.root();
        let top = if levels == Levels::Four { root.pdps()[0] } else { 0 };
        guest.hint(Hint::VmCreated { root: top, vm: VM, levels: levels.number() });
        guest.hint(Hint::ContextCreated { context: CONTEXT, vm: VM });
        guest.page = guest.own(PageKind::Object, OBJECT);
        guest.hint(Hint::ObjectCreated { size: PAGE, object: OBJECT });
        guest.hint(Hint::VmaCreated { vm: VM, object: OBJECT });
        space.insert(&guest.ram, VA, [guest.page], CacheLevel::Llc, false).expect("covered");
        guest.hint(Hint::VmaBound { address: VA, vm: VM, object: OBJECT });
        let (levels, pdps) = (levels.number(), root.pdps());
        guest.load_context(CONTEXT);
        guest.event(Event::PdpLoaded { engine: RCS, levels, pdps, context: CONTEXT });
        guest.space = Some(space);
        guest
    }

    fn own(&mut self, kind: PageKind, owner: u32) -> u64 {
        self.next += PAGE;
        self.hint(Hint::PageOwned { page: self.next, kind, owner });
        self.next
    }

    fn hint(&mut self, hint: Hint) {
        self.event(Event::Hint(hint));
    }

    fn event(&mut self, event: Event) {
        self.now_ns += 1_000;
        self.observer.event(self.now_ns, &event);
    }

    /// The engine takes a context over, whose image nobody owns.
    fn load_context(&mut self, context: u32) {
        let (engine, image, page, head, tail, lite) = (RCS, 0, 0, 0, 0, false);
        self.event(Event::ContextLoaded { engine, context, image, page, head, tail, lite });
    }

    fn space(&mut self) -> &mut AddressSpace {
        self.space.as_mut().expect("made in new")
    }

    fn site() -> Site {
        Site { engine: RCS, context: CONTEXT, address: 0x4_2000, in_batch: true }
    }

    /// The engine fills its TLB for `address`.
    fn fill(&mut self, address: u64, page: u64) {
        let root = self.space().root();
        let pte_address = 0;
        let (site, writable, write) = (Self::site(), true, true);
        self.event(Event::TlbFilled { site, address, page, writable, write, root, pte_address });
    }

    fn write(&mut self, address: u64, physical: u64) {
        let (site, space) = (Self::site(), Space::Ppgtt);
        self.event(Event::Accessed { site, space, address, physical, write: true, fetch: false });
    }

    /// The driver unbinds the object as it should.
    fn unbind(&mut self) {
        let ram = self.ram.clone();
        self.space().clear_range(&ram, VA, PAGE).expect("covered");
        self.hint(Hint::VmaUnbound { vm: VM, object: OBJECT });
    }

    fn scratch(&mut self) -> u64 {
        self.space().scratch().page()
    }

    fn names(&self) -> Vec<String> {
        self.observer.findings().into_iter().map(|finding| finding.name).collect()
    }

    /// The only finding's sentence and facts.
    fn only(&self, name: &str, severity: Severity) -> (String, Vec<String>) {
        let findings = self.observer.findings();
        let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
        assert_eq!((finding.name.as_str(), finding.severity), (name, severity));
        let facts = finding.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.text));
        (finding.what.clone(), facts.collect())
    }
}

#[test]
fn a_page_that_is_unbound_flushed_and_freed_is_nothing_to_tell() {
    for levels in [Levels::Three, Levels::Four] {
        let mut guest = Guest::new(levels);
        let page = guest.page;
        guest.fill(VA, page);
        guest.write(VA, page);
        guest.unbind();
        guest.event(Event::TlbInvalidated { site: Guest::site(), by: Invalidation::Register });
        guest.hint(Hint::PageFreed { page });
        assert_eq!(guest.names(), [] as [&str; 0]);
    }
}

#[test]
fn a_page_freed_with_a_translation_left_is_told_with_both_moments() {
    let mut guest = Guest::new(Levels::Four);
    let page = guest.page;
    guest.fill(VA, page);
    let filled = guest.now_ns / 1_000;
    guest.unbind();
    guest.hint(Hint::PageFreed { page });
    let freed = guest.now_ns / 1_000;
    let (what, facts) = guest.only("StaleTlbAtFree", Severity::Error);
    assert_eq!(
        what,
        format!(
            "page {page:#x} of object 7 was freed while rcs0 had a translation of 0x40000 to it"
        )
    );
    assert_eq!(facts[0], format!("freed: 0.{freed:03} ms, by the CPU; rcs0 ran context 0x5"));
    assert_eq!(
        facts[1],
        format!("translated: 0.{filled:03} ms, rcs0, context 0x5, at 0x42000 in the batch")
    );
}

#[test]
fn a_translation_that_another_took_the_place_of_is_no_translation_left() {
    let mut guest = Guest::new(Levels::Four);
    let page = guest.page;
    guest.fill(VA, page);
    // Direct mapped: the same place, 256 pages on.
    let other = guest.own(PageKind::Object, 9);
    guest.fill(VA + 256 * PAGE, other);
    guest.unbind();
    guest.hint(Hint::PageFreed { page });
    assert_eq!(guest.names(), [] as [&str; 0]);
}

#[test]
fn a_reset_empties_the_tlb_of_its_engines_only() {
    for (engine, left) in [(RCS, 0), (EngineId::Bcs, 1)] {
        let mut guest = Guest::new(Levels::Four);
        let page = guest.page;
        guest.fill(VA, page);
        guest.event(Event::Reset { domains: engine.reset_domain() });
        guest.unbind();
        guest.hint(Hint::PageFreed { page });
        assert_eq!(guest.names().len(), left, "{engine:?}");
    }
}

#[test]
fn a_page_freed_while_bound_and_mapped_is_told_and_one_without_pte_is_not() {
    let mut guest = Guest::new(Levels::Four);
    let page = guest.page;
    guest.hint(Hint::PageFreed { page });
    let (what, facts) = guest.only("PageFreedWhileMapped", Severity::Error);
    assert!(what.ends_with("was freed while VM 3 maps it at 0x40000"), "{what}");
    assert!(facts.contains(&"loaded by: rcs0".to_owned()), "{facts:?}");

    let mut guest = Guest::new(Levels::Four);
    let page = guest.page;
    let ram = guest.ram.clone();
    guest.space().clear_range(&ram, VA, PAGE).expect("covered");
    guest.hint(Hint::PageFreed { page });
    assert_eq!(guest.names(), [] as [&str; 0]);
}

#[test]
fn a_use_of_a_freed_page_is_told_once_and_ends_with_its_next_use() {
    let mut guest = Guest::new(Levels::Four);
    let page = guest.page;
    guest.unbind();
    guest.hint(Hint::PageFreed { page });
    guest.write(VA, page + 8);
    guest.write(VA, page + 16);
    let (what, facts) = guest.only("PageUsedAfterFree", Severity::Error);
    assert!(what.contains("rcs0 wrote to page") && what.ends_with("a page of object 7 then"));
    assert!(facts[0].starts_with("freed: ") && facts[1].starts_with("used: "), "{facts:?}");

    let mut guest = Guest::new(Levels::Four);
    let page = guest.page;
    guest.unbind();
    guest.hint(Hint::PageFreed { page });
    guest.hint(Hint::PageOwned { page, kind: PageKind::Object, owner: 9 });
    guest.write(VA, page);
    assert_eq!(guest.names(), [] as [&str; 0]);
}

#[test]
fn a_walk_over_a_freed_table_is_told() {
    let mut guest = Guest::new(Levels::Four);
    let table = guest.space().table_of(VA).expect("covered");
    guest.hint(Hint::PageFreed { page: table });
    let page = guest.page;
    guest.fill(VA, page);
    let (what, _) = guest.only("TableUsedAfterFree", Severity::Error);
    assert!(what.contains(&format!("walked page {table:#x} for 0x40000")), "{what}");
}

#[test]
fn an_access_to_scratch_is_told_by_what_was_meant() {
    // Where something was.
    let mut guest = Guest::new(Levels::Four);
    guest.unbind();
    let scratch = guest.scratch();
    guest.write(VA + 8, scratch);
    let (what, facts) = guest.only("UseAfterUnmap", Severity::Warning);
    assert_eq!(what, "rcs0 wrote to 0x40008 in VM 3, where object 7 was bound");
    assert!(facts[0].starts_with("bound: ") && facts[1].starts_with("unmapped: "), "{facts:?}");

    // Beside something, on either side.
    for (address, words) in [
        (VA + PAGE, "0 bytes behind the end of object 7"),
        (VA + PAGE + 0x123, "291 bytes behind the end of object 7"),
        (VA - 4, "4 bytes before object 7"),
    ] {
        let mut guest = Guest::new(Levels::Four);
        let scratch = guest.scratch();
        guest.write(address, scratch);
        let (what, _) = guest.only("Overrun", Severity::Warning);
        assert!(what.ends_with(words), "{what}");
    }

    // Where something is.
    let mut guest = Guest::new(Levels::Four);
    let scratch = guest.scratch();
    guest.write(VA + 8, scratch);
    let (what, facts) = guest.only("BoundButScratch", Severity::Error);
    let expected = "rcs0 wrote to 0x40008 in VM 3, where object 7 is bound and the page tables lead to scratch";
    assert_eq!(what, expected);
    assert!(facts[0].starts_with("bound: "), "{facts:?}");

    // Nowhere.
    let mut guest = Guest::new(Levels::Four);
    let scratch = guest.scratch();
    guest.write(VA + (1 << 30), scratch);
    let (what, _) = guest.only("ScratchAccess", Severity::Warning);
    assert!(what.ends_with("where nothing is bound"), "{what}");
}

#[test]
fn a_directory_that_the_engine_did_not_load_is_told_where_it_is_missed() {
    let mut guest = Guest::new(Levels::Three);
    let directory = guest.own(PageKind::Pd, VM);
    guest.hint(Hint::VmaBound { address: 1 << 30, vm: VM, object: 9 });
    assert_eq!(guest.names(), [] as [&str; 0], "the driver may be about to load it");
    let scratch = guest.scratch();
    guest.write(1 << 30, scratch);
    let (what, _) = guest.only("StalePageDirectory", Severity::Error);
    assert!(what.contains(&format!("without page directory {directory:#x}")), "{what}");
}

#[test]
fn a_directory_that_is_about_to_be_loaded_is_not_missed_elsewhere() {
    // In what a loaded directory serves, and where nothing is bound.
    for (address, name) in [(VA + (1 << 24), "ScratchAccess"), (2 << 30, "ScratchAccess")] {
        let mut guest = Guest::new(Levels::Three);
        guest.own(PageKind::Pd, VM);
        guest.hint(Hint::VmaBound { address: 1 << 30, vm: VM, object: 9 });
        let scratch = guest.scratch();
        guest.write(address, scratch);
        guest.only(name, Severity::Warning);
    }
    // The directory for it is there, and the PTE is not.
    let mut guest = Guest::new(Levels::Three);
    guest.own(PageKind::Pd, VM);
    let scratch = guest.scratch();
    guest.write(VA, scratch);
    guest.only("BoundButScratch", Severity::Error);
}

#[test]
fn what_was_told_of_one_use_of_a_page_or_an_address_is_told_of_the_next_again() {
    let mut guest = Guest::new(Levels::Four);
    let (page, scratch) = (guest.page, guest.scratch());
    guest.unbind();
    guest.hint(Hint::PageFreed { page });
    guest.write(VA, page);
    guest.hint(Hint::PageOwned { page, kind: PageKind::Object, owner: 9 });
    guest.hint(Hint::PageFreed { page });
    guest.write(VA, page);
    assert_eq!(guest.names(), ["PageUsedAfterFree"; 2]);

    // Nothing is there; then something was; then that is gone as well.
    let far = 1 << 30;
    guest.write(far, scratch);
    guest.hint(Hint::VmaBound { address: far, vm: VM, object: 9 });
    guest.hint(Hint::VmaUnbound { vm: VM, object: 9 });
    guest.write(far, scratch);
    guest.write(far, scratch);
    assert_eq!(guest.names()[2..], ["ScratchAccess", "UseAfterUnmap"]);
}

#[test]
fn findings_of_one_kind_leave_room_for_others() {
    let mut guest = Guest::new(Levels::Four);
    let (page, scratch) = (guest.page, guest.scratch());
    (0..2000).for_each(|n| guest.write((1 << 30) + n * PAGE, scratch));
    let told = guest.names().len();
    guest.unbind();
    guest.hint(Hint::PageFreed { page });
    guest.write(VA, page);
    assert_eq!(guest.names().len(), told + 1);
}

#[test]
fn a_reset_of_the_function_ends_what_engines_run_and_have_cached() {
    let mut guest = Guest::new(Levels::Four);
    let page = guest.page;
    guest.fill(VA, page);
    guest.event(Event::FunctionReset);
    guest.hint(Hint::ContextFreed { context: CONTEXT });
    guest.unbind();
    guest.hint(Hint::PageFreed { page });
    assert_eq!(guest.names(), [] as [&str; 0]);
}

#[test]
fn scratch_of_the_ggtt_and_bindings_of_a_space_that_is_gone_are_nothing_to_tell() {
    let mut guest = Guest::new(Levels::Four);
    let scratch = guest.scratch();
    let (site, space, address) = (Guest::site(), Space::Ggtt, 0x10_0000);
    guest.event(Event::Accessed {
        site,
        space,
        address,
        physical: scratch,
        write: true,
        fetch: false,
    });
    // Its tables are as they were, and nobody uses them any more.
    guest.hint(Hint::VmReleased { vm: VM });
    let page = guest.page;
    guest.hint(Hint::PageFreed { page });
    assert_eq!(guest.names(), [] as [&str; 0]);
    // Another one that gets its number begins empty.
    guest.hint(Hint::VmCreated { root: 0, vm: VM, levels: 4 });
    guest.write(VA, scratch);
    guest.only("UseAfterUnmap", Severity::Warning);
}

#[test]
fn a_context_without_page_tables_takes_the_place_of_the_one_before() {
    let mut guest = Guest::new(Levels::Four);
    guest.load_context(CONTEXT + 1);
    guest.hint(Hint::ContextFreed { context: CONTEXT });
    assert_eq!(guest.names(), [] as [&str; 0]);
}

#[test]
fn a_context_freed_while_it_runs_is_told_and_after_it_left_is_not() {
    let mut guest = Guest::new(Levels::Four);
    guest.hint(Hint::ContextFreed { context: CONTEXT });
    let (what, facts) = guest.only("ContextFreedWhileRunning", Severity::Error);
    assert_eq!(what, "context 5 was freed while rcs0 runs it");
    assert!(facts.contains(&"address space: VM 3".to_owned()), "{facts:?}");

    let mut guest = Guest::new(Levels::Four);
    let (slot, status) = (0, csb::COMPLETE | csb::ACTIVE_IDLE);
    guest.event(Event::ContextSwitch { engine: RCS, slot, status, context: CONTEXT });
    guest.hint(Hint::ContextFreed { context: CONTEXT });
    assert_eq!(guest.names(), [] as [&str; 0]);
}

#[test]
fn a_context_is_saved_to_a_page_of_its_image_or_told() {
    let save = |guest: &mut Guest, page| {
        let (engine, context, image, head, tail) = (RCS, CONTEXT, 0xf000_0000, 0, 0);
        guest.event(Event::ContextSaved { engine, context, image, page, head, tail });
    };
    let mut guest = Guest::new(Levels::Four);
    let page = guest.own(PageKind::ContextImage, CONTEXT);
    let (engine, context, image) = (RCS, CONTEXT, 0xf000_0000);
    let (head, tail, lite) = (0, 0, false);
    guest.event(Event::ContextLoaded { engine, context, image, page, head, tail, lite });
    save(&mut guest, page);
    assert_eq!(guest.names(), [] as [&str; 0]);
    guest.hint(Hint::PageFreed { page });
    let elsewhere = guest.own(PageKind::Global, 0);
    save(&mut guest, elsewhere);
    let (what, facts) = guest.only("ContextSavedAfterFree", Severity::Error);
    assert!(what.ends_with("that is no context's image"), "{what}");
    assert!(facts[1].starts_with("image freed: ") && facts[1].ends_with("with context 5"));
}

#[test]
fn a_guest_without_hints_is_told_nothing() {
    let ram = GuestRam::anonymous(1 << 20).expect("1 MiB of memory");
    let mut observer = UseAfter::new(ram);
    let (site, space) = (Guest::site(), Space::Ppgtt);
    let access =
        Event::Accessed { site, space, address: VA, physical: PAGE, write: true, fetch: false };
    observer.event(0, &access);
    let (engine, context, image, page) = (RCS, CONTEXT, 0, PAGE);
    observer.event(1, &Event::ContextSaved { engine, context, image, page, head: 0, tail: 0 });
    assert_eq!(observer.findings(), []);
}

/// Any event that the observer listens to, with few numbers, so that they meet, and some wild ones.
fn event() -> impl Strategy<Value = Event> {
    let number = || prop_oneof![8 => (0..16u64).prop_map(|n| n << 12), 1 => any::<u64>()];
    let id = || prop_oneof![8 => 0..4u32, 1 => any::<u32>()];
    let engine = || prop::sample::select(EngineId::ALL.to_vec());
    // Not the start of another driver (1): what was found of one is found of the next anew.
    let hint = (number(), id(), 0..11u32, 2..20u32)
        .prop_filter_map("unknown", |(a, b, c, command)| Hint::decode(a, b, c, command))
        .prop_map(Event::Hint);
    let loaded = (engine(), 2..6u32, prop::array::uniform4(number()), id()).prop_map(
        |(engine, levels, pdps, context)| Event::PdpLoaded { engine, levels, pdps, context },
    );
    let used = (engine(), number(), number(), 0..4u8).prop_map(|(engine, address, page, kind)| {
        let site = Site { engine, ..Guest::site() };
        let root = ppgtt::PageTableRoot::FourLevel(address);
        let (write, fetch, writable, pte_address) = (true, false, true, 0);
        match kind {
            0 => Event::TlbFilled { site, address, page, writable, write, root, pte_address },
            1 => Event::TlbInvalidated { site, by: Invalidation::Register },
            2 => {
                let space = Space::Ppgtt;
                Event::Accessed { site, space, address, physical: page, write, fetch }
            }
            _ => {
                let (context, image, head, tail) = (1, address, 0, 0);
                Event::ContextSaved { engine, context, image, page, head, tail }
            }
        }
    });
    let reset = any::<u32>().prop_map(|domains| Event::Reset { domains });
    prop_oneof![8 => hint, 4 => loaded, 8 => used, 1 => reset]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_comes_in_whatever_order_no_finding_comes_twice(
        events in prop::collection::vec(event(), 1..300),
    ) {
        let ram = GuestRam::anonymous(16 * PAGE).expect("a few pages");
        let mut observer = UseAfter::new(ram);
        for (now_ns, event) in (0..).zip(&events) {
            observer.event(now_ns, event);
        }
        let mut told: Vec<String> = observer.findings().iter().map(|f| format!("{f:?}")).collect();
        let all = told.len();
        prop_assert!(all <= 1024);
        told.sort();
        told.dedup();
        prop_assert_eq!(told.len(), all);
    }
}
