//! The driver's view of this machine.

use driver::{DmaPages, Platform};

use crate::arch::interrupts;
use crate::arch::tsc::Clock;
use crate::memory::DmaMemory;
use crate::pci::{GpuFunction, Window};

/// Longest sleep of [`Platform::relax`]: as long as a poll of the device's semaphores may take.
const RELAX_NS: u32 = 50_000;

/// The bare machine: identity-mapped memory, BARs by volatile access, HLT to wait.
pub(crate) struct BareMetal {
    gpu: GpuFunction,
    pages: DmaPages<DmaMemory>,
    clock: Clock,
}

impl BareMetal {
    /// A platform over a GPU that `pci::find_gpu` made ready.
    pub(crate) fn new(gpu: GpuFunction, pages: DmaPages<DmaMemory>, clock: Clock) -> Self {
        BareMetal { gpu, pages, clock }
    }

    /// The DMA pages.
    pub(crate) fn pages(&self) -> &DmaPages<DmaMemory> {
        &self.pages
    }

    /// Nanoseconds since the start.
    pub(crate) fn elapsed_ns(&self) -> u64 {
        self.clock.now_ns()
    }
}

/// Reads at `offset` of a window; all ones outside, as from a bus where nobody answers.
fn read(window: Window, offset: u64) -> u32 {
    match pointer::<u32>(window, offset) {
        // SAFETY: `pointer` checked that it is in the window; device memory holds no Rust object.
        Some(pointer) => unsafe { pointer.read_volatile() },
        None => u32::MAX,
    }
}

fn write<T>(window: Window, offset: u64, value: T) {
    if let Some(pointer) = pointer::<T>(window, offset) {
        // SAFETY: as in `read`.
        unsafe { pointer.write_volatile(value) };
    }
}

fn pointer<T>(window: Window, offset: u64) -> Option<*mut T> {
    let size = size_of::<T>() as u64;
    let inside = offset.checked_add(size).is_some_and(|end| end <= window.size);
    (inside && offset.is_multiple_of(size)).then_some((window.base + offset) as *mut T)
}

impl Platform for BareMetal {
    type Memory = DmaMemory;

    fn memory(&self) -> &DmaMemory {
        self.pages.memory()
    }

    fn alloc_page(&mut self) -> Option<u64> {
        self.pages.alloc()
    }

    fn free_page(&mut self, page: u64) {
        self.pages.free(page);
    }

    fn config_read32(&mut self, offset: u16) -> u32 {
        self.gpu.function.read(offset)
    }

    fn config_write32(&mut self, offset: u16, value: u32) {
        self.gpu.function.write(offset, value);
    }

    fn mmio_read32(&mut self, offset: u32) -> u32 {
        read(self.gpu.registers, u64::from(offset))
    }

    fn mmio_write32(&mut self, offset: u32, value: u32) {
        write(self.gpu.registers, u64::from(offset), value);
    }

    fn mmio_write64(&mut self, offset: u32, value: u64) {
        write(self.gpu.registers, u64::from(offset), value);
    }

    fn aperture_read32(&mut self, offset: u64) -> u32 {
        read(self.gpu.aperture, offset)
    }

    fn aperture_write32(&mut self, offset: u64, value: u32) {
        write(self.gpu.aperture, offset, value);
    }

    fn now_ns(&mut self) -> u64 {
        self.clock.now_ns()
    }

    fn relax(&mut self) {
        interrupts::wait(RELAX_NS);
    }

    fn take_interrupt(&mut self) -> bool {
        interrupts::take_msi()
    }
}
