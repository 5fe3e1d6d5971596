//! Address spaces in a story: without an owner's word, and with that of a kernel's tracepoints.

mod support;

use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId;
use gpu_model::{Actor, Event, MemoryWrite, Observer, Site, Space, WriteKind};
use observe::provenance::Provenance;
use observe::story::{OwnerEvent, SpaceState, Story, StoryObserver};
use ppgtt::{AddressSpace, Levels};
use support::Guest;

const PAGE: u64 = 0x1000;
const SECOND: u64 = 1_000_000_000;
/// As a kernel names an address space, a context and an object: by their addresses.
const VM: u64 = 0xffff_8880_0123_4000;
const CONTEXT: u64 = 0xffff_8880_0456_0000;
const OBJECT: u64 = 0xffff_8880_0789_0000;

fn observer(guest: &Guest) -> StoryObserver {
    let mut observer = StoryObserver::new("a device");
    observer.memory(&guest.ram);
    observer
}

fn load(observer: &mut StoryObserver, now_ns: u64, space: &AddressSpace) {
    let (levels, pdps) = (space.levels().number(), space.root().pdps());
    let engine = EngineId::Bcs;
    observer.event(now_ns, &Event::PdpLoaded { engine, levels, pdps, context: 1 });
}

fn silent_guest() -> Guest {
    let mut guest = Guest::new();
    guest.hints = false;
    guest
}

/// (address, bytes, bound, unbound) of each mapping of the first address space.
fn mappings(story: &Story) -> Vec<(u64, u64, u64, Option<u64>)> {
    let of = story.spaces[0].mappings.iter();
    of.map(|m| (m.va, m.len, m.bound_ns, m.unbound_ns)).collect()
}

#[test]
fn without_an_owner_the_looks_at_each_load_tell_what_came_and_went() {
    for levels in [Levels::Three, Levels::Four] {
        let mut guest = silent_guest();
        let mut observer = observer(&guest);
        let mut space = guest.vm(1, levels);
        let (first, second) = (guest.page(PageKind::Object, 1), guest.page(PageKind::Object, 2));
        guest.map(1, &mut space, 0x4000, first);
        load(&mut observer, 10, &space);
        guest.map(1, &mut space, 0x5000, second);
        load(&mut observer, 20, &space);
        space.clear_range(&guest.ram, 0x4000, PAGE).unwrap();
        load(&mut observer, 30, &space);
        let story = observer.story(40);
        let expected = [(0x4000, PAGE, 10, Some(30)), (0x5000, PAGE, 20, None)];
        assert_eq!(mappings(&story), expected);
        let kept = &story.spaces[0].mappings[1];
        assert_eq!((kept.reaches[0].page, kept.present), (second, true));
        assert_eq!(kept.pte & !0xfff, second);
        assert_eq!(story.spaces[0].state, SpaceState::Idle);
        assert_eq!(story.leaks().count(), 0);
    }
}

#[test]
fn another_page_at_the_same_address_is_another_mapping() {
    let mut guest = silent_guest();
    let mut observer = observer(&guest);
    let mut space = guest.vm(1, Levels::Four);
    for at in [10, 20] {
        let page = guest.page(PageKind::Object, 1);
        guest.map(1, &mut space, 0x4000, page);
        load(&mut observer, at, &space);
    }
    let expected = [(0x4000, PAGE, 10, Some(20)), (0x4000, PAGE, 20, None)];
    assert_eq!(mappings(&observer.story(30)), expected);
}

#[test]
fn what_is_left_of_a_range_that_was_cut_is_another_mapping() {
    let mut guest = silent_guest();
    let mut observer = observer(&guest);
    let mut space = guest.vm(1, Levels::Four);
    for n in 0..3 {
        let page = guest.page(PageKind::Object, 1);
        guest.map(1, &mut space, 0x4000 + n * PAGE, page);
    }
    load(&mut observer, 10, &space);
    space.clear_range(&guest.ram, 0x5000, PAGE).unwrap();
    load(&mut observer, 20, &space);
    let expected =
        [(0x4000, 3 * PAGE, 10, Some(20)), (0x4000, PAGE, 20, None), (0x6000, PAGE, 20, None)];
    assert_eq!(mappings(&observer.story(30)), expected);
}

#[test]
fn a_root_with_another_mark_is_another_address_space() {
    let mut guest = silent_guest();
    let mut observer = observer(&guest);
    let space = guest.vm(1, Levels::Four);
    for (at, value) in [(10, 1), (20, 2)] {
        load(&mut observer, at, &space);
        observer.event(at + 1, &Event::NopId { engine: EngineId::Bcs, context: 1, value });
    }
    let story = observer.story(30);
    let states: Vec<_> = story.spaces.iter().map(|s| (s.released_ns, s.state)).collect();
    assert_eq!(states, [(Some(21), SpaceState::Released), (None, SpaceState::Idle)]);
}

