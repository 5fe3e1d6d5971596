//! CPU accesses through the aperture: fences detile them byte by byte as a plain formula says.

use gen8_spec::engine::EngineId;
use gen8_spec::fence::Fence;
use gen8_spec::tiling::Tiling;
use gen8_spec::{PAGE_SIZE, mmio, pci, pte};
use gpu_model::{Bar, Gpu, GpuConfig, GuestRam};
use ppgtt::PhysicalMemory;
use proptest::prelude::*;

/// GT2.
const DEVICE: u16 = 0x1616;
/// Pages that are mapped, from GGTT address 0 on, in another order in memory.
const PAGES: u64 = 256;
const SHUFFLE: u64 = 77;

struct Machine {
    gpu: Gpu,
    ram: GuestRam,
}

impl Machine {
    fn new() -> Machine {
        let ram = GuestRam::anonymous(PAGES * PAGE_SIZE).expect("memory");
        let config = GpuConfig::by_device_id(DEVICE).expect("a Broadwell");
        let mut gpu = Gpu::new(config, ram.clone());
        let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
        gpu.config_write(pci::CFG_COMMAND, 2, command.into());
        let mut machine = Machine { gpu, ram };
        for page in 0..PAGES {
            machine.map(page, page * SHUFFLE % PAGES);
        }
        machine
    }

    fn map(&mut self, page: u64, frame: u64) {
        let entry = pte::encode_ggtt_pte(frame * PAGE_SIZE);
        self.gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * page, 8, entry);
    }

    fn set_fence(&mut self, n: u32, value: u64) {
        let offset = u64::from(mmio::FENCE_LO + 8 * n);
        // The order in which i915 writes them.
        self.gpu.bar_write(Bar::Bar0, offset, 4, 0);
        self.gpu.bar_write(Bar::Bar0, offset + 4, 4, value >> 32);
        self.gpu.bar_write(Bar::Bar0, offset, 4, value & 0xffff_ffff);
    }

    fn read(&mut self, address: u64, size: u8) -> u64 {
        self.gpu.bar_read(Bar::Bar2, address, size)
    }

    fn write(&mut self, address: u64, size: u8, value: u64) {
        self.gpu.bar_write(Bar::Bar2, address, size, value);
    }

    /// The byte in memory that a GGTT address means.
    fn byte(&self, address: u64) -> u8 {
        let physical = address / PAGE_SIZE * SHUFFLE % PAGES * PAGE_SIZE + address % PAGE_SIZE;
        let mut byte = [0];
        assert!(self.ram.read_bytes(physical, &mut byte));
        byte[0]
    }
}

/// Where the CPU's byte `address` is in the GGTT: the rule, in words of its own.
fn plain(fences: &[Fence], address: u64) -> u64 {
    let Some(fence) = fences.iter().find(|f| f.start <= address && address < f.end) else {
        return address;
    };
    let row = (address - fence.start) / fence.pitch;
    let column = (address - fence.start) % fence.pitch;
    let (width, height) = if fence.tiling == Tiling::X { (512, 8) } else { (128, 32) };
    let mut at = fence.start;
    at += row / height * height * fence.pitch;
    at += column / width * 4096;
    let (row, column) = (row % height, column % width);
    at + match fence.tiling {
        Tiling::X => row * 512 + column,
        Tiling::Y => column / 16 * 512 + row * 16 + column % 16,
    }
}

