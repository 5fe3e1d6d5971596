//! Stale translations and page directories, played by hand.

use gen8_spec::context_image::pdp_ldw;
use gen8_spec::engine::EngineId::{self, Bcs, Rcs};
use gen8_spec::mmio::GDRST_FULL;
use gen8_spec::pte;
use gpu_model::{Event, GuestRam, Invalidation, Observer, Site};
use observe::provenance::Provenance;
use observe::{Finding, Findings, Observers, Staleness};
use ppgtt::{PageTableRoot, PhysicalMemory};

const PML4: u64 = 0x1000;
const PDP: u64 = 0x2000;
const PD: u64 = 0x3000;
const PT: u64 = 0x4000;
const STATE: u64 = 0x9000;
/// Virtual page that [`PT`]'s first entry maps.
const VA: u64 = 0;
const OLD: u64 = 0x5000;
const NEW: u64 = 0x6000;

struct Played {
    observers: Observers,
    staleness: Staleness,
    ram: GuestRam,
    now_ns: u64,
}

impl Played {
    fn new() -> Played {
        let ram = GuestRam::anonymous(1 << 20).unwrap();
        for (table, next) in [(PML4, PDP), (PDP, PD), (PD, PT)] {
            assert!(ram.write_u64(table, pte::encode_table(next)));
        }
        assert!(ram.write_u64(PT, OLD | 3));
        let provenance = Provenance::new();
        let staleness = Staleness::new(provenance.clone());
        let mut observers = Observers::new().with(provenance).with(staleness.clone());
        observers.memory(&ram);
        let mut played = Played { observers, staleness, ram, now_ns: 0 };
        let pdps = [PML4, 0, 0, 0];
        played.event(Event::PdpLoaded { engine: Rcs, levels: 4, pdps, context: 3 });
        played
    }

    /// Each event has its own time: 10 ns, 20 ns and so on.
    fn event(&mut self, event: Event) {
        self.now_ns += 10;
        self.observers.event(self.now_ns, &event);
    }

    fn fill(&mut self, engine: EngineId) {
        self.event(Event::TlbFilled {
            site: site(engine),
            address: VA,
            page: OLD,
            writable: true,
            write: false,
            root: PageTableRoot::FourLevel(PML4),
            pte_address: PT,
        });
    }

    fn use_stale(&mut self, engine: EngineId) {
        let (used, current) = (OLD, Some(NEW));
        self.event(Event::StaleTlb { engine, address: VA, write: true, used, current });
    }

    fn invalidate(&mut self, engine: EngineId, by: Invalidation) {
        self.event(Event::TlbInvalidated { site: site(engine), by });
    }

    fn poke(&self, address: u64, value: u64) {
        assert!(self.ram.write_u64(address, value));
    }

    fn found(&self) -> Vec<Finding> {
        self.staleness.findings()
    }

    fn only(&self) -> Finding {
        let mut found = self.found();
        assert_eq!(found.len(), 1, "{found:#?}");
        found.remove(0)
    }
}

fn site(engine: EngineId) -> Site {
    Site { engine, context: 3, address: 0x100, in_batch: true }
}

fn fact<'f>(finding: &'f Finding, label: &str) -> &'f str {
    let fact = finding.facts.iter().find(|fact| fact.label == label);
    fact.map_or("", |fact| &fact.text)
}

#[test]
fn the_write_that_made_an_entry_stale_is_told_by_its_window() {
    let mut played = Played::new();
    played.fill(Rcs);
    played.poke(PT, NEW | 3);
    played.use_stale(Rcs);
    let found = played.only();
    assert_eq!((found.name.as_str(), found.at_ns), ("StaleTlb", 30));
    let by = "PTE at 0x4000: 0x5003 -> 0x6003 between 10 and 30 ns by a CPU";
    assert_eq!(fact(&found, "made stale by"), by);
    assert!(fact(&found, "missing").ends_with("; there was none at all"), "{found:#?}");
}

#[test]
fn a_write_of_before_the_entry_was_filled_did_not_make_it_stale() {
    let mut played = Played::new();
    let look = Event::PdpLoaded { engine: Bcs, levels: 4, pdps: [PML4, 0, 0, 0], context: 4 };
    // The same value goes, and comes back, before an engine takes it.
    for value in [0x7003, OLD | 3] {
        played.poke(PT, value);
        played.event(look.clone());
    }
    played.fill(Rcs);
    played.poke(PT, NEW | 3);
    played.use_stale(Rcs);
    let by = "PTE at 0x4000: 0x5003 -> 0x6003 between 30 and 50 ns by a CPU";
    assert_eq!(fact(&played.only(), "made stale by"), by);
}

#[test]
fn a_change_above_the_pte_is_told_as_what_it_is() {
    let mut played = Played::new();
    played.fill(Rcs);
    played.poke(PD, 0);
    played.poke(PT, NEW | 3);
    played.use_stale(Rcs);
    let by = "PDE at 0x3000: 0x4003 -> 0x0 between 10 and 30 ns by a CPU";
    assert_eq!(fact(&played.only(), "made stale by"), by);
}

