//! The table of rules against a device: what is broken is counted, what is kept is not.

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{Addressing, ContextDescriptor, csb};
use gen8_spec::{PAGE_SIZE, interrupts as irq, mmio, pci};
use gpu_model::display::PlaneId;
use gpu_model::event::{Actor, MemoryWrite, Site, Submission, WriteKind};
use gpu_model::fault::GpuFault;
use gpu_model::{Bar, Event, Gpu, GpuConfig, GuestRam, Observer, Origin, Space};
use observe::{Conformance, Culprit, Findings, Severity};

const BCS: EngineId = EngineId::Bcs;
/// Context id.
const CONTEXT: u32 = 7;
/// GGTT address of its image, and physical address of the image's state page.
const IMAGE: u32 = 0x4_0000;
const STATE: u64 = 0x9000;

/// The rules that a history of events breaks.
fn broken(events: &[Event]) -> Vec<String> {
    let mut conformance = Conformance::new();
    for event in events {
        conformance.event(1, event);
    }
    conformance.reports().into_iter().map(|report| report.id).collect()
}

/// A command of the ring, or of a batch.
fn site(in_batch: bool) -> Site {
    Site { engine: BCS, context: CONTEXT, address: 0x40, in_batch }
}

fn loaded() -> Event {
    let (image, page) = (IMAGE.into(), STATE);
    let (context, head, tail, lite) = (CONTEXT, 0, 8, false);
    Event::ContextLoaded { engine: BCS, context, image, page, head, tail, lite }
}

fn saved() -> Event {
    let (image, page) = (IMAGE.into(), STATE);
    Event::ContextSaved { engine: BCS, context: CONTEXT, image, page, head: 8, tail: 8 }
}

/// A batch from its begin to its end.
fn batch() -> [Event; 2] {
    let (space, address, level, head) = (Space::Ppgtt, 0x1000, 1, 8);
    [
        Event::BatchStarted { site: site(false), space, address, level, head },
        Event::BatchEnded { site: site(true), level: 1 },
    ]
}

/// A store of a command in the GGTT.
fn seqno(in_batch: bool) -> Event {
    let (kind, space) = (WriteKind::Command, Space::Ggtt);
    let by = Actor::Engine(site(in_batch));
    let (address, physical, len, value) = (0x100, 0x100, 4, Some(3));
    Event::MemoryWritten(MemoryWrite { by, kind, space, address, physical, len, value })
}

fn user_interrupt() -> Event {
    Event::InterruptRaised { engine: BCS, bits: irq::USER_INTERRUPT, passed: 0 }
}

fn complete() -> Event {
    let status = csb::COMPLETE | csb::ACTIVE_IDLE;
    Event::ContextSwitch { engine: BCS, slot: 0, status, context: CONTEXT }
}

fn submitted() -> Event {
    let element = ContextDescriptor::new(IMAGE, CONTEXT, Addressing::Legacy64);
    let elements = [element, ContextDescriptor(0)];
    Event::Submitted { engine: BCS, how: Submission::Elsp { elements, replaced: false } }
}

fn entry_written(address: u64) -> Event {
    let index = address / PAGE_SIZE;
    Event::GgttWritten { index, old: 0, new: 0x5001, by: Actor::Cpu }
}

fn register_written(offset: u32, value: u32) -> Event {
    Event::RegisterWritten { offset, value, by: Actor::Cpu }
}

