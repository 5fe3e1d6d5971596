//! No sequence of accesses, of any size, in any order, mixed with steps, panics the device or lets
//! it reach beyond guest RAM.

use gen8_spec::commands::{mi, pipe_control};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring};
use gen8_spec::{PAGE_SIZE, context_image, interrupts, masked_enable, pci, pte};
use gpu_model::{Bar, EngineActivity, Event, Gpu, GpuConfig, GuestRam, Interests, Observer};
use ppgtt::PhysicalMemory;
use proptest::prelude::*;

/// RAM with a hole, so that wild physical addresses land inside, between and beyond.
const RANGES: [(u64, u64); 2] = [(0, 256 << 10), (16 << 20, 64 << 10)];

/// One thing that a guest or its machine does.
#[derive(Clone, Debug)]
enum Action {
    ConfigRead(u16, u8),
    ConfigWrite(u16, u8, u32),
    Read(Bar, u64, u8),
    Write(Bar, u64, u8, u64),
    /// A dword of guest memory changes.
    Poke(u64, u32),
    /// A whole submission: descriptors of both elements.
    Submit(EngineId, [u32; 2]),
    Step(u32),
    Advance(u64),
    TakeInterrupt,
    Reset,
}

fn bar() -> impl Strategy<Value = Bar> {
    prop_oneof![8 => Just(Bar::Bar0), 2 => Just(Bar::Bar2), 1 => Just(Bar::Bar4)]
}

/// Any offset, with weight on registers that do something.
fn offset() -> impl Strategy<Value = u64> {
    let engine = (
        0..EngineId::ALL.len(),
        prop_oneof![
            Just(ring::TAIL),
            Just(ring::HEAD),
            Just(ring::START),
            Just(ring::CTL),
            Just(ring::ELSP),
            Just(ring::ELSP),
            Just(ring::ELSP),
            Just(ring::HWS_PGA),
            Just(ring::GFX_MODE),
            Just(ring::MI_MODE),
            Just(ring::RESET_CTL),
            Just(ring::CSB_PTR),
            0u32..0x800,
        ],
    )
        .prop_map(|(engine, at)| u64::from(EngineId::ALL[engine].mmio_base() + at));
    let device = prop_oneof![
        Just(mmio::GDRST),
        Just(mmio::FORCEWAKE_MT),
        Just(interrupts::MASTER),
        interrupts::gt_bank(0)..interrupts::gt_bank(4),
        Just(mmio::PCODE_MAILBOX),
        Just(EngineId::Rcs.tlb_invalidate_register()),
        Just(mmio::RING_FAULT_REG),
    ]
    .prop_map(u64::from);
    prop_oneof![
        6 => engine,
        3 => device,
        2 => 0..pci::BAR0_REGISTERS_SIZE,
        // The first PTEs, which the values below refer to.
        4 => (0u64..64).prop_map(|n| pci::BAR0_GGTT_OFFSET + 4 * n),
        1 => 0..pci::BAR0_SIZE,
        1 => any::<u64>(),
    ]
}

/// Values that look like pointers to the first pages, like descriptors, or like nothing.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0..PAGES, 0u64..0x1000).prop_map(|(page, low)| page << 12 | low),
        (0..PAGES).prop_map(|page| page << 12 | 0x139),
        (0..PAGES).prop_map(|page| page << 12 | 0x13d),
        any::<u16>().prop_map(|low| u64::from(low) << 16 | u64::from(low)),
        Just(u64::MAX),
        Just(0),
    ]
}

/// Dwords that look like MI commands of any opcode and a small length, or PIPE_CONTROL.
fn command() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => (0u32..0x40, 0u32..6).prop_map(|(opcode, low)| mi::header(opcode, low)),
        2 => (0u32..0x40, any::<u32>())
            .prop_map(|(opcode, low)| mi::header(opcode, low & 0x7f_ffff)),
        1 => Just(pipe_control::HEADER),
    ]
}

