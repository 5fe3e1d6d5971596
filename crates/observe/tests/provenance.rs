//! Who wrote what: exact histories.

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId::{Bcs, Rcs};
use gen8_spec::execlists::{Addressing, ContextDescriptor, csb};
use gen8_spec::pte;
use gpu_model::{
    Actor, Event, GuestRam, MemoryWrite, Observer, Site, Space, Submission, WriteKind,
};
use observe::provenance::{Place, Provenance, Running, When, Write, Writer};
use ppgtt::PhysicalMemory;

const PML4: u64 = 0x1000;
const PDP: u64 = 0x2000;
const PD: u64 = 0x3000;
const PT: u64 = 0x4000;
const IMAGE: u64 = 0x8000;
const STATE: u64 = 0x9000;

/// The device's part is played by the test.
struct Played {
    provenance: Provenance,
    ram: GuestRam,
}

impl Played {
    fn new() -> Played {
        let ram = GuestRam::anonymous(1 << 20).unwrap();
        for (table, next) in [(PML4, PDP), (PDP, PD), (PD, PT)] {
            assert!(ram.write_u64(table, pte::encode_table(next)));
        }
        let mut provenance = Provenance::new();
        provenance.memory(&ram);
        Played { provenance, ram }
    }

    fn event(&mut self, now_ns: u64, event: Event) {
        self.provenance.event(now_ns, &event);
    }

    fn load(&mut self, now_ns: u64) {
        let pdps = [PML4, 0, 0, 0];
        self.event(now_ns, Event::PdpLoaded { engine: Rcs, levels: 4, pdps, context: 3 });
    }

    fn load_context(&mut self, now_ns: u64, lite: bool) {
        let (engine, context, image, page) = (Rcs, 3, IMAGE, STATE);
        let loaded = Event::ContextLoaded { engine, context, image, page, head: 0, tail: 8, lite };
        self.event(now_ns, loaded);
    }

    fn poke(&self, address: u64, value: u64) {
        assert!(self.ram.write_u64(address, value));
    }

    /// The device writes memory, and says so.
    fn device_writes(&mut self, now_ns: u64, kind: WriteKind, address: u64, value: u64) {
        self.poke(address, value);
        let write = MemoryWrite {
            by: Actor::Engine(SITE),
            kind,
            space: Space::Ppgtt,
            address: 0x7000,
            physical: address,
            len: 8,
            value: Some(value),
        };
        self.event(now_ns, Event::MemoryWritten(write));
    }

    fn of(&self, address: u64) -> Vec<Write> {
        self.provenance.who_wrote(Place::Memory(address, 8))
    }
}

const SITE: Site = Site { engine: Bcs, context: 5, address: 0x40, in_batch: true };

const BY_ENGINE: Writer = Writer::Engine { engine: Bcs, context: 5, address: 0x40, in_batch: true };

fn write(when: When, by: Writer, old: Option<u64>, new: u64) -> Write {
    Write { when, by, old, new, running: Vec::new() }
}

#[test]
fn a_registers_history_is_exact_and_says_who() {
    let mut played = Played::new();
    let written = |value, by| Event::RegisterWritten { offset: 0x2030, value, by };
    played.event(10, written(1, Actor::Cpu));
    played.provenance.set_instruction(Some(0xffff_1234));
    played.event(20, written(2, Actor::Cpu));
    played.provenance.set_instruction(None);
    played.event(30, written(3, Actor::Engine(SITE)));
    let expected = [
        write(When::At(10), Writer::Cpu, None, 1),
        write(When::At(20), Writer::CpuAt(0xffff_1234), Some(1), 2),
        write(When::At(30), BY_ENGINE, Some(2), 3),
    ];
    assert_eq!(played.provenance.who_wrote(Place::Register(0x2030)), expected);
    assert_eq!(played.provenance.who_wrote(Place::Register(0x2034)), []);
}

#[test]
fn a_ggtt_entrys_history_has_old_and_new() {
    let mut played = Played::new();
    played.event(4, Event::GgttWritten { index: 9, old: 0, new: 0x5001, by: Actor::Cpu });
    let expected = [write(When::At(4), Writer::Cpu, Some(0), 0x5001)];
    assert_eq!(played.provenance.who_wrote(Place::Ggtt(9)), expected);
}