fn fence() -> impl Strategy<Value = Fence> {
    (0u64..200, 1u64..8, 1u64..5, any::<bool>()).prop_map(|(page, pitch, tile_rows, y)| {
        let tiling = if y { Tiling::Y } else { Tiling::X };
        let pitch = pitch * tiling.width();
        let start = page * PAGE_SIZE;
        Fence { start, end: start + tile_rows * tiling.height() * pitch, pitch, tiling }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_access_goes_where_the_formula_says(
        fences in proptest::collection::vec(fence(), 0..4),
        accesses in proptest::collection::vec(
            (0u64..PAGES * PAGE_SIZE - 8, 0u32..4, any::<u64>(), any::<bool>()), 200),
    ) {
        let mut machine = Machine::new();
        for (n, fence) in (3..).zip(&fences) {
            machine.set_fence(n, fence.encode());
        }
        for (address, size, value, write) in accesses {
            let size = 1_u8 << size;
            // Near the edge of a run as often as anywhere.
            let address = if value & 1 == 0 { address } else { address | 15 };
            let places: Vec<u64> =
                (0..u64::from(size)).map(|n| plain(&fences, address + n)).collect();
            if places.iter().any(|&place| place >= PAGES * PAGE_SIZE) {
                continue;
            }
            if write {
                machine.write(address, size, value);
                for (place, byte) in places.iter().zip(value.to_le_bytes()) {
                    prop_assert_eq!(machine.byte(*place), byte, "{:#x} at {:#x}", address, place);
                }
            } else {
                let bytes = machine.read(address, size).to_le_bytes();
                for (place, byte) in places.iter().zip(bytes) {
                    prop_assert_eq!(machine.byte(*place), byte, "{:#x} at {:#x}", address, place);
                }
            }
        }
    }

    #[test]
    fn random_fence_registers_harm_nobody(
        values in proptest::collection::vec((0u32..32, any::<u64>()), 1..40),
        accesses in proptest::collection::vec((0u64..1 << 24, 0u32..4), 50),
    ) {
        let mut machine = Machine::new();
        for (n, value) in values {
            machine.set_fence(n, value);
        }
        for (address, size) in accesses {
            machine.write(address, 1 << size, u64::MAX);
            machine.read(address, 1 << size);
        }
    }
}

#[test]
fn a_surface_written_through_a_fence_is_tiled_in_memory_and_linear_to_its_reader() {
    for tiling in [Tiling::X, Tiling::Y] {
        let mut machine = Machine::new();
        let pitch = 2 * tiling.width();
        let fence = Fence { start: 0x1_0000, end: 0x2_0000, pitch, tiling };
        machine.set_fence(0, fence.encode());
        for at in (0x1_0000..0x2_0000).step_by(8) {
            machine.write(at, 8, at * 0x0101_0101);
        }
        assert!((0x1_0000..0x2_0000).step_by(8).all(|at| machine.read(at, 8) == at * 0x0101_0101));
        // A fence that is taken away shows the tiles.
        machine.set_fence(0, 0);
        let second_row = if tiling == Tiling::X { 512 } else { 16 };
        assert_eq!(machine.read(0x1_0000 + second_row, 8), (0x1_0000 + pitch) * 0x0101_0101);
    }
}

#[test]
fn a_fence_holds_from_the_first_access_after_its_change() {
    let mut machine = Machine::new();
    let fence = Fence { start: 0, end: 0x8000, pitch: 1024, tiling: Tiling::X };
    machine.write(512, 4, 0xaaaa_aaaa);
    machine.write(1024, 4, 0xbbbb_bbbb);
    for _ in 0..3 {
        machine.set_fence(31, fence.encode());
        assert_eq!(machine.read(1024, 4), 0xaaaa_aaaa);
        machine.set_fence(31, fence.encode() & !gen8_spec::fence::VALID);
        assert_eq!(machine.read(1024, 4), 0xbbbb_bbbb);
    }
}

#[test]
fn a_fenced_access_follows_ptes_that_change_under_it() {
    let mut machine = Machine::new();
    let fence = Fence { start: 0, end: 0x8000, pitch: 1024, tiling: Tiling::X };
    machine.set_fence(0, fence.encode());
    // Byte 512 of the first row is in the second tile.
    machine.write(512, 4, 0x1111_1111);
    assert!(machine.ram.write_u32(9 * PAGE_SIZE, 0x2222_2222));
    machine.map(1, 9);
    assert_eq!(machine.read(512, 4), 0x2222_2222);
    // Across the tiles' border both PTEs count.
    machine.write(508, 8, 0x3333_3333_4444_4444);
    assert_eq!(machine.ram.read_u32(9 * PAGE_SIZE), Some(0x3333_3333));
    assert_eq!(machine.ram.read_u32(508), Some(0x4444_4444));
}

#[test]
fn a_reset_of_the_whole_gt_clears_the_fences_and_one_of_an_engine_does_not() {
    let mut machine = Machine::new();
    let fence = Fence { start: 0, end: 64 * PAGE_SIZE, pitch: 1024, tiling: Tiling::X };
    let mut reset = |domains| {
        machine.set_fence(3, fence.encode());
        machine.gpu.bar_write(Bar::Bar0, mmio::GDRST.into(), 4, u64::from(domains));
        machine.gpu.bar_read(Bar::Bar0, u64::from(mmio::FENCE_LO) + 24, 8)
    };
    for engine in EngineId::ALL {
        assert_eq!(reset(engine.reset_domain()), fence.encode());
    }
    assert_eq!(reset(mmio::GDRST_FULL), 0);
}
