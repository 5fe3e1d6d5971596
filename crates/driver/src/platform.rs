//! What the driver needs from the machine that it runs on.

use ppgtt::PhysicalMemory;

/// The machine under the driver: registers, DMA pages, interrupts and time.
///
/// One implementation per machine: the device model in process, a bare-metal guest, a PCI function
/// behind VFIO. The driver is single-threaded; every method is called with the driver's own state
/// consistent, and none may call back into the driver.
pub trait Platform {
    /// Physical memory that the GPU and the CPU share.
    type Memory: PhysicalMemory;

    /// The shared memory. DMA pages from [`Platform::alloc_page`] lie in it.
    fn memory(&self) -> &Self::Memory;
    /// Allocates a zeroed, page-aligned 4 KiB DMA page; returns its physical address.
    fn alloc_page(&mut self) -> Option<u64>;
    /// Frees a page from [`Platform::alloc_page`].
    fn free_page(&mut self, page: u64);

    /// Reads a dword of the GPU's PCI configuration space.
    fn config_read32(&mut self, offset: u16) -> u32;
    /// Writes a dword of the GPU's PCI configuration space.
    fn config_write32(&mut self, offset: u16, value: u32);
    /// Reads a dword at `offset` of BAR0.
    fn mmio_read32(&mut self, offset: u32) -> u32;
    /// Writes a dword at `offset` of BAR0.
    fn mmio_write32(&mut self, offset: u32, value: u32);
    /// Writes a qword at `offset` of BAR0 (GGTT PTEs, the debug page).
    fn mmio_write64(&mut self, offset: u32, value: u64);
    /// Reads a dword at `offset` of the aperture (BAR2).
    fn aperture_read32(&mut self, offset: u64) -> u32;
    /// Writes a dword at `offset` of the aperture (BAR2).
    fn aperture_write32(&mut self, offset: u64, value: u32);

    /// Monotonic time in nanoseconds; virtual where the machine is deterministic.
    fn now_ns(&mut self) -> u64;
    /// Lets the device work for a short while (the in-process machine steps it, a CPU pauses).
    /// Time must advance with every call, and faster when the device has nothing to do, so that a
    /// loop with a time limit ends.
    fn relax(&mut self);
    /// Whether the GPU's interrupt was delivered since the last call; clears the mark.
    fn take_interrupt(&mut self) -> bool;
}

/// A borrowed machine is a machine: a driver instance can be run on it and given up.
impl<P: Platform + ?Sized> Platform for &mut P {
    type Memory = P::Memory;

    fn memory(&self) -> &P::Memory {
        (**self).memory()
    }
    fn alloc_page(&mut self) -> Option<u64> {
        (**self).alloc_page()
    }
    fn free_page(&mut self, page: u64) {
        (**self).free_page(page);
    }
    fn config_read32(&mut self, offset: u16) -> u32 {
        (**self).config_read32(offset)
    }
    fn config_write32(&mut self, offset: u16, value: u32) {
        (**self).config_write32(offset, value);
    }
    fn mmio_read32(&mut self, offset: u32) -> u32 {
        (**self).mmio_read32(offset)
    }
    fn mmio_write32(&mut self, offset: u32, value: u32) {
        (**self).mmio_write32(offset, value);
    }
    fn mmio_write64(&mut self, offset: u32, value: u64) {
        (**self).mmio_write64(offset, value);
    }
    fn aperture_read32(&mut self, offset: u64) -> u32 {
        (**self).aperture_read32(offset)
    }
    fn aperture_write32(&mut self, offset: u64, value: u32) {
        (**self).aperture_write32(offset, value);
    }
    fn now_ns(&mut self) -> u64 {
        (**self).now_ns()
    }
    fn relax(&mut self) {
        (**self).relax();
    }
    fn take_interrupt(&mut self) -> bool {
        (**self).take_interrupt()
    }
}
