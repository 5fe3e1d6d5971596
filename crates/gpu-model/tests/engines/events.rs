//! What the device tells those who ask for more than the basics.

use gen8_spec::commands::mi::{self, atomic, flush_dw};
use gen8_spec::commands::{blt, pipe_control as pipe};
use gen8_spec::context_image as image;
use gen8_spec::engine::EngineId::{self, Bcs, Rcs};
use gen8_spec::execlists::{ContextDescriptor, csb};
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::{PAGE_SIZE, hwsp, interrupts, masked_disable, masked_enable, pci, pte};
use gpu_model::{
    Actor, Bar, Event, Interests, InterruptMessage, Invalidation, MemoryWrite, Site, Space,
    Submission, WriteKind,
};
use ppgtt::{Levels, PageTableRoot};

use super::bench::{Bench, Context, END, Vm, load_register, one, start, store, store_ggtt};

const BATCH: u64 = 0x20_0000;
const DATA: u64 = 0x1_0000;
const ID: u32 = 7;

/// One engine with an empty context, and somebody who listens.
struct Heard {
    bench: Bench,
    vm: Vm,
    context: Context,
}

impl Heard {
    fn new(engine: EngineId, interests: Interests) -> Heard {
        Heard::with_levels(Levels::Four, engine, interests)
    }

    fn with_levels(levels: Levels, engine: EngineId, interests: Interests) -> Heard {
        let mut bench = Bench::new();
        bench.execlists(engine);
        let vm = bench.vm(levels);
        let context = bench.context(engine, vm, ID);
        bench.listen(interests);
        Heard { bench, vm, context }
    }

    /// Runs commands from the ring and returns what was told.
    fn run(&mut self, commands: &[u32]) -> Vec<Event> {
        self.bench.emit(&mut self.context, commands);
        self.bench.submit(self.context, None);
        self.bench.run();
        self.bench.events()
    }

    /// The context at offset `address` of the ring.
    fn in_ring(&self, address: u64) -> Site {
        Site { engine: self.context.engine, context: ID, address, in_batch: false }
    }

    fn in_batch(&self, address: u64) -> Site {
        Site { address, in_batch: true, ..self.in_ring(0) }
    }

    fn lrca(&self) -> u64 {
        self.context.descriptor.lrca().into()
    }

    fn state_page(&self) -> u64 {
        self.lrca() + image::STATE_PAGE * PAGE_SIZE
    }
}

