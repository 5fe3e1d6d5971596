//! Replays what a stock i915 (Linux 6.1) did to BAR0 while it probed a Broadwell, and compares every
//! read with what the trace shows. The trace is the outside judge of numbers that the driver and
//! the device share.
//!
//! `data/i915-6.1-probe.trace`: one access a line, `microseconds operation offset value`. The trace
//! holds register accesses only, so the replay provides what the guest had in memory and did in
//! answer to interrupts:
//!
//! * before an ELSP submission, a context image with a ring of one MI_USER_INTERRUPT;
//! * hardware status pages where HWS_PGA points;
//! * a handler that runs when the device sends one more interrupt than the trace's guest got.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;
use gen8_spec::mmio::{self, ring};
use gen8_spec::{PAGE_SIZE, context_image, hwsp, interrupts, masked_enable, pci, pte};
use gpu_model::{
    Bar, EngineActivity, Event, Gpu, GpuConfig, GuestRam, GuestRule, Interests, Observer,
};
use ppgtt::PhysicalMemory;

/// The trace.
const TRACE: &str = include_str!("data/i915-6.1-probe.trace");
/// Reads in it.
const READS: usize = 385;
/// The part that was probed.
const DEVICE_ID: u16 = 0x1616;

/// A register whose reads may differ from the trace, in which bits, and why.
struct Difference {
    offset: u32,
    bits: u32,
    why: &'static str,
}

/// Interrupt identity of GT bank `n` without the user interrupts.
const fn gt_user_interrupts(n: u32) -> Difference {
    Difference {
        offset: interrupts::gt_bank(n) + interrupts::IIR,
        bits: interrupts::USER_INTERRUPT | interrupts::USER_INTERRUPT << 16,
        why: "the recorded device ignored the ring IMR; i915 masks the user interrupt there until \
              somebody waits for a request",
    }
}

/// Every difference. A row that the replay does not need fails the test.
const DIFFERENCES: [Difference; 4] = [
    gt_user_interrupts(0),
    gt_user_interrupts(1),
    gt_user_interrupts(3),
    Difference {
        offset: mmio::RC6_RESIDENCY,
        bits: u32::MAX,
        why: "the recorded device never counted; the model rests in RC6 after i915 parked the GT \
              and released forcewake, 10 ms before the read",
    },
];

/// One access of the trace.
#[derive(Clone, Copy, Debug)]
struct Access {
    microseconds: u64,
    write: bool,
    size: u8,
    offset: u32,
    value: u64,
}

fn parse(line: &str) -> Access {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [time, operation, offset, value] = fields[..] else {
        panic!("four fields: {line}");
    };
    let (kind, size) = operation.split_at(1);
    Access {
        microseconds: time.parse().expect("decimal time"),
        write: match kind {
            "R" => false,
            "W" => true,
            _ => panic!("R or W: {line}"),
        },
        size: size.parse().expect("decimal size"),
        offset: u32::from_str_radix(offset, 16).expect("hexadecimal offset"),
        value: u64::from_str_radix(value, 16).expect("hexadecimal value"),
    }
}

/// A rule that i915 breaks indeed: it gives render contexts a priority, in bits that mean one from
/// Gen12 on (`gt/intel_engine_cs.c`, I915_ENGINE_HAS_EU_PRIORITY for every render engine;
/// `gt/intel_lrc.h`, GEN12_CTX_PRIORITY_MASK).
fn is_explained(event: &Event) -> bool {
    const PRIORITY: u64 = 3 << 9;
    match *event {
        Event::GuestError { rule: GuestRule::ElspDescriptorReserved, detail, .. } => {
            detail & ContextDescriptor::RESERVED & !PRIORITY == 0
        }
        _ => false,
    }
}

/// Keeps what the device complains about.
#[derive(Clone, Default)]
struct Complaints(Arc<Mutex<Vec<String>>>);

impl Observer for Complaints {
    fn interests(&self) -> Interests {
        Interests::DEFAULT | Interests::RULES
    }

    fn event(&mut self, _now_ns: u64, event: &Event) {
        let harmless = matches!(
            event,
            Event::PdpLoaded { .. } | Event::ContextSwitch { .. } | Event::Reset { .. }
        ) || is_explained(event);
        if !harmless {
            self.0.lock().expect("one thread").push(format!("{event:x?}"));
        }
    }
}