#[test]
fn uses_of_one_entry_are_one_finding_and_a_later_entry_is_another() {
    let mut played = Played::new();
    played.fill(Rcs);
    played.poke(PT, NEW | 3);
    played.use_stale(Rcs);
    played.use_stale(Rcs);
    played.use_stale(Rcs);
    assert_eq!(fact(&played.only(), "happened"), "3 uses, the last at 50 ns");
    played.fill(Rcs);
    played.use_stale(Rcs);
    assert_eq!(played.found().len(), 2);
}

#[test]
fn an_invalidation_of_another_engine_is_told_and_one_before_the_write_is_not() {
    let mut played = Played::new();
    played.invalidate(EngineId::Vcs, Invalidation::FlushDw);
    played.fill(Rcs);
    played.poke(PT, NEW | 3);
    played.event(Event::PdpLoaded { engine: Bcs, levels: 4, pdps: [PML4, 0, 0, 0], context: 4 });
    played.invalidate(Bcs, Invalidation::Register);
    played.use_stale(Rcs);
    let found = played.only();
    let told: Vec<_> = found.facts.iter().filter(|f| f.label == "invalidated meanwhile").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].text, "bcs0, at 50 ns, by a write of register 0x426c");
}

#[test]
fn an_entry_that_was_there_before_anybody_listened_is_told_without_its_story() {
    let mut played = Played::new();
    played.use_stale(Bcs);
    let found = played.only();
    assert_eq!(fact(&found, "entry filled"), "before anybody listened");
    assert_eq!(fact(&found, "made stale by"), "");
    assert!(fact(&found, "missing").contains("MI_FLUSH_DW"), "not the render engine");
}

#[test]
fn a_device_that_keeps_an_entry_over_an_invalidation_is_blamed_itself() {
    let pipe_control = || Event::TlbInvalidated { site: site(Rcs), by: Invalidation::PipeControl };
    for (events, by) in [
        (vec![pipe_control()], "at 30 ns, by PIPE_CONTROL"),
        // The second one found nothing left.
        (vec![pipe_control(), pipe_control()], "at 40 ns, by PIPE_CONTROL"),
        (vec![Event::Reset { domains: GDRST_FULL }], "at 30 ns, by a reset"),
        (vec![Event::FunctionReset], "at 30 ns, by a reset"),
    ] {
        let mut played = Played::new();
        played.fill(Rcs);
        played.poke(PT, NEW | 3);
        events.into_iter().for_each(|event| played.event(event));
        played.use_stale(Rcs);
        let found = played.only();
        assert_eq!(found.name, "TlbEntryKept");
        let missing = format!("nothing: the last one: rcs0, {by}, and the device kept the entry");
        assert_eq!(fact(&found, "missing"), missing);
    }
}

#[test]
fn changed_page_tables_that_nobody_uses_by_an_old_entry_are_no_finding() {
    let mut played = Played::new();
    played.fill(Rcs);
    played.poke(PT, NEW | 3);
    played.invalidate(Rcs, Invalidation::FlushDw);
    played.fill(Rcs);
    assert_eq!(played.found(), []);
}

#[test]
fn findings_are_bounded_and_say_what_was_left_out() {
    let mut played = Played::new();
    for n in 0..300 {
        let current = Some(n << 12);
        played.event(Event::StaleTlb {
            engine: Rcs,
            address: VA,
            write: false,
            used: OLD,
            current,
        });
    }
    let found = played.found();
    assert_eq!(found.len(), 256);
    assert_eq!(fact(&found[255], "left out"), "44 more uses of stale translations");
}

#[test]
fn page_directories_that_changed_in_the_image_alone_are_told_with_the_write() {
    let mut played = Played::new();
    let (engine, context) = (Rcs, 3);
    let (image, page) = (STATE - 0x1000, STATE);
    let loaded =
        Event::ContextLoaded { engine, context, image, page, head: 0, tail: 8, lite: false };
    played.event(loaded);
    let at = STATE + 4 * (pdp_ldw(0) as u64 + 1);
    assert!(played.ram.write_u32(at, 0x7000));
    let (loaded, image) = ([PML4, 0, 0, 0], [0x7000, 0, 0, 0]);
    let stale = Event::StalePdps { site: site(Rcs), loaded, image };
    played.event(stale.clone());
    played.event(stale);
    let found = played.only();
    assert_eq!(found.name, "StalePdps");
    assert_eq!(fact(&found, "engine has"), "PDP0..3 0x1000, 0x0, 0x0, 0x0");
    let by = format!(
        "PDP0, {at:#x}: 0x0 -> 0x7000 between 20 and 30 ns by a CPU (running: rcs0: context 0x3)"
    );
    assert_eq!(fact(&found, "image written"), by);
}