#[test]
fn the_seqno_comes_before_the_interrupt_and_before_the_status() {
    let [begin, end] = batch();
    let request = |rest: &[Event]| {
        let mut events = vec![loaded(), begin.clone(), end.clone()];
        events.extend_from_slice(rest);
        broken(&events)
    };
    assert!(request(&[seqno(false), user_interrupt(), complete()]).is_empty());
    assert_eq!(request(&[user_interrupt(), seqno(false), complete()]), ["interrupt-before-seqno"]);
    assert_eq!(request(&[complete(), seqno(false)]), ["complete-before-seqno"]);
    let of_batch = [seqno(true), complete()];
    assert_eq!(request(&of_batch), ["complete-before-seqno"], "a store of the batch is no seqno");
    let preempted =
        Event::ContextSwitch { engine: BCS, slot: 0, status: csb::PREEMPTED, context: CONTEXT };
    assert!(request(&[preempted, loaded(), complete()]).is_empty());
    // A batch may raise one as it likes.
    assert!(broken(&[loaded(), begin, user_interrupt(), end, seqno(false)]).is_empty());
}

#[test]
fn an_image_is_freed_when_the_engine_has_written_it_back() {
    let free = Event::Hint(Hint::PageFreed { page: STATE });
    let other = Event::Hint(Hint::PageFreed { page: STATE + PAGE_SIZE });
    assert!(broken(&[loaded(), other, saved(), free.clone()]).is_empty());
    assert_eq!(broken(&[loaded(), free.clone(), saved()]), ["context-freed-while-loaded"]);
    assert!(broken(&[loaded(), Event::Reset { domains: 1 }, free.clone()]).is_empty());
    let other_engine = Event::Reset { domains: EngineId::Rcs.reset_domain() };
    assert_eq!(broken(&[loaded(), other_engine, free]), ["context-freed-while-loaded"]);
}

#[test]
fn a_context_is_saved_to_the_page_from_which_it_was_loaded() {
    let mut elsewhere = saved();
    if let Event::ContextSaved { page, .. } = &mut elsewhere {
        *page += PAGE_SIZE;
    }
    assert!(broken(&[loaded(), saved()]).is_empty());
    assert_eq!(broken(&[loaded(), elsewhere.clone()]), ["context-saved-elsewhere"]);
    assert!(broken(&[elsewhere]).is_empty(), "nobody saw from where it was loaded");
}

#[test]
fn entries_of_an_image_are_flushed_before_it_is_submitted() {
    let flush = register_written(mmio::GFX_FLSH_CNTL, mmio::GFX_FLSH_CNTL_EN);
    let second = u64::from(IMAGE) + PAGE_SIZE;
    assert_eq!(broken(&[entry_written(second), submitted()]), ["ggtt-not-flushed"]);
    assert!(broken(&[entry_written(second), flush, submitted()]).is_empty());
    assert!(broken(&[entry_written(second + PAGE_SIZE), submitted()]).is_empty());
    let first = [entry_written(IMAGE.into()), submitted()];
    assert_eq!(broken(&first), ["ggtt-not-flushed"], "the first page alone");
}

#[test]
fn what_the_device_tells_anyhow_is_the_rule_that_it_breaks() {
    let origin = Origin::Engine(BCS);
    let fault = |ggtt| {
        let (engine, address, write, level, entry) = (Some(BCS), 0x5000, false, 0, 0);
        Event::Fault(GpuFault { engine, ggtt, address, write, level, entry })
    };
    let plane = Event::PlaneFault { pipe: 0, plane: PlaneId::Primary, address: 0, blanked_ns: 0 };
    let (engine, register, header) = (BCS, mmio::GDRST, 0);
    for (event, rule, culprit) in [
        (fault(true), "ggtt-fault", Culprit::Driver),
        (fault(false), "ppgtt-fault", Culprit::Driver),
        (plane, "plane-fault", Culprit::Driver),
        (
            Event::UnknownRegister { offset: 0x44, written: None, origin },
            "unknown-register",
            Culprit::Driver,
        ),
        (Event::PrivilegeViolation { engine, register }, "register-in-user-batch", Culprit::Client),
        (
            Event::InstructionError { engine, header, address: 0, origin: Origin::UserBatch(BCS) },
            "command-unknown",
            Culprit::Client,
        ),
    ] {
        let mut conformance = Conformance::new();
        conformance.event(1, &event);
        let [report] = &conformance.reports()[..] else { panic!("{event:?}: one rule") };
        assert_eq!((report.id.as_str(), report.culprit), (rule, culprit));
    }
}