/// The rest of the recorded guest.
struct Guest {
    gpu: Gpu,
    memory: GuestRam,
    /// Next free page of guest memory.
    next_page: u64,
    /// ELSP dwords written so far, by engine.
    elsp_writes: [u32; gen8_spec::engine::ENGINE_COUNT],
}

/// First page handed out; below lies what a wild pointer would hit.
const FIRST_PAGE: u64 = 0x10_0000;
/// GGTT address of the ring that the replay puts behind each context. i915's own are elsewhere.
const RING_GGTT: u32 = 0x1000_0000;
/// Bytes of the ring.
const RING_SIZE: u32 = 0x1000;
/// Commands that a submission may take before it counts as hung.
const BUDGET: u32 = 1000;

impl Guest {
    fn new(gpu: Gpu, memory: GuestRam) -> Self {
        Self { gpu, memory, next_page: FIRST_PAGE, elsp_writes: [0; 5] }
    }

    fn read(&mut self, offset: u32) -> u32 {
        self.gpu.bar_read(Bar::Bar0, offset.into(), 4) as u32
    }

    fn write(&mut self, offset: u32, value: u32) {
        self.gpu.bar_write(Bar::Bar0, offset.into(), 4, value.into());
    }

    /// Puts a fresh page of guest memory behind the GGTT page of `address`.
    fn map(&mut self, address: u32) -> u64 {
        let page = self.next_page;
        self.next_page += PAGE_SIZE;
        let index = u64::from(address) / PAGE_SIZE;
        let entry = pte::encode_ggtt_pte(page);
        self.gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * index, 8, entry);
        page
    }

    /// Does the guest's part of a register write, before it.
    fn prepare(&mut self, access: Access) {
        let value = access.value as u32;
        for engine in EngineId::ALL {
            match access.offset.checked_sub(engine.mmio_base()) {
                Some(ring::HWS_PGA) => {
                    let page = self.map(value);
                    let last = hwsp::CSB_ENTRIES - 1;
                    assert!(self.memory.write_u32(page + hwsp::CSB_WRITE_INDEX, last));
                }
                Some(ring::ELSP) => {
                    let written = &mut self.elsp_writes[engine.index()];
                    *written += 1;
                    if written.is_multiple_of(4) {
                        self.write_context(engine, value);
                    }
                }
                _ => {}
            }
        }
    }

    /// A context image at the LRCA of a descriptor, with something in its ring.
    fn write_context(&mut self, engine: EngineId, descriptor: u32) {
        let lrca = descriptor & !0xfff;
        self.map(lrca);
        let state = self.map(lrca + PAGE_SIZE as u32);
        for n in 2..EngineId::Rcs.context_image_pages() as u32 {
            self.map(lrca + n * PAGE_SIZE as u32);
        }
        let ring_page = self.map(RING_GGTT);
        assert!(self.memory.write_u32(ring_page, mi::header(mi::USER_INTERRUPT, 0)));
        let render = engine == EngineId::Rcs;
        for (index, header) in context_image::headers(render) {
            assert!(self.memory.write_u32(state + 4 * index as u64, header));
        }
        for &(index, register) in context_image::registers(render) {
            let register = engine.mmio_base() + register;
            assert!(self.memory.write_u32(state + 4 * index as u64, register));
        }
        for (register, value) in [
            (context_image::CONTEXT_CONTROL, masked_enable(0b1001)),
            (context_image::RING_HEAD, 0),
            (context_image::RING_TAIL, 8),
            (context_image::RING_START, RING_GGTT),
            (context_image::RING_CTL, (RING_SIZE - PAGE_SIZE as u32) | ring::CTL_VALID),
        ] {
            assert!(self.memory.write_u32(state + 4 * (register as u64 + 1), value));
        }
    }

    /// Does the guest's part of a register write, after it.
    fn follow_up(&mut self, access: Access) {
        let submitted = EngineId::ALL.iter().any(|e| access.offset == e.mmio_base() + ring::ELSP);
        if submitted {
            let report = self.gpu.step(BUDGET);
            assert_ne!(report.state, EngineActivity::Busy, "{access:x?} ran too long");
        }
        if access.offset == interrupts::MASTER {
            // Disabling: the trace's handler runs for the interrupt that was sent. Enabling: a new
            // interrupt means that a second context-switch event stood behind the first.
            let again = core::iter::from_fn(|| self.gpu.take_interrupt()).count() > 0;
            if again && access.value != 0 {
                self.handle_interrupt();
            }
        }
    }

    fn handle_interrupt(&mut self) {
        self.write(interrupts::MASTER, 0);
        for bank in 0..interrupts::GT_BANK_COUNT {
            let iir = interrupts::gt_bank(bank) + interrupts::IIR;
            let identity = self.read(iir);
            self.write(iir, identity);
        }
        self.write(interrupts::MASTER, interrupts::MASTER_ENABLE);
        assert_eq!(self.gpu.take_interrupt(), None, "two events a bit are all that can stand");
    }
}