#[test]
fn a_batch_is_told_from_its_submission_to_the_save_of_its_context() {
    let wanted = Interests::SUBMISSIONS
        | Interests::CONTEXTS
        | Interests::REQUESTS
        | Interests::INTERRUPTS
        | Interests::BASICS;
    let mut heard = Heard::new(Bcs, wanted);
    heard.bench.batch(heard.vm, BATCH, &[one(mi::NOOP), END]);
    let commands = [&start(BATCH, mi::BATCH_PPGTT)[..], &[one(mi::USER_INTERRUPT)]].concat();
    let told = heard.run(&commands);
    let (engine, context, page, image) = (Bcs, ID, heard.state_page(), heard.lrca());
    let elements = [heard.context.descriptor, ContextDescriptor(0)];
    let raised = |bits| Event::InterruptRaised { engine, bits, passed: bits };
    let pdps = heard.vm.pdps;
    let expected = [
        Event::Submitted { engine, how: Submission::Elsp { elements, replaced: false } },
        Event::ContextSwitch { engine, slot: 0, status: csb::IDLE_ACTIVE, context: 0 },
        raised(interrupts::CONTEXT_SWITCH),
        Event::ContextLoaded { engine, context, image, page, head: 0, tail: 16, lite: false },
        Event::PdpLoaded { engine, levels: 4, pdps, context },
        Event::BatchStarted {
            site: heard.in_ring(0),
            space: Space::Ppgtt,
            address: BATCH,
            level: 1,
            head: 12,
        },
        Event::BatchEnded { site: heard.in_batch(BATCH + 4), level: 1 },
        raised(interrupts::USER_INTERRUPT),
        Event::ContextSaved { engine, context, image, page, head: 16, tail: 16 },
        Event::ContextSwitch { engine, slot: 1, status: csb::ACTIVE_IDLE | csb::COMPLETE, context },
        raised(interrupts::CONTEXT_SWITCH),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_lite_restore_and_a_list_that_replaces_another_are_told() {
    let mut heard = Heard::new(Bcs, Interests::SUBMISSIONS | Interests::CONTEXTS);
    heard.bench.emit(&mut heard.context, &[one(mi::ARB_CHECK); 2]);
    heard.bench.submit(heard.context, None);
    heard.bench.gpu.step(2);
    heard.bench.emit(&mut heard.context, &[0; 2]);
    heard.bench.submit(heard.context, None);
    heard.bench.submit(heard.context, None);
    let told = heard.bench.events();
    let replaced = |event: &Event| match event {
        Event::Submitted { how: Submission::Elsp { replaced, .. }, .. } => Some(*replaced),
        _ => None,
    };
    let replaced: Vec<bool> = told.iter().filter_map(replaced).collect();
    assert_eq!(replaced, [false, false, true]);
    heard.bench.run();
    let told = heard.bench.events();
    assert!(matches!(told[0], Event::ContextLoaded { lite: true, tail: 16, .. }), "{told:x?}");
}

#[test]
fn tail_of_a_legacy_ring_is_a_submission() {
    let mut heard = Heard::new(Bcs, Interests::SUBMISSIONS);
    heard.bench.set(Rcs, reg::TAIL, 8);
    let how = Submission::Tail { tail: 8 };
    assert_eq!(heard.bench.events(), [Event::Submitted { engine: Rcs, how }]);
}

#[test]
fn registers_tell_who_wrote_them() {
    let mut heard = Heard::new(Bcs, Interests::REGISTER_WRITES);
    let gpr = Bcs.mmio_base() + reg::GPR0;
    heard.bench.write_register(gpr, 3);
    let by_cpu = Event::RegisterWritten { offset: gpr, value: 3, by: Actor::Cpu };
    assert_eq!(heard.bench.events(), [by_cpu]);
    let told = heard.run(&load_register(gpr, 4));
    let by = Actor::Engine(heard.in_ring(0));
    assert!(told.contains(&Event::RegisterWritten { offset: gpr, value: 4, by }), "{told:x?}");
    assert_eq!(told.len(), 5, "ELSP four times, and the command: {told:x?}");
}

#[test]
fn ggtt_entries_tell_who_wrote_them_and_what_they_were() {
    let mut heard = Heard::new(Bcs, Interests::GGTT_WRITES);
    let place = heard.bench.page();
    let index = place / PAGE_SIZE;
    let old = pte::encode_ggtt_pte(place);
    heard.bench.write_ggtt_pte(place, 0x5001);
    let told = |old, new, by| Event::GgttWritten { index, old, new, by };
    assert_eq!(heard.bench.events(), [told(old, 0x5001, Actor::Cpu)]);
    let upper = pci::BAR0_GGTT_OFFSET + 8 * index + 4;
    heard.bench.gpu.bar_write(Bar::Bar0, upper, 4, 1);
    assert_eq!(heard.bench.events(), [told(0x5001, 0x1_0000_5001, Actor::Cpu)]);
    let by = Actor::Engine(heard.in_ring(0));
    let update = [mi::header(mi::UPDATE_GTT, 2), place as u32, 0x6001, 0];
    assert_eq!(heard.run(&update), [told(0x1_0000_5001, 0x6001, by)]);
}

/// The memory writes among events, without those of hardware.
fn writes(events: Vec<Event>) -> Vec<MemoryWrite> {
    let write = |event| match event {
        Event::MemoryWritten(write) => Some(write),
        _ => None,
    };
    let own =
        |write: &MemoryWrite| !matches!(write.kind, WriteKind::Status | WriteKind::ContextSave);
    events.into_iter().filter_map(write).filter(own).collect()
}

#[test]
fn stores_atomics_and_the_aperture_tell_where_they_wrote_what() {
    let mut heard = Heard::new(Bcs, Interests::MEMORY_WRITES);
    let page = heard.bench.mapped_page(heard.vm, DATA);
    let (kind, space, physical) = (WriteKind::Command, Space::Ppgtt, page + 8);
    let write = MemoryWrite {
        by: Actor::Engine(heard.in_ring(0)),
        kind,
        space,
        address: DATA + 8,
        physical,
        len: 4,
        value: Some(5),
    };
    let told = heard.run(&store(DATA + 8, 5));
    assert_eq!(writes(told), [write]);
    let add_one = mi::header(mi::ATOMIC, 1) | atomic::INC << atomic::OPERATION_SHIFT;
    let told = heard.run(&[add_one, (DATA + 8) as u32, 0]);
    let incremented = MemoryWrite { by: Actor::Engine(heard.in_ring(16)), value: Some(6), ..write };
    assert_eq!(writes(told), [incremented]);
    heard.bench.gpu.bar_write(Bar::Bar2, page + 8, 4, 0x1122);
    let by_cpu = MemoryWrite {
        by: Actor::Cpu,
        kind: WriteKind::Aperture,
        space: Space::Ggtt,
        address: page + 8,
        value: Some(0x1122),
        ..write
    };
    assert_eq!(writes(heard.bench.events()), [by_cpu]);
}

#[test]
fn statuses_and_saved_dwords_are_told_one_by_one() {
    let mut heard = Heard::new(Bcs, Interests::MEMORY_WRITES);
    let told = heard.run(&[0, 0]);
    let status = heard.bench.status_page(Bcs);
    let of = |kind| {
        let place = move |event: &Event| match *event {
            Event::MemoryWritten(w) if w.kind == kind => Some((w.physical, w.value.unwrap())),
            _ => None,
        };
        told.iter().filter_map(place).collect::<Vec<_>>()
    };
    let complete = u64::from(ID) << 32 | u64::from(csb::ACTIVE_IDLE | csb::COMPLETE);
    let expected = [
        (status + hwsp::CSB, csb::IDLE_ACTIVE.into()),
        (status + hwsp::CSB_WRITE_INDEX, 0),
        (status + hwsp::CSB + 8, complete),
        (status + hwsp::CSB_WRITE_INDEX, 1),
    ];
    assert_eq!(of(WriteKind::Status), expected);
    let saved = of(WriteKind::ContextSave);
    let head = Bench::image_at(heard.context, image::RING_HEAD);
    assert!(saved.contains(&(head, 8)), "{saved:x?}");
    let tail = Bench::image_at(heard.context, image::RING_TAIL);
    assert!(saved.iter().all(|&(at, _)| at != tail), "TAIL is software's");
    for (at, value) in saved {
        assert_eq!(u64::from(heard.bench.peek(at)), value, "{at:#x}");
    }
}

#[test]
fn a_blit_tells_the_bytes_that_it_drew_row_by_row() {
    let mut heard = Heard::new(Bcs, Interests::MEMORY_WRITES);
    let page = heard.bench.mapped_page(heard.vm, DATA);
    let color = [
        blt::header(blt::XY_COLOR, 7) | blt::WRITE_ALPHA | blt::WRITE_RGB,
        blt::ROP_PATTERN << blt::ROP_SHIFT | blt::DEPTH_8888 << blt::DEPTH_SHIFT | 64,
        0,
        2 << 16 | 4,
        DATA as u32,
        0,
        0x1234,
    ];
    let drawn: Vec<_> = writes(heard.run(&color))
        .into_iter()
        .map(|write| (write.kind, write.physical, write.len, write.value))
        .collect();
    let row = |at| (WriteKind::Blit, page + at, 16, None);
    assert_eq!(drawn, [row(0), row(64)]);
}

#[test]
fn a_fill_tells_the_translation_and_the_entry_it_came_from() {
    let mut heard = Heard::new(Bcs, Interests::TLB);
    let page = heard.bench.page();
    let pte_address = heard.bench.map(heard.vm, DATA, page);
    let told = heard.run(&[&store(DATA + 4, 1)[..], &store(DATA + 8, 1)].concat());
    let site = heard.in_ring(0);
    let root = PageTableRoot::FourLevel(heard.vm.pdps[0]);
    let load = Event::TlbInvalidated { site, by: Invalidation::ContextLoad };
    let fill = Event::TlbFilled {
        site,
        address: DATA,
        page,
        writable: true,
        write: true,
        root,
        pte_address,
    };
    assert_eq!(told, [load, fill]);
}

#[test]
fn every_invalidation_names_its_cause() {
    let flush = mi::header(mi::FLUSH_DW, 2)
        | flush_dw::TLB_INVALIDATE
        | flush_dw::POST_SYNC_WRITE
        | flush_dw::STORE_INDEX;
    let pdp0 = Rcs.mmio_base() + reg::PDP0_LDW;
    let commands: [(&[u32], Invalidation); 3] = [
        (&[flush, 0xd0, 0, 0], Invalidation::FlushDw),
        (
            &[pipe::HEADER, pipe::TLB_INVALIDATE | pipe::CS_STALL, 0, 0, 0, 0],
            Invalidation::PipeControl,
        ),
        (&load_register(pdp0, 0), Invalidation::PdpWrite),
    ];
    let causes = |events: Vec<Event>| -> Vec<Invalidation> {
        let cause = |event| match event {
            Event::TlbInvalidated { by, .. } => Some(by),
            _ => None,
        };
        events.into_iter().filter_map(cause).collect()
    };
    for (command, cause) in commands {
        let mut heard = Heard::new(Rcs, Interests::TLB);
        assert_eq!(causes(heard.run(command)), [Invalidation::ContextLoad, cause]);
    }
    let mut heard = Heard::new(Rcs, Interests::TLB);
    heard.bench.write_register(Rcs.tlb_invalidate_register(), 1);
    assert_eq!(causes(heard.bench.events()), [Invalidation::Register]);
    heard.bench.batch(heard.vm, BATCH, &[END]);
    let implicit = masked_disable(reg::GFX_MODE_TLB_EXPLICIT);
    heard.bench.set(Rcs, reg::GFX_MODE, implicit);
    let told = causes(heard.run(&start(BATCH, mi::BATCH_PPGTT)));
    let boundary = Invalidation::BatchBoundary;
    assert_eq!(told, [Invalidation::ContextLoad, boundary, boundary]);
    heard.bench.set(Rcs, reg::GFX_MODE, masked_disable(reg::GFX_MODE_EXECLISTS));
    heard.bench.events();
    heard.bench.set(Rcs, reg::GFX_MODE, masked_enable(reg::GFX_MODE_PPGTT));
    assert_eq!(causes(heard.bench.events()), [Invalidation::ModeChange]);
}

#[test]
fn accesses_are_told_with_their_physical_address() {
    let mut heard = Heard::new(Bcs, Interests::ACCESSES);
    let (batch, page) = (heard.bench.page(), heard.bench.mapped_page(heard.vm, DATA));
    heard.bench.map(heard.vm, BATCH, batch);
    heard.bench.poke_all(batch, &[&store(DATA + 4, 1)[..], &[END]].concat());
    let told = heard.run(&start(BATCH, mi::BATCH_PPGTT));
    let ring = heard.context.ring;
    let access = |site, space, address, physical, write, fetch| Event::Accessed {
        site,
        space,
        address,
        physical,
        write,
        fetch,
    };
    let expected = [
        access(heard.in_ring(0), Space::Ggtt, ring, ring, false, true),
        access(heard.in_batch(BATCH), Space::Ppgtt, BATCH, batch, false, true),
        access(heard.in_batch(BATCH), Space::Ppgtt, DATA + 4, page + 4, true, false),
        access(heard.in_ring(12), Space::Ggtt, ring + 12, ring + 12, false, true),
    ];
    assert_eq!(told, expected);
}

#[test]
fn page_directories_that_changed_in_the_image_without_a_reload_are_told_at_the_next_batch() {
    stale_directory_is_told(Levels::Four, 0);
    for directory in 0..4 {
        stale_directory_is_told(Levels::Three, directory);
    }
}

fn stale_directory_is_told(levels: Levels, directory: usize) {
    let mut heard = Heard::with_levels(levels, Bcs, Interests::STALE_TLB);
    heard.bench.batch(heard.vm, BATCH, &[END]);
    let run = [&start(BATCH, mi::BATCH_PPGTT)[..], &[one(mi::ARB_CHECK)]].concat();
    assert_eq!(heard.run(&run), []);
    // The context stays loaded, by a lite restore; meanwhile software gives it another directory.
    heard.bench.emit(&mut heard.context, &[one(mi::ARB_CHECK); 2]);
    heard.bench.submit(heard.context, None);
    heard.bench.gpu.step(1);
    let new = heard.bench.vm(Levels::Four);
    heard.bench.set_image(heard.context, image::pdp_ldw(directory), new.pdps[0] as u32);
    let at = u64::from(heard.context.tail);
    let told = heard.run(&run);
    let (loaded, mut image) = (heard.vm.pdps, heard.vm.pdps);
    image[directory] = new.pdps[0];
    assert_eq!(told, [Event::StalePdps { site: heard.in_ring(at), loaded, image }]);
    assert_eq!(heard.bench.events(), []);
}

#[test]
fn a_message_is_told_when_the_machine_takes_it() {
    let mut heard = Heard::new(Bcs, Interests::INTERRUPTS);
    heard.bench.write_register(interrupts::gt_bank(0) + interrupts::IMR, 0);
    heard.bench.write_register(interrupts::gt_bank(0) + interrupts::IER, u32::MAX);
    heard.bench.write_register(interrupts::MASTER, interrupts::MASTER_ENABLE);
    heard.run(&[one(mi::USER_INTERRUPT), 0]);
    let message = heard.bench.gpu.take_interrupt().unwrap();
    assert_eq!(message, InterruptMessage::IntxAssert);
    assert_eq!(heard.bench.events(), [Event::InterruptTaken(message)]);
}

#[test]
fn nobody_hears_of_a_group_that_was_not_asked_for() {
    for group in Interests::groups() {
        let mut heard = Heard::new(Rcs, group);
        heard.bench.mapped_page(heard.vm, DATA);
        let page = heard.bench.page();
        heard.bench.batch(heard.vm, BATCH, &[&store(DATA, 1)[..], &[END]].concat());
        heard.bench.map_ggtt(page, page);
        heard.bench.write_register(mmio::GDRST, mmio::GDRST_FULL);
        heard.bench.read_register(mmio::GDRST);
        heard.bench.execlists(Rcs);
        let commands = [&start(BATCH, mi::BATCH_PPGTT)[..], &store_ggtt(page, 1)].concat();
        let mut told = heard.run(&commands);
        heard.bench.map(heard.vm, DATA, page);
        heard.context.descriptor.0 &= !ContextDescriptor::FORCE_PD_RESTORE;
        told.extend(heard.run(&commands));
        assert!(!told.is_empty(), "{group:?}");
        let foreign: Vec<_> =
            told.iter().filter(|event| !event.group().intersects(group)).collect();
        assert!(foreign.is_empty(), "{group:?}: {foreign:x?}");
    }
}