#[test]
fn what_a_kernel_says_names_the_leak_and_its_end_takes_it_back() {
    let mut guest = silent_guest();
    let mut observer = observer(&guest);
    let mut space = guest.vm(1, Levels::Four);
    let page = guest.page(PageKind::Object, 1);
    guest.map(1, &mut space, 0x4000, page);
    let root = space.root();
    let begins = OwnerEvent::ContextBegins { context: CONTEXT, hardware: None, space: Some(VM) };
    for said in [
        OwnerEvent::SpaceBegins { space: VM },
        OwnerEvent::SpaceRoot { space: VM, root },
        begins,
        OwnerEvent::VmaBegins { space: VM, object: OBJECT },
        OwnerEvent::Bound { space: VM, object: OBJECT, va: 0x4000, len: Some(PAGE) },
    ] {
        observer.owner_says(10, said);
    }
    load(&mut observer, 20, &space);
    observer.owner_says(30, OwnerEvent::ContextEnds { context: CONTEXT });
    let soon = observer.story(30 + SECOND / 2);
    assert_eq!((soon.spaces.len(), soon.spaces[0].state), (1, SpaceState::Orphaned));
    assert_eq!(soon.leaks().count(), 0, "a worker may release it yet");
    let late = observer.story(30 + SECOND);
    let leaked = late.leaks().next().unwrap();
    assert_eq!((leaked.number, leaked.orphaned_ns), (VM, Some(30)));
    assert_eq!(leaked.mappings[0].object, Some(OBJECT));
    assert!(leaked.mappings[0].leaked);
    assert!(late.leak_findings().count() == 1);
    observer.owner_says(40 + SECOND, OwnerEvent::SpaceEnds { space: VM });
    let gone = observer.story(50 + SECOND);
    assert_eq!(gone.leaks().count() + gone.leak_findings().count(), 0);
    assert_eq!(gone.spaces[0].state, SpaceState::Released);
    assert_eq!(gone.spaces[0].orphaned_ns, Some(30), "it was leaked until then");
}

/// An address space that no engine loads, in which two objects are bound and stay: what is leaked of it is
/// told object by object, with the PTE of each, until it is unbound; a reset of the GPU is no excuse.
#[test]
fn each_object_of_a_leak_is_told_though_no_engine_ever_loaded_it_and_the_gpu_was_reset() {
    let mut guest = silent_guest();
    let mut observer = observer(&guest);
    let mut space = guest.vm(1, Levels::Four);
    let pages = [1, 2].map(|object| guest.page(PageKind::Object, object));
    guest.map(1, &mut space, 0x4000, pages[0]);
    guest.map(1, &mut space, 0x9000, pages[1]);
    let begins = OwnerEvent::ContextBegins { context: CONTEXT, hardware: None, space: Some(VM) };
    for said in [
        OwnerEvent::SpaceBegins { space: VM },
        OwnerEvent::SpaceRoot { space: VM, root: space.root() },
        begins,
    ] {
        observer.owner_says(10, said);
    }
    for (object, va) in [(OBJECT, 0x4000), (OBJECT + 1, 0x9000)] {
        observer.owner_says(10, OwnerEvent::VmaBegins { space: VM, object });
        observer.owner_says(10, OwnerEvent::Bound { space: VM, object, va, len: Some(PAGE) });
    }
    observer.owner_says(20, OwnerEvent::ContextEnds { context: CONTEXT });
    observer.event(25, &Event::Reset { domains: 1 });
    observer.owner_says(30, OwnerEvent::Settled { label: 0 });
    let told = |story: &Story, label: &str| -> Vec<String> {
        let facts = story.leak_findings().flat_map(|finding| &finding.facts);
        facts.filter(|fact| fact.label == label).map(|fact| fact.text.clone()).collect()
    };
    let story = observer.story(40);
    let (objects, ptes) = (told(&story, "leaked object"), told(&story, "PTE"));
    assert_eq!((objects.len(), ptes.len()), (2, 2), "{objects:?} {ptes:?}");
    for (n, va) in [(0, 0x4000), (1, 0x9000)] {
        let (object, page) = (OBJECT + n as u64, pages[n]);
        assert_eq!(objects[n], format!("object {object} (4 KiB at {page:#x}), mapped at {va:#x}"));
        assert!(ptes[n].starts_with(&format!("{page:#x}").replace("000", "083")), "{}", ptes[n]);
    }
    let [why] = &told(&story, "why")[..] else { panic!("one leak") };
    assert_eq!(why.matches("pins VM").count(), 2, "{why}");

    // One of them goes: the other one holds it still.
    space.clear_range(&guest.ram, 0x4000, PAGE).expect("covered");
    observer.owner_says(50, OwnerEvent::Unbound { space: VM, object: OBJECT });
    observer.owner_says(50, OwnerEvent::VmaEnds { space: VM, object: OBJECT });
    observer.owner_says(60, OwnerEvent::Settled { label: 1 });
    let story = observer.story(70);
    assert_eq!(told(&story, "leaked object").len(), 1);
    assert_eq!(told(&story, "why")[0].matches("pins VM").count(), 1);
}