/// A context descriptor's low dword: any page, three or four levels, with or without force restore.
fn descriptor() -> impl Strategy<Value = u32> {
    (0..PAGES, prop_oneof![Just(0x139), Just(0x13d), Just(0x129), 0u32..0x1000])
        .prop_map(|(page, low)| (page << 12) as u32 | low)
}

fn size() -> impl Strategy<Value = u8> {
    prop_oneof![8 => Just(4u8), 2 => Just(8u8), 1 => Just(1u8), 1 => Just(2u8), 1 => any::<u8>()]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        1 => (any::<u16>(), any::<u8>()).prop_map(|(o, s)| Action::ConfigRead(o, s)),
        1 => (0u16..0x110, any::<u8>(), any::<u32>())
            .prop_map(|(o, s, v)| Action::ConfigWrite(o, s, v)),
        6 => (bar(), offset(), size()).prop_map(|(b, o, s)| Action::Read(b, o, s)),
        20 => (bar(), offset(), size(), value()).prop_map(|(b, o, s, v)| Action::Write(b, o, s, v)),
        6 => (0..PAGES * PAGE_SIZE, value()).prop_map(|(at, v)| Action::Poke(at & !3, v as u32)),
        8 => (0..PAGES, 0u64..0x100, command()).prop_map(|(page, dword, v)| {
            Action::Poke(page * PAGE_SIZE + 4 * dword, v)
        }),
        4 => (0..EngineId::ALL.len(), descriptor(), prop_oneof![Just(0), descriptor()])
            .prop_map(|(engine, first, second)| {
                Action::Submit(EngineId::ALL[engine], [first, second])
            }),
        6 => (0u32..3000).prop_map(Action::Step),
        2 => any::<u64>().prop_map(Action::Advance),
        2 => Just(Action::TakeInterrupt),
        1 => Just(Action::Reset),
    ]
}

/// A device, and its memory, where submissions work, if `prepared`: GGTT page `n` maps page `n`, the
/// engines are in execlists mode, and each image that [`value`] may name has a ring with commands.
fn device(id: u16, prepared: bool) -> (Gpu, GuestRam) {
    let memory = GuestRam::anonymous_regions(&RANGES).expect("memory");
    let mut config = GpuConfig::by_device_id(id).expect("a Broadwell");
    // The smallest GGTT: less to copy and compare.
    config.gmch_ctrl = 1 << 6;
    let mut gpu = Gpu::new(config, memory.clone());
    let enable = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, enable.into());
    if prepared {
        for page in 0..PAGES {
            let entry = pte::encode_ggtt_pte(page * PAGE_SIZE);
            gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * page, 8, entry);
            write_image(&memory, page);
        }
        for engine in EngineId::ALL {
            let mode = u64::from(engine.mmio_base() + ring::GFX_MODE);
            let on = masked_enable(ring::GFX_MODE_EXECLISTS);
            gpu.bar_write(Bar::Bar0, mode, 4, on.into());
        }
    }
    (gpu, memory)
}

/// Pages that random values point at.
const PAGES: u64 = 40;

/// Makes `page` the register page of an image whose ring is a few pages on.
fn write_image(memory: &GuestRam, page: u64) {
    let start = (page + 3) % PAGES * PAGE_SIZE;
    for (register, value) in [
        (context_image::RING_HEAD, 0),
        (context_image::RING_TAIL, 0x400),
        (context_image::RING_START, start as u32),
        (context_image::RING_CTL, ring::CTL_VALID),
        (context_image::PDP3_UDW + 14, start as u32),
    ] {
        assert!(memory.write_u32(page * PAGE_SIZE + 4 * (register as u64 + 1), value));
    }
}

/// Reads every event, so that building them is exercised too.
struct Reader(usize);

impl Observer for Reader {
    fn interests(&self) -> Interests {
        Interests::ALL
    }

    fn event(&mut self, _now_ns: u64, event: &Event) {
        self.0 += format!("{event:?}").len();
    }
}