#[test]
fn interrupts_are_cleared_that_were_read() {
    let bank = irq::gt_bank(0);
    let open = [register_written(bank + irq::IMR, 0), register_written(bank + irq::IER, 0x101)];
    let handler = |shown: u32, cleared: u32| {
        let mut events = open.to_vec();
        events.push(Event::RegisterRead { offset: bank + irq::IIR, value: shown });
        events.push(register_written(bank + irq::IIR, cleared));
        events
    };
    assert!(broken(&handler(0x101, 0x101)).is_empty());
    assert_eq!(broken(&handler(0x100, 0x101)), ["iir-cleared-unread"]);
    let again = [handler(1, 1), vec![register_written(bank + irq::IIR, 1)]].concat();
    assert_eq!(broken(&again), ["iir-cleared-unread"]);
    let masked = register_written(bank + irq::IMR, u32::MAX);
    let reset = [masked, register_written(bank + irq::IIR, u32::MAX)];
    assert!(broken(&reset).is_empty(), "what is masked is nobody's loss");
}

/// A device that answers, and the observer of it.
fn device() -> (Gpu, Conformance) {
    let memory = GuestRam::anonymous(1 << 20).expect("1 MiB of memory");
    let mut gpu = Gpu::new(GpuConfig::by_device_id(0x1616).expect("a Broadwell"), memory);
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    let conformance = Conformance::new();
    gpu.set_observer(Some(Box::new(conformance.clone())));
    (gpu, conformance)
}

#[test]
fn hits_are_counted_with_the_first_and_the_last_and_where() {
    let (mut gpu, conformance) = device();
    gpu.advance_to(100);
    gpu.bar_read(Bar::Bar0, mmio::FUSE2.into(), 4);
    gpu.advance_to(200);
    gpu.bar_read(Bar::Bar0, 0x2_2034, 4);
    gpu.bar_read(Bar::Bar0, 0x2_2034, 4);
    let [report] = &conformance.reports()[..] else { panic!("one rule is broken") };
    assert_eq!((report.id.as_str(), report.count), ("access-without-forcewake", 3));
    assert_eq!(report.first.text(), "0x9120 FUSE2 by CPU at 100 ns");
    assert_eq!(report.last.text(), "0x22034 bcs0 HEAD by CPU at 200 ns");
    let places: Vec<u64> = report.places.iter().map(|(_, count)| *count).collect();
    assert_eq!((report.culprit, places), (Culprit::Driver, vec![1, 2]));
    conformance.clear();
    assert!(conformance.reports().is_empty());
}

#[test]
fn what_is_kept_is_bounded_and_what_is_counted_is_not() {
    let (mut gpu, conformance) = device();
    for offset in (0x9000..0x9800).step_by(4) {
        gpu.bar_read(Bar::Bar0, offset, 4);
    }
    let reports = conformance.reports();
    let asleep = reports.iter().find(|report| report.id == "access-without-forcewake").unwrap();
    assert_eq!((asleep.count, asleep.places.len()), (0x200, 64));
}

#[test]
fn a_finding_says_who_how_often_and_where_the_rule_is_from() {
    let (mut gpu, conformance) = device();
    assert!(conformance.findings().is_empty());
    gpu.bar_read(Bar::Bar0, 0, 3);
    let [finding] = &conformance.findings()[..] else { panic!("one finding") };
    assert_eq!(finding.name, "bar-access-odd-size");
    assert_eq!(finding.severity, Severity::Error);
    let facts: Vec<&str> = finding.facts.iter().map(|fact| fact.text.as_str()).collect();
    assert_eq!(facts[..3], ["the driver", "1", "0x0 by CPU at 0 ns"]);
    assert!(facts[4].contains("intel_uncore.h"));
}