#[test]
fn a_pte_that_a_cpu_wrote_between_two_loads_is_known_by_the_window() {
    let mut played = Played::new();
    played.poke(PT, 0x5003);
    played.load(100);
    assert_eq!(played.of(PT), [write(When::Between(0, 100), Writer::Cpu, None, 0x5003)]);
    played.poke(PT, 0x6003);
    played.poke(PT + 8, 0x7003);
    played.load(200);
    played.load(300);
    played.poke(PT, 0);
    played.load(400);
    let expected = [
        write(When::Between(100, 200), Writer::Cpu, Some(0x5003), 0x6003),
        write(When::Between(300, 400), Writer::Cpu, Some(0x6003), 0),
    ];
    assert_eq!(played.of(PT), expected);
    assert_eq!(played.of(PT + 8)[0].new, 0x7003);
    assert_eq!(played.of(0xf_0000), [], "a page that nobody watches");
}

#[test]
fn tables_under_three_levels_are_looked_at_as_well() {
    let mut played = Played::new();
    let pdps = [0, PD, 0, 0];
    let load = Event::PdpLoaded { engine: Rcs, levels: 3, pdps, context: 3 };
    played.event(100, load.clone());
    played.poke(PT + 8, 0x5003);
    played.event(200, load);
    assert_eq!(played.of(PT + 8), [write(When::Between(100, 200), Writer::Cpu, Some(0), 0x5003)]);
}

#[test]
fn a_large_page_is_data_and_no_table() {
    let mut played = Played::new();
    let data = 0x2_0000;
    played.poke(PD + 8, data | pte::PRESENT | pte::WRITABLE | pte::PAGE_SIZE_BIT);
    played.load(100);
    played.poke(data, 1);
    played.load(200);
    assert_eq!(played.of(data), []);
}

#[test]
fn a_machine_that_sees_each_write_gives_the_moment() {
    let mut played = Played::new();
    let owned = Hint::PageOwned { page: PT, kind: PageKind::Pt, owner: 1 };
    played.event(1, Event::Hint(owned));
    for (now_ns, len, at, value) in [(10, 8, PT, 0x5003), (20, 4, PT + 4, 0x1)] {
        assert!(played.ram.write_u32(at, value as u32));
        played.provenance.note_cpu_write(now_ns, at, len, value);
    }
    played.load(30);
    let expected = [
        write(When::At(10), Writer::Cpu, Some(0), 0x5003),
        write(When::At(20), Writer::Cpu, Some(0x5003), 0x1_0000_5003),
    ];
    assert_eq!(played.of(PT), expected);
    let upper = played.provenance.who_wrote(Place::Memory(PT + 4, 4));
    let expected = [
        write(When::At(10), Writer::Cpu, Some(0), 0),
        write(When::At(20), Writer::Cpu, Some(0), 1),
    ];
    assert_eq!(upper, expected);
    let lower = played.provenance.who_wrote(Place::Memory(PT, 4));
    assert_eq!(lower, [write(When::At(10), Writer::Cpu, Some(0), 0x5003)]);
}

#[test]
fn an_engine_that_writes_a_pte_is_named_and_no_cpu_is_blamed_for_it() {
    let mut played = Played::new();
    played.load(10);
    played.device_writes(20, WriteKind::Command, PT, 0x5003);
    played.load(30);
    assert_eq!(played.of(PT), [write(When::At(20), BY_ENGINE, Some(0), 0x5003)]);
}

#[test]
fn a_blit_over_page_tables_is_found_by_looking() {
    let mut played = Played::new();
    played.load(10);
    for at in 0..3 {
        played.poke(PT + 8 * at, 0x11);
    }
    let write = MemoryWrite {
        by: Actor::Engine(SITE),
        kind: WriteKind::Blit,
        space: Space::Ppgtt,
        address: 0x7000,
        physical: PT,
        len: 24,
        value: None,
    };
    played.event(20, Event::MemoryWritten(write));
    for at in 0..3 {
        let [written] = &played.of(PT + 8 * at)[..] else { panic!() };
        assert_eq!((written.when, &written.by, written.new), (When::At(20), &BY_ENGINE, 0x11));
    }
}

#[test]
fn a_context_image_tells_the_drivers_writes_from_the_devices() {
    let mut played = Played::new();
    played.load_context(10, false);
    played.device_writes(20, WriteKind::ContextSave, STATE + 0x10, 0x40);
    played.poke(STATE + 0x18, 0x80);
    // Behind another one, of which nothing is known.
    let descriptor = |image| ContextDescriptor::new(image, 3, Addressing::Legacy64);
    let elements = [descriptor(0x2_0000), descriptor(IMAGE as u32)];
    let how = Submission::Elsp { elements, replaced: false };
    played.event(30, Event::Submitted { engine: Rcs, how });
    let [saved] = &played.of(STATE + 0x10)[..] else { panic!() };
    assert_eq!(saved.by, Writer::Device("saved a context".to_owned()));
    let [tail] = &played.of(STATE + 0x18)[..] else { panic!() };
    assert_eq!((tail.when, &tail.by), (When::Between(10, 30), &Writer::Cpu));
}