fn perform(gpu: &mut Gpu, memory: &GuestRam, action: &Action) {
    match *action {
        Action::ConfigRead(offset, size) => drop(gpu.config_read(offset, size)),
        Action::ConfigWrite(offset, size, value) => gpu.config_write(offset, size, value),
        Action::Read(bar, offset, size) => drop(gpu.bar_read(bar, offset, size)),
        Action::Write(bar, offset, size, value) => gpu.bar_write(bar, offset, size, value),
        Action::Poke(at, value) => drop(memory.write_u32(at, value)),
        Action::Submit(engine, [first, second]) => {
            let port = u64::from(engine.mmio_base() + ring::ELSP);
            for dword in [second >> 12, second, first >> 12, first] {
                gpu.bar_write(Bar::Bar0, port, 4, dword.into());
            }
        }
        Action::Step(budget) => {
            let report = gpu.step(budget);
            assert!(report.commands <= budget, "{report:?} with {budget}");
        }
        Action::Advance(now) => gpu.advance_to(now),
        Action::TakeInterrupt => drop(gpu.take_interrupt()),
        Action::Reset => gpu.reset(),
    }
    // Wild configuration writes would silence the device for the rest of the run.
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER | pci::COMMAND_IO;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    gpu.config_write(pci::CFG_PM + pci::PM_CONTROL, 2, 0);
}

/// All of RAM.
fn contents(memory: &GuestRam) -> Vec<Vec<u8>> {
    RANGES
        .iter()
        .map(|&(base, len)| {
            let mut bytes = vec![0; len as usize];
            assert!(memory.read_bytes(base, &mut bytes));
            bytes
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn wild_traffic_neither_panics_nor_runs_over_its_budget(
        gt3 in any::<bool>(),
        prepared in any::<bool>(),
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let (mut gpu, memory) = device(if gt3 { 0x1622 } else { 0x1612 }, prepared);
        gpu.set_observer(Some(Box::new(Reader(0))));
        for action in &actions {
            perform(&mut gpu, &memory, action);
        }
    }

    #[test]
    fn wild_guest_gets_the_device_back_by_a_full_reset(
        actions in prop::collection::vec(action(), 1..80),
    ) {
        let (mut gpu, memory) = device(0x1612, true);
        for action in &actions {
            perform(&mut gpu, &memory, action);
        }
        gpu.bar_write(Bar::Bar0, mmio::GDRST.into(), 4, mmio::GDRST_FULL.into());
        prop_assert_eq!(gpu.bar_read(Bar::Bar0, mmio::GDRST.into(), 4), 0);
        prop_assert_eq!(gpu.step(100).state, EngineActivity::Idle);
    }

    #[test]
    fn restored_device_goes_on_as_the_saved_one_did(
        before in prop::collection::vec(action(), 1..40),
        after in prop::collection::vec(action(), 1..40),
    ) {
        let (mut gpu, memory) = device(0x1612, true);
        for action in &before {
            perform(&mut gpu, &memory, action);
        }
        let (state, bytes) = (gpu.state(), contents(&memory));
        for action in &after {
            perform(&mut gpu, &memory, action);
        }
        let first = (format!("{:?}", gpu.state()), contents(&memory));
        gpu.restore(state);
        for (&(base, _), bytes) in RANGES.iter().zip(&bytes) {
            prop_assert!(memory.write_bytes(base, bytes));
        }
        for action in &after {
            perform(&mut gpu, &memory, action);
        }
        let second = (format!("{:?}", gpu.state()), contents(&memory));
        prop_assert!(first == second, "the second run differs");
    }

    #[test]
    fn same_calls_give_the_same_device(
        actions in prop::collection::vec(action(), 1..60),
    ) {
        let run = || {
            let (mut gpu, memory) = device(0x1612, true);
            for action in &actions {
                perform(&mut gpu, &memory, action);
            }
            (format!("{:?}", gpu.state()), contents(&memory))
        };
        prop_assert!(run() == run(), "the second run differs");
    }
}
