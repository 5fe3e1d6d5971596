//! The ring of the last events.

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId::{Bcs, Rcs};
use gpu_model::{Actor, Event, Interests, Observer};
use observe::{EVENT_KINDS, EventFilter, RecentEvents};

fn written(value: u32) -> Event {
    Event::RegisterWritten { offset: 0x2030, value, by: Actor::Cpu }
}

#[test]
fn the_last_events_come_in_order_by_kind_and_by_engine() {
    let mut recent = RecentEvents::new();
    recent.event(1, &written(0x40));
    recent.event(2, &Event::NopId { engine: Bcs, context: 3, value: 7 });
    recent.event(3, &written(0x48));
    let (all, heard) = recent.last(EventFilter::default(), 10);
    assert_eq!((all.len(), heard), (3, 3));
    let told: Vec<_> = all.iter().map(|event| (event.at_ns, event.text.as_str())).collect();
    let first = (1, "rcs0 TAIL = 0x40 by CPU");
    assert_eq!(told, [first, (2, "context 0x3, number 0x7"), (3, "rcs0 TAIL = 0x48 by CPU")]);
    let of = |filter, count| recent.last(filter, count).0;
    let kind = EventFilter { kind: Some("register-written"), engine: None };
    assert_eq!(of(kind, 1)[0].number, 2);
    let engine = EventFilter { kind: None, engine: Some(Bcs) };
    assert_eq!(of(engine, 10)[0].engine.as_deref(), Some("bcs0"));
    assert!(of(EventFilter { kind: None, engine: Some(Rcs) }, 10).is_empty());
}

#[test]
fn addresses_of_hints_are_hexadecimal_and_say_so_and_numbers_are_as_the_driver_counts() {
    let mut recent = RecentEvents::new();
    let kind = PageKind::Object;
    for hint in [
        Hint::PageOwned { page: 0x10_0000, kind, owner: 12 },
        Hint::VmaBound { address: 0x4_0000, vm: 10, object: 12 },
        Hint::VmReleased { vm: 10 },
    ] {
        recent.event(1, &Event::Hint(hint));
    }
    let (all, _) = recent.last(EventFilter::default(), 10);
    let told: Vec<_> = all.iter().map(|event| event.text.as_str()).collect();
    let expected = [
        "PageOwned { page: 0x100000, kind: Object, owner: 12 }",
        "VmaBound { vm: 10, object: 12, address: 0x40000 }",
        "VmReleased { vm: 10 }",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_frequent_does_not_push_out_what_is_rare() {
    let mut recent = RecentEvents::new();
    recent.event(0, &Event::FunctionReset);
    for value in 0..5000 {
        recent.event(1, &written(value));
    }
    let (all, heard) = recent.last(EventFilter::default(), usize::MAX);
    assert_eq!((all.len(), heard), (1025, 5001));
    assert_eq!((all[0].kind.as_str(), all[1].number), ("function-reset", 3977));
}

#[test]
fn every_kind_has_one_name_and_page_accesses_are_not_heard() {
    let mut names = EVENT_KINDS.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), EVENT_KINDS.len());
    let interests = RecentEvents::new().interests();
    assert!(!interests.intersects(Interests::ACCESSES));
    assert!(interests.intersects(Interests::BASICS) && interests.intersects(Interests::TLB));
}