/// Two contexts of one address space, each with a request on an engine of its own.
#[test]
fn requests_end_by_their_own_engine_and_an_address_space_with_its_last_context() {
    let mut observer = StoryObserver::new("a device");
    observer.owner_says(5, OwnerEvent::SpaceBegins { space: VM });
    for (context, hardware) in [(CONTEXT, 1), (CONTEXT + 1, 2)] {
        let hardware = Some(hardware);
        let begins = OwnerEvent::ContextBegins { context, hardware, space: Some(VM) };
        observer.owner_says(10, begins);
    }
    let bound = OwnerEvent::Bound { space: VM, object: OBJECT, va: 0x4000, len: Some(PAGE) };
    observer.owner_says(10, bound);
    let (rcs, bcs) = (EngineId::Rcs, EngineId::Bcs);
    for (context, engine) in [(CONTEXT, rcs), (CONTEXT + 1, bcs)] {
        observer.owner_says(20, OwnerEvent::Submitted { context, engine, seqno: 7 });
    }
    for (engine, context) in [(rcs, 1), (bcs, 2)] {
        let (image, page, head, tail, lite) = (0x1_0000 * u64::from(context), 0, 0, 8, false);
        observer
            .event(30, &Event::ContextLoaded { engine, context, image, page, head, tail, lite });
    }
    let site = Site { engine: bcs, context: 2, address: 0x40, in_batch: false };
    let write = MemoryWrite {
        by: Actor::Engine(site),
        kind: WriteKind::Command,
        space: Space::Ggtt,
        address: 0x5000,
        physical: 0x5000,
        len: 4,
        value: Some(7),
    };
    observer.event(40, &Event::MemoryWritten(write));
    observer.event(50, &Event::Reset { domains: rcs.reset_domain() });
    observer.owner_says(60, OwnerEvent::ContextEnds { context: CONTEXT });
    let story = observer.story(100);
    let ended: Vec<_> = story.requests.iter().map(|request| request.ended_ns).collect();
    assert_eq!(ended, [None, Some(40)]);
    let span_end = |name: &str| {
        let engine = story.engines.iter().find(|engine| engine.name == name).expect("it ran");
        engine.spans.last().map(|span| span.end_ns)
    };
    assert_eq!((span_end("rcs0"), span_end("bcs0")), (Some(50), Some(100)));
    let space = &story.spaces[0];
    assert_eq!((space.state, space.orphaned_ns), (SpaceState::Live, None), "one uses it still");
    assert_eq!(space.mappings[0].bound_by, Some(0), "the first request is what it was bound for");
    observer.owner_says(110, OwnerEvent::ContextEnds { context: CONTEXT + 1 });
    assert_eq!(observer.story(120).spaces[0].orphaned_ns, Some(110));
}

#[test]
fn the_window_in_which_a_pte_was_written_ends_when_the_binding_is_told() {
    let mut guest = silent_guest();
    let provenance = Provenance::new();
    let mut observer = observer(&guest).with_provenance(provenance.clone());
    let mut space = guest.vm(1, Levels::Four);
    let (first, second) = (guest.page(PageKind::Object, 1), guest.page(PageKind::Object, 2));
    guest.map(1, &mut space, 0x4000, first);
    let root = space.root();
    let bound = |object, va| OwnerEvent::Bound { space: VM, object, va, len: Some(PAGE) };
    observer.owner_says(10, OwnerEvent::SpaceRoot { space: VM, root });
    observer.owner_says(10, bound(OBJECT, 0x4000));
    guest.map(1, &mut space, 0x5000, second);
    observer.owner_says(20, bound(OBJECT + 1, 0x5000));
    load(&mut observer, 30, &space);
    let story = observer.story(40);
    let written: Vec<_> =
        story.spaces[0].mappings.iter().map(|m| m.written_by.as_deref().unwrap_or("")).collect();
    assert_eq!(written, ["a CPU before 0.010 µs", "a CPU between 0.010 µs and 0.020 µs"]);
}

#[test]
fn mappings_of_many_address_spaces_are_bounded_together() {
    let observer = StoryObserver::new("a device");
    for n in 0..100_000_u64 {
        let (space, object) = (n / 1000 + 1, n);
        let said = OwnerEvent::Bound { space, object, va: n << 12, len: Some(PAGE) };
        observer.owner_says(n, said);
    }
    let story = observer.story(100_000);
    let kept: usize = story.spaces.iter().map(|space| space.mappings.len()).sum();
    assert!(kept <= 1 << 16, "{kept}");
    assert_eq!(kept as u64 + story.left_out.mappings, 100_000);
    assert_eq!(story.spaces.last().unwrap().mappings.len(), 1000, "the newest are kept");
}

#[test]
fn what_came_before_a_reset_of_the_function_is_a_story_of_its_own() {
    let mut guest = silent_guest();
    let mut observer = observer(&guest);
    let space = guest.vm(1, Levels::Four);
    observer.event(5, &Event::FunctionReset);
    load(&mut observer, 10, &space);
    observer.event(20, &Event::FunctionReset);
    let spaces: Vec<usize> = observer.take().iter().map(|story| story.spaces.len()).collect();
    assert_eq!(spaces, [1]);
}
