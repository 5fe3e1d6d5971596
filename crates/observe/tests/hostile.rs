//! Whatever a guest hints, loads and writes, the census ends and its numbers fit together.

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;
use gpu_model::{Event, GuestRam, Observer};
use observe::{Census, CensusLog};
use ppgtt::PhysicalMemory;
use proptest::prelude::*;

/// Pages of RAM; pages up to twice that are named.
const RAM_PAGES: u64 = 12;

fn page() -> impl Strategy<Value = u64> {
    prop_oneof![8 => (0..2 * RAM_PAGES).prop_map(|page| page << 12), 1 => any::<u64>()]
}

/// Any hint, by way of the registers that carry it: few pages and ids, so that they meet.
fn hint() -> impl Strategy<Value = Event> {
    let id = prop_oneof![8 => 0..4u32, 1 => any::<u32>()];
    (page(), id, 0..11u32, 1..11u32).prop_filter_map("unknown hints stay in the device", |parts| {
        let (page, id, second, command) = parts;
        Hint::decode(page, id, second, command).map(Event::Hint)
    })
}

fn loaded(engine: EngineId, levels: u32, pdps: [u64; 4]) -> Event {
    Event::PdpLoaded { engine, levels, pdps, context: 0 }
}

fn event() -> impl Strategy<Value = Event> {
    let engine = || prop::sample::select(EngineId::ALL.to_vec());
    let loads = (engine(), 2..6u32, prop::array::uniform4(page()))
        .prop_map(|(engine, levels, pdps)| loaded(engine, levels, pdps));
    let switch = (engine(), any::<u32>()).prop_map(|(engine, status)| Event::ContextSwitch {
        engine,
        slot: 0,
        status,
        context: 0,
    });
    let reset = any::<u32>().prop_map(|domains| Event::Reset { domains });
    prop_oneof![16 => hint(), 4 => loads, 1 => switch, 1 => reset]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_counts_of_a_hostile_guest_fit_together(
        entries in prop::collection::vec((0..RAM_PAGES * 512, page(), 0..0x100u64), 0..64),
        events in prop::collection::vec(event(), 1..200),
    ) {
        let ram = GuestRam::anonymous(RAM_PAGES << 12).expect("a few pages");
        for (place, page, bits) in entries {
            prop_assert!(ram.write_u64(8 * place, page | bits));
        }
        let log = CensusLog::new();
        let mut census = Census::new(ram, log.clone());
        for event in &events {
            census.event(0, event);
        }
        let mut snapshots = log.take();
        snapshots.push(census.snapshot(0));
        for seen in snapshots {
            prop_assert_eq!(seen.vms, seen.address_spaces.len());
            prop_assert!(seen.vmas_bound <= seen.vmas);
            prop_assert!(seen.pages as u64 <= RAM_PAGES);
            prop_assert!(seen.address_spaces.iter().all(|space| space.pages <= seen.pages));
            let orphans = seen.orphans().count();
            let found = seen.findings.iter().filter(|finding| finding.name() == "OrphanVm");
            prop_assert_eq!(found.count(), orphans);
            prop_assert!(!seen.explain().is_empty());
        }
    }
}