fn boot() -> (Guest, Complaints) {
    let memory = GuestRam::anonymous(64 << 20).expect("memory");
    let config = GpuConfig::by_device_id(DEVICE_ID).expect("a Broadwell");
    let mut gpu = Gpu::new(config, memory.clone());
    let complaints = Complaints::default();
    gpu.set_observer(Some(Box::new(complaints.clone())));
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    gpu.config_write(pci::CFG_MSI + pci::MSI_ADDRESS, 4, 0xfee0_0000);
    gpu.config_write(pci::CFG_MSI + pci::MSI_DATA, 2, 0x41);
    gpu.config_write(pci::CFG_MSI + pci::MSI_CONTROL, 2, pci::MSI_CONTROL_ENABLE.into());
    (Guest::new(gpu, memory), complaints)
}

#[test]
fn stock_i915_reads_what_it_read_from_the_recorded_device() {
    let (mut guest, complaints) = boot();
    let mut wrong = Vec::new();
    let mut explained = BTreeSet::new();
    let mut reads = 0;
    for (line, access) in TRACE.lines().map(parse).enumerate() {
        guest.gpu.advance_to(1000 * access.microseconds);
        let at = u64::from(access.offset);
        if access.write {
            guest.prepare(access);
            guest.gpu.bar_write(Bar::Bar0, at, access.size, access.value);
            guest.follow_up(access);
            continue;
        }
        reads += 1;
        let read = guest.gpu.bar_read(Bar::Bar0, at, access.size);
        let differs = read ^ access.value;
        if differs == 0 {
            continue;
        }
        match DIFFERENCES.iter().find(|d| d.offset == access.offset) {
            Some(known) if differs & !u64::from(known.bits) == 0 => {
                explained.insert(known.offset);
            }
            _ => wrong.push(format!("line {}: {access:x?} read {read:#x}", line + 1)),
        }
    }
    assert_eq!(reads, READS, "the whole trace was read");
    assert!(wrong.is_empty(), "{} reads differ:\n{}", wrong.len(), wrong.join("\n"));
    for known in &DIFFERENCES {
        assert!(explained.contains(&known.offset), "no longer needed: {}", known.why);
    }
    let complaints = complaints.0.lock().expect("one thread");
    assert!(complaints.is_empty(), "the device complained:\n{}", complaints.join("\n"));
}

#[test]
fn every_engine_of_the_trace_ran_its_three_submissions() {
    let (mut guest, _) = boot();
    for access in TRACE.lines().map(parse) {
        if access.write {
            guest.prepare(access);
            guest.gpu.bar_write(Bar::Bar0, access.offset.into(), access.size, access.value);
            guest.follow_up(access);
        }
    }
    for engine in [EngineId::Rcs, EngineId::Bcs, EngineId::Vcs, EngineId::Vecs] {
        assert_eq!(guest.elsp_writes[engine.index()], 3 * 4);
        // Two CSB entries a submission, from slot 0: the last is slot 5.
        let pointer = guest.read(engine.mmio_base() + ring::CSB_PTR);
        assert_eq!(pointer & 7, hwsp::CSB_ENTRIES - 1, "{}", engine.name());
    }
}
