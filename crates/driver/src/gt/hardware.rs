//! The machine as the rooms of this half use it: registers of engines, bounded waits, DMA pages
//! with ownership hints.

use alloc::vec::Vec;

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use ppgtt::PhysicalMemory;

use super::error::OutOfMemory;
use super::hints::HintPort;
use crate::Platform;

/// The platform and the hint port.
pub(super) struct Hardware<P: Platform> {
    pub(super) platform: P,
    hints: HintPort,
}

impl<P: Platform> Hardware<P> {
    pub(super) fn new(platform: P) -> Self {
        Hardware { platform, hints: HintPort::Absent }
    }

    /// Looks for the debug page; from then on hints are given.
    pub(super) fn find_hint_port(&mut self) {
        self.hints = HintPort::detect(&mut self.platform);
    }

    pub(super) fn hint(&mut self, hint: Hint) {
        self.hints.give(&mut self.platform, hint);
    }

    pub(super) fn alloc_page(&mut self, kind: PageKind, owner: u32) -> Option<u64> {
        let page = self.platform.alloc_page()?;
        self.hint(Hint::PageOwned { page, kind, owner });
        Some(page)
    }

    pub(super) fn free_page(&mut self, page: u64) {
        self.hint(Hint::PageFreed { page });
        self.platform.free_page(page);
    }

    /// All of `count` pages or none.
    pub(super) fn alloc_pages(
        &mut self,
        count: usize,
        kind: PageKind,
        owner: u32,
    ) -> Result<Vec<u64>, OutOfMemory> {
        let mut pages = Vec::with_capacity(count);
        for _ in 0..count {
            let Some(page) = self.alloc_page(kind, owner) else {
                self.free_pages(&pages);
                return Err(OutOfMemory);
            };
            pages.push(page);
        }
        Ok(pages)
    }

    pub(super) fn free_pages(&mut self, pages: &[u64]) {
        for &page in pages {
            self.free_page(page);
        }
    }

    pub(super) fn read(&mut self, register: u32) -> u32 {
        self.platform.mmio_read32(register)
    }

    pub(super) fn write(&mut self, register: u32, value: u32) {
        self.platform.mmio_write32(register, value);
    }

    pub(super) fn ring_read(&mut self, engine: EngineId, register: u32) -> u32 {
        self.read(engine.mmio_base() + register)
    }

    pub(super) fn ring_write(&mut self, engine: EngineId, register: u32, value: u32) {
        self.write(engine.mmio_base() + register, value);
    }

    /// Writes and reads back, so that the write is known to have arrived.
    pub(super) fn ring_write_posted(&mut self, engine: EngineId, register: u32, value: u32) {
        self.ring_write(engine, register, value);
        self.ring_read(engine, register);
    }

    /// Reads a dword of a DMA page. Pages are inside RAM by the platform's contract, so a failure
    /// is a broken platform; it reads as 0 and is logged.
    pub(super) fn read_memory(&self, address: u64) -> u32 {
        self.platform.memory().read_u32(address).unwrap_or_else(|| {
            log::error!("DMA address {address:#x} cannot be read");
            0
        })
    }

    /// Writes a dword of a DMA page; see [`Hardware::read_memory`].
    pub(super) fn write_memory(&self, address: u64, value: u32) {
        if !self.platform.memory().write_u32(address, value) {
            log::error!("DMA address {address:#x} cannot be written");
        }
    }

    /// Waits until `register & mask == value`, at most `limit_ns`.
    pub(super) fn wait_register(
        &mut self,
        register: u32,
        mask: u32,
        value: u32,
        limit_ns: u64,
    ) -> bool {
        let start = self.platform.now_ns();
        loop {
            if self.read(register) & mask == value {
                return true;
            }
            if self.platform.now_ns().saturating_sub(start) > limit_ns {
                return false;
            }
            self.platform.relax();
        }
    }
}