#[test]
fn a_lite_restore_looks_at_the_tables_that_are_loaded() {
    let mut played = Played::new();
    played.load(10);
    played.poke(PT, 0x5003);
    played.load_context(20, true);
    let [written] = &played.of(PT)[..] else { panic!() };
    assert_eq!(written.when, When::Between(10, 20));
}

#[test]
fn a_write_says_what_the_engines_ran() {
    let mut played = Played::new();
    let written = |value| Event::RegisterWritten { offset: 0x44, value, by: Actor::Cpu };
    let ran =
        |played: &Played| played.provenance.last_write(Place::Register(0x44)).unwrap().running;
    played.load_context(1, false);
    let site = Site { engine: Rcs, context: 3, address: 0, in_batch: false };
    let (space, address) = (Space::Ppgtt, 0x10_0000);
    played.event(2, Event::BatchStarted { site, space, address, level: 1, head: 12 });
    played.event(3, written(1));
    let running = Running { engine: Rcs, context: 3, batch: Some(0x10_0000) };
    assert_eq!(ran(&played), [running]);
    played.event(4, Event::BatchEnded { site, level: 1 });
    played.event(5, written(2));
    assert_eq!(ran(&played), [Running { batch: None, ..running }]);
    let status = csb::ACTIVE_IDLE | csb::COMPLETE;
    played.event(6, Event::ContextSwitch { engine: Rcs, slot: 0, status, context: 3 });
    played.event(7, written(3));
    assert_eq!(ran(&played), []);
}

#[test]
fn a_freed_page_is_watched_no_longer() {
    let mut played = Played::new();
    let owned = Hint::PageOwned { page: PT, kind: PageKind::Pt, owner: 1 };
    played.event(1, Event::Hint(owned));
    played.event(2, Event::Hint(Hint::PageFreed { page: PT }));
    played.provenance.note_cpu_write(3, PT, 8, 1);
    assert_eq!(played.of(PT), []);
}

#[test]
fn tables_that_lead_nowhere_or_to_themselves_end_the_look() {
    let mut played = Played::new();
    played.poke(PML4 + 8, pte::encode_table(PML4));
    played.poke(PML4 + 16, pte::encode_table(1 << 38));
    played.poke(PDP + 8, pte::encode_table(PD) | pte::PAGE_SIZE_BIT);
    played.load(1);
    played.poke(PT, 7);
    played.load(2);
    assert_eq!(played.of(PT).len(), 1);
}

#[test]
fn what_a_page_holds_in_its_next_use_was_not_written_in_its_last() {
    let mut played = Played::new();
    let owned = |owner| Event::Hint(Hint::PageOwned { page: PT, kind: PageKind::Pt, owner });
    played.event(1, owned(1));
    played.poke(PT, 0x5003);
    played.provenance.note_cpu_write(10, PT, 8, 0x5003);
    played.event(20, Event::Hint(Hint::PageFreed { page: PT }));
    played.poke(PT, 0x7003);
    played.event(30, owned(2));
    let expected = [
        write(When::At(10), Writer::Cpu, Some(0), 0x5003),
        write(When::Between(10, 30), Writer::Cpu, None, 0x7003),
    ];
    assert_eq!(played.of(PT), expected);
}

#[test]
fn a_write_reads_as_a_sentence() {
    let mut written = write(When::Between(10, 20), Writer::Cpu, Some(0), 0x5003);
    assert_eq!(written.to_string(), "0x0 -> 0x5003 between 10 and 20 ns by a CPU");
    let at_once = Write { when: When::Between(20, 20), ..written.clone() };
    assert_eq!(at_once.to_string(), "0x0 -> 0x5003 at 20 ns by a CPU");
    written.running = vec![Running { engine: Rcs, context: 3, batch: Some(0x1000) }];
    written.by = BY_ENGINE;
    written.when = When::At(7);
    assert_eq!(
        written.to_string(),
        "0x0 -> 0x5003 at 7 ns by bcs0, context 0x5, batch address 0x40 \
         (running: rcs0: context 0x3, batch 0x1000)"
    );
    let json = serde_json::to_string(&written).unwrap();
    assert_eq!(serde_json::from_str::<Write>(&json).unwrap(), written);
}
