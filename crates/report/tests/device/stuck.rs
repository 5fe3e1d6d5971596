//! A device whose render engine runs a batch that loops for ever.

use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring};
use gen8_spec::{PAGE_SIZE, context_image, masked_enable, pci, pte};
use gpu_model::{Bar, Gpu, GpuConfig, GuestRam};
use ppgtt::PhysicalMemory;

const ENGINE: EngineId = EngineId::Rcs;
/// GGTT page `n` maps physical page `n`, so these are both.
const HWSP: u32 = 0x1_0000;
pub(crate) const RING: u32 = 0x1_1000;
pub(crate) const IMAGE: u32 = 0x2_0000;
/// PML4, PDP, PD and PT of the context, one after the other.
pub(crate) const TABLES: u64 = 0x3_0000;
/// The batch: where it is in memory, and in the address space.
pub(crate) const BATCH: u64 = 0x4_0000;
pub(crate) const BATCH_VA: u64 = 0x20_0000;
/// What i915 6.1 writes for a context with four levels, besides the LRCA.
const DESCRIPTOR: u32 = 0x139;

fn write(gpu: &mut Gpu, offset: u32, value: u32) {
    gpu.bar_write(Bar::Bar0, offset.into(), 4, value.into());
}

/// MI_BATCH_BUFFER_START to `address` in the PPGTT.
fn start(address: u64) -> [u32; 3] {
    let header = mi::header(mi::BATCH_BUFFER_START, 1) | 1 << 8;
    [header, address as u32, (address >> 32) as u32]
}

/// A device as after power-on.
pub(crate) fn fresh() -> Gpu {
    let config = GpuConfig::by_device_id(0x1616).expect("a Broadwell");
    Gpu::new(config, GuestRam::anonymous(16 << 20).expect("memory"))
}

/// A device that has nothing to do yet.
pub(crate) fn idle() -> Gpu {
    let mut gpu = fresh();
    set_up(&mut gpu);
    gpu
}

/// Makes a device ready for submissions.
pub(crate) fn set_up(gpu: &mut Gpu) {
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    write(gpu, mmio::FORCEWAKE_MT, masked_enable(1));
    for page in 0..64 {
        let entry = pte::encode_ggtt_pte(page * PAGE_SIZE);
        gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * page, 8, entry);
    }
    let base = ENGINE.mmio_base();
    write(gpu, base + ring::GFX_MODE, masked_enable(ring::GFX_MODE_EXECLISTS));
    write(gpu, base + ring::HWS_PGA, HWSP);
}

/// Submits the batch: it stores a number, and then starts itself again.
pub(crate) fn submit(gpu: &mut Gpu) {
    let memory = gpu.memory().clone();
    let write32 = |address: u64, value: u32| assert!(memory.write_u32(address, value));
    // One entry in each table leads to the next: page 0x200 of the address space.
    let indices = [0, 0, BATCH_VA >> 21, 0];
    for (level, index) in indices.into_iter().enumerate() {
        let table = TABLES + level as u64 * PAGE_SIZE;
        let next = if level == 3 { BATCH } else { table + PAGE_SIZE };
        write32(table + 8 * index, next as u32 | 3);
    }
    let mut batch = vec![mi::header(mi::NOOP, 0), 0, mi::header(mi::NOOP, 0)];
    batch.extend(start(BATCH_VA));
    for (n, dword) in batch.into_iter().enumerate() {
        write32(BATCH + 4 * n as u64, dword);
    }
    for (n, dword) in start(BATCH_VA).into_iter().chain([0]).enumerate() {
        write32(u64::from(RING) + 4 * n as u64, dword);
    }
    let state = u64::from(IMAGE) + context_image::STATE_PAGE * PAGE_SIZE;
    for (register, value) in [
        (context_image::CONTEXT_CONTROL, masked_enable(context_image::control::RESTORE_INHIBIT)),
        (context_image::RING_HEAD, 0),
        (context_image::RING_TAIL, 16),
        (context_image::RING_START, RING),
        (context_image::RING_CTL, ring::CTL_VALID),
        (context_image::pdp_udw(0), 0),
        (context_image::pdp_ldw(0), TABLES as u32),
    ] {
        write32(state + 4 * (register as u64 + 1), value);
    }
    for dword in [0, 0, 0x20, IMAGE | DESCRIPTOR] {
        write(gpu, ENGINE.mmio_base() + ring::ELSP, dword);
    }
}

/// A device in the middle of the batch.
pub(crate) fn stuck() -> Gpu {
    let mut gpu = idle();
    submit(&mut gpu);
    gpu.advance_to(5_000_000);
    gpu.step(1000);
    gpu
}
