//! Whatever a device tells and a CPU writes, provenance and staleness end, stay within their bounds, and
//! fit together.

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use gpu_model::{
    Actor, Event, GuestRam, Invalidation, MemoryWrite, Observer, Site, Space, WriteKind,
};
use observe::provenance::{Place, Provenance, When};
use observe::{Findings, Observers, Staleness};
use ppgtt::{Levels, PageTableRoot, PhysicalMemory};
use proptest::prelude::*;

/// Pages of RAM; pages up to twice that are named.
const RAM_PAGES: u64 = 12;

#[derive(Clone, Debug)]
enum Step {
    Tell(Event),
    Poke(u64, u64),
    Note(u64, u8, u64),
}

fn page() -> impl Strategy<Value = u64> {
    prop_oneof![8 => (0..2 * RAM_PAGES).prop_map(|page| page << 12), 1 => any::<u64>()]
}

fn site() -> impl Strategy<Value = Site> {
    let engine = prop::sample::select(EngineId::ALL.to_vec());
    (engine, 0..3u32, any::<bool>()).prop_map(|(engine, context, in_batch)| Site {
        engine,
        context,
        address: 0x40,
        in_batch,
    })
}

fn pdps() -> impl Strategy<Value = [u64; 4]> {
    prop::array::uniform4(page())
}

fn invalidation() -> impl Strategy<Value = Invalidation> {
    prop::sample::select(vec![
        Invalidation::ContextLoad,
        Invalidation::Register,
        Invalidation::PipeControl,
    ])
}

fn written() -> impl Strategy<Value = Event> {
    (site(), page(), 0..4096u64, 1..9u64, any::<Option<u64>>()).prop_map(
        |(site, page, at, len, value)| {
            Event::MemoryWritten(MemoryWrite {
                by: Actor::Engine(site),
                kind: if value.is_some() { WriteKind::Command } else { WriteKind::Blit },
                space: Space::Ppgtt,
                address: page,
                physical: (page & !0xfff) + at.min(4096 - len),
                len,
                value,
            })
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let loads = (site(), pdps(), any::<bool>()).prop_map(|(site, pdps, four)| Event::PdpLoaded {
        engine: site.engine,
        levels: if four { 4 } else { 3 },
        pdps,
        context: site.context,
    });
    let contexts =
        (site(), page(), any::<bool>()).prop_map(|(site, page, lite)| Event::ContextLoaded {
            engine: site.engine,
            context: site.context,
            image: page,
            page,
            head: 0,
            tail: 0,
            lite,
        });
    let owned = page().prop_map(|page| {
        Event::Hint(Hint::PageOwned { page: page & !0xfff, kind: PageKind::Pt, owner: 1 })
    });
    let fills = (site(), page(), page(), pdps()).prop_map(|(site, address, page, pdps)| {
        let root = PageTableRoot::from_pdps(Levels::Three, pdps);
        let (writable, write) = (true, false);
        Event::TlbFilled { site, address, page, writable, write, root, pte_address: page }
    });
    let invalidated =
        (site(), invalidation()).prop_map(|(site, by)| Event::TlbInvalidated { site, by });
    let stale = (site(), page(), page()).prop_map(|(site, address, used)| Event::StaleTlb {
        engine: site.engine,
        address,
        write: true,
        used,
        current: None,
    });
    let directories = (site(), pdps(), pdps()).prop_map(|(site, loaded, image)| Event::StalePdps {
        site,
        loaded,
        image,
    });
    let reset = any::<u32>().prop_map(|domains| Event::Reset { domains });
    prop_oneof![
        4 => loads, 4 => contexts, 2 => owned, 4 => fills, 2 => invalidated, 4 => stale,
        1 => directories, 1 => reset, 4 => written(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let place = (0..RAM_PAGES * 512).prop_map(|word| 8 * word);
    let entry = || (page(), 0..0x100u64).prop_map(|(page, bits)| page | bits);
    prop_oneof![
        4 => event().prop_map(Step::Tell),
        2 => (place.clone(), entry()).prop_map(|(at, value)| Step::Poke(at, value)),
        1 => (place, prop::sample::select(vec![4, 8]), entry())
            .prop_map(|(at, len, value)| Step::Note(at, len, value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_hostile_guest_gets_answers_that_fit_together(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let ram = GuestRam::anonymous(RAM_PAGES << 12).expect("a few pages");
        let provenance = Provenance::new();
        let staleness = Staleness::new(provenance.clone());
        let mut observers = Observers::new().with(provenance.clone()).with(staleness.clone());
        observers.memory(&ram);
        for (now_ns, step) in (1..).zip(&steps) {
            match *step {
                Step::Tell(ref event) => observers.event(now_ns, event),
                Step::Poke(at, value) => prop_assert!(ram.write_u64(at, value)),
                Step::Note(at, len, value) => provenance.note_cpu_write(now_ns, at, len, value),
            }
        }
        for word in 0..RAM_PAGES * 512 {
            let writes = provenance.who_wrote(Place::Memory(8 * word, 8));
            prop_assert!(writes.len() <= 16);
            for pair in writes.windows(2) {
                prop_assert_eq!(pair[1].old, Some(pair[0].new));
                prop_assert!(pair[0].when.latest_ns() <= pair[1].when.latest_ns());
            }
            for write in &writes {
                let ordered = match write.when {
                    When::At(_) => true,
                    When::Between(from, to) => from <= to,
                };
                prop_assert!(ordered, "{write}");
            }
        }
        for finding in staleness.findings() {
            prop_assert!(finding.facts.iter().all(|fact| !fact.text.is_empty()));
        }
    }
}
