//! Whatever a guest does and whatever an owner says, in any order, a story is told, is bounded, and
//! refers to what exists.

mod support;

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;
use gpu_model::event::{Actor, MemoryWrite, Site, Submission, WriteKind};
use gpu_model::{Event, GuestRam, Observer, Space};
use observe::story::{OwnerEvent, StoryObserver};
use ppgtt::{PageTableRoot, PhysicalMemory};
use proptest::prelude::*;
use support::story::assert_refers_to_what_exists;

/// Pages of RAM; pages up to twice that are named.
const RAM_PAGES: u64 = 12;

fn page() -> impl Strategy<Value = u64> {
    prop_oneof![8 => (0..2 * RAM_PAGES).prop_map(|page| page << 12), 1 => any::<u64>()]
}

fn id() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..4u32, 1 => any::<u32>()]
}

fn engine() -> impl Strategy<Value = EngineId> {
    prop::sample::select(EngineId::ALL.to_vec())
}

/// Any hint, by way of the registers that carry it.
fn hint() -> impl Strategy<Value = Event> {
    (page(), id(), 0..11u32, 1..21u32).prop_filter_map(
        "unknown hints stay in the device",
        |parts| {
            let (page, id, second, command) = parts;
            Hint::decode(page, id, second, command).map(Event::Hint)
        },
    )
}

fn site() -> impl Strategy<Value = Site> {
    (engine(), id(), page(), any::<bool>()).prop_map(|(engine, context, address, in_batch)| Site {
        engine,
        context,
        address,
        in_batch,
    })
}

fn load() -> impl Strategy<Value = Event> {
    (engine(), 2..6u32, prop::array::uniform4(page()), id()).prop_map(
        |(engine, levels, pdps, context)| Event::PdpLoaded { engine, levels, pdps, context },
    )
}

fn store() -> impl Strategy<Value = Event> {
    (site(), page(), prop::option::of(0..4u64)).prop_map(|(site, address, value)| {
        Event::MemoryWritten(MemoryWrite {
            by: Actor::Engine(site),
            kind: WriteKind::Command,
            space: Space::Ggtt,
            address,
            physical: address,
            len: 4,
            value,
        })
    })
}

fn submission() -> impl Strategy<Value = Event> {
    (engine(), any::<bool>(), any::<u32>()).prop_map(|(engine, legacy, tail)| {
        let elements = [ContextDescriptor(u64::from(tail)); 2];
        let how = match legacy {
            true => Submission::Tail { tail },
            false => Submission::Elsp { elements, replaced: false },
        };
        Event::Submitted { engine, how }
    })
}

fn context() -> impl Strategy<Value = Event> {
    (engine(), id(), page(), any::<bool>(), any::<bool>()).prop_map(
        |(engine, context, image, lite, saved)| match saved {
            true => Event::ContextSaved { engine, context, image, page: image, head: 0, tail: 0 },
            false => {
                Event::ContextLoaded { engine, context, image, page: image, head: 0, tail: 0, lite }
            }
        },
    )
}

fn batch() -> impl Strategy<Value = Event> {
    (site(), 0..3u32, any::<bool>()).prop_map(|(site, level, ends)| match ends {
        true => Event::BatchEnded { site, level },
        false => Event::BatchStarted { site, space: Space::Ppgtt, address: 0, level, head: 0 },
    })
}

fn event() -> impl Strategy<Value = Event> {
    let mark = (engine(), id(), id()).prop_map(|(engine, context, value)| Event::NopId {
        engine,
        context,
        value,
    });
    let ggtt = (any::<u64>(), page()).prop_map(|(index, entry)| Event::GgttWritten {
        index: index % (1 << 22),
        old: 0,
        new: entry | 1,
        by: Actor::Cpu,
    });
    let reset = any::<u32>().prop_map(|domains| Event::Reset { domains });
    prop_oneof![
        16 => hint(),
        4 => load(),
        4 => context(),
        4 => batch(),
        4 => store(),
        2 => submission(),
        1 => mark,
        1 => ggtt,
        1 => reset,
        1 => Just(Event::FunctionReset),
    ]
}

/// What a kernel's tracepoints could say.
fn said() -> impl Strategy<Value = OwnerEvent> {
    let number = || prop_oneof![8 => 0..4u64, 1 => any::<u64>()];
    (0..7u32, number(), number(), page(), prop::option::of(any::<u64>())).prop_map(
        |(what, space, object, va, len)| match what {
            0 => OwnerEvent::SpaceBegins { space },
            1 => OwnerEvent::SpaceRoot { space, root: PageTableRoot::FourLevel(va) },
            2 => OwnerEvent::SpaceEnds { space },
            3 => OwnerEvent::ContextBegins { context: object, hardware: None, space: Some(space) },
            4 => OwnerEvent::ContextEnds { context: object },
            5 => OwnerEvent::Bound { space, object, va, len },
            _ => OwnerEvent::Unbound { space, object },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_order_of_events_makes_a_story_that_refers_to_what_exists(
        entries in prop::collection::vec((0..RAM_PAGES * 512, page(), 0..0x100u64), 0..64),
        events in prop::collection::vec((0..100u64, event(), prop::option::of(said())), 1..200),
    ) {
        let ram = GuestRam::anonymous(RAM_PAGES << 12).expect("a few pages");
        for (place, page, bits) in entries {
            prop_assert!(ram.write_u64(8 * place, page | bits));
        }
        let mut observer = StoryObserver::new("a device");
        observer.memory(&ram);
        let mut now_ns = 0;
        for (later, event, said) in &events {
            now_ns += later;
            observer.event(now_ns, event);
            if let Some(said) = said {
                observer.owner_says(now_ns, *said);
            }
        }
        assert_refers_to_what_exists(&observer.story(now_ns + 2_000_000_000));
        observer.take().iter().for_each(assert_refers_to_what_exists);
    }
}

#[test]
fn a_guest_that_never_stops_costs_bounded_memory() {
    let mut observer = StoryObserver::new("a device");
    observer.memory(&GuestRam::anonymous(16 << 12).expect("a few pages"));
    for n in 0..20_000_u32 {
        let now_ns = u64::from(n);
        let pdps = [u64::from(n + 1) << 12, 0, 0, 0];
        let engine = EngineId::Rcs;
        let site = Site { engine, context: n, address: 0, in_batch: false };
        let image = pdps[0];
        let loaded = Event::ContextLoaded {
            engine,
            context: n,
            image,
            page: image,
            head: 0,
            tail: 0,
            lite: false,
        };
        observer.event(now_ns, &loaded);
        observer.event(now_ns, &Event::PdpLoaded { engine, levels: 4, pdps, context: n });
        let address = 0;
        let space = Space::Ppgtt;
        observer.event(now_ns, &Event::BatchStarted { site, space, address, level: 1, head: 0 });
        observer.event(now_ns, &Event::Reset { domains: 0 });
    }
    let story = observer.story(20_000);
    // One runs.
    let spans = story.engines[0].spans.len() - 1;
    assert_eq!((spans as u64 + story.left_out.spans, spans <= 1 << 14), (19_999, true));
    let requests = story.requests.len();
    assert_eq!((requests as u64 + story.left_out.requests, requests <= 1 << 14), (20_000, true));
    for (kept, dropped) in [
        (story.contexts.len(), story.left_out.contexts),
        (story.spaces.len(), story.left_out.spaces),
        (story.moments.len(), story.left_out.moments),
    ] {
        assert_eq!((kept as u64 + dropped, kept <= 4096), (20_000, true));
    }
    assert_refers_to_what_exists(&story);
}
