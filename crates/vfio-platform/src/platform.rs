//! The driver's view of a function behind VFIO.

use std::time::{Duration, Instant};

use driver::{DmaPages, Platform};
use gen8_spec::pci;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use crate::arena::Arena;
use crate::error::Error;
use crate::function::{PciFunction, Region};
use crate::wait;
use crate::window::{self, Window};

/// Where the device finds the DMA pages. Above 4 GiB no firmware reserves addresses for the GPU or
/// for interrupts, and a driver that drops the upper half of an address is found out; GGTT PTEs
/// have room for bits 38:12.
pub const ARENA_BASE: u64 = 1 << 32;
/// Bytes of DMA pages. All of them are locked in memory.
pub const ARENA_SIZE: usize = 32 << 20;
/// Longest pause of [`Platform::relax`]: as long as a poll of the device's semaphores may take.
const RELAX: Duration = Duration::from_micros(50);

/// Bytes of the configuration space that every function has.
const CONFIG_SIZE: u64 = 256;

/// A machine of one GPU, real or emulated, that VFIO gives to this process.
///
/// The end of this value takes the GPU's DMA, interrupts and state away and gives the function back,
/// however the run went; if the process dies, the kernel does.
pub struct VfioPlatform<F: PciFunction> {
    // In the order of their end: mapped BARs keep the function open, and an open function may reach
    // the pages.
    registers: Window,
    aperture: Window,
    function: F,
    pages: DmaPages<Arena>,
    /// Counts MSIs.
    interrupt: EventFd,
    /// An interrupt came while nobody asked.
    interrupted: bool,
    start: Instant,
}

impl<F: PciFunction> VfioPlatform<F> {
    /// Makes `function` ready for a driver: reset, with DMA pages and MSI. The driver itself lets it
    /// become bus master.
    ///
    /// # Errors
    /// A region is missing, or VFIO refuses DMA or MSI.
    pub fn new(mut function: F) -> Result<Self, Error> {
        for (region, needed) in [
            (Region::Registers, pci::BAR0_SIZE),
            (Region::Aperture, 1),
            (Region::Config, CONFIG_SIZE),
        ] {
            let size = function.size(region);
            if size < needed {
                return Err(Error::Region { region: region.name(), size, needed });
            }
        }
        let no_pages = |error| Error::System("no memory for DMA pages", error);
        let arena = Arena::new(ARENA_BASE, ARENA_SIZE).map_err(no_pages)?;
        let no_event = |error| Error::System("no event fd for the interrupt", error);
        let interrupt = EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC).map_err(no_event)?;
        function.reset();
        // SAFETY: `Drop` unmaps the arena before it is freed, here or at the end of the platform;
        // until then it is reached by volatile access only.
        unsafe { function.map_dma(ARENA_BASE, arena.start(), arena.size()) }?;
        let range = arena.range();
        let mut platform = VfioPlatform {
            registers: Window::new(&function, Region::Registers),
            aperture: Window::new(&function, Region::Aperture),
            function,
            pages: DmaPages::new(arena, range),
            interrupt,
            interrupted: false,
            start: Instant::now(),
        };
        platform.function.enable_msi(&platform.interrupt)?;
        log::info!(
            "BAR0 {}, BAR2 {}, {} MiB of DMA pages at {ARENA_BASE:#x}",
            platform.registers.how(),
            platform.aperture.how(),
            ARENA_SIZE >> 20
        );
        Ok(platform)
    }

    /// DMA pages that are allocated now.
    pub fn pages_in_use(&self) -> usize {
        self.pages.used()
    }

    /// Frees of pages that were not allocated: each is a bug of the driver.
    pub fn wrong_frees(&self) -> usize {
        self.pages.wrong_frees()
    }

    /// Takes the messages that came.
    fn collect_interrupts(&mut self) {
        if self.interrupt.read().is_ok() {
            self.interrupted = true;
        }
    }
}

impl<F: PciFunction> Drop for VfioPlatform<F> {
    fn drop(&mut self) {
        let command = self.config_read32(pci::CFG_COMMAND) & 0xffff;
        self.config_write32(pci::CFG_COMMAND, command & !u32::from(pci::COMMAND_BUS_MASTER));
        self.function.disable_msi();
        self.function.reset();
        self.function.unmap_dma(ARENA_BASE, ARENA_SIZE);
    }
}

impl<F: PciFunction> Platform for VfioPlatform<F> {
    type Memory = Arena;

    fn memory(&self) -> &Self::Memory {
        self.pages.memory()
    }

    fn alloc_page(&mut self) -> Option<u64> {
        self.pages.alloc()
    }

    fn free_page(&mut self, page: u64) {
        self.pages.free(page);
    }

    fn config_read32(&mut self, offset: u16) -> u32 {
        window::read32(&self.function, Region::Config, offset.into())
    }

    fn config_write32(&mut self, offset: u16, value: u32) {
        self.function.write(Region::Config, offset.into(), &value.to_le_bytes());
    }

    fn mmio_read32(&mut self, offset: u32) -> u32 {
        self.registers.read32(&self.function, offset.into())
    }

    fn mmio_write32(&mut self, offset: u32, value: u32) {
        self.registers.write32(&self.function, offset.into(), value);
    }

    fn mmio_write64(&mut self, offset: u32, value: u64) {
        self.registers.write64(&self.function, offset.into(), value);
    }

    fn aperture_read32(&mut self, offset: u64) -> u32 {
        self.aperture.read32(&self.function, offset)
    }

    fn aperture_write32(&mut self, offset: u64, value: u32) {
        self.aperture.write32(&self.function, offset, value);
    }

    fn now_ns(&mut self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn relax(&mut self) {
        wait::readable(&self.interrupt, RELAX);
        self.collect_interrupts();
    }

    fn take_interrupt(&mut self) -> bool {
        self.collect_interrupts();
        std::mem::take(&mut self.interrupted)
    }
}
