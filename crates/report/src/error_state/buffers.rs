//! The memory that an error state shows: what the engine has to do with at the moment.

use gen8_spec::PAGE_SIZE;
use gen8_spec::commands::mi;
use gen8_spec::context_image::STATE_PAGE;
use gen8_spec::mmio::ring;
use gpu_model::ggtt::Ggtt;
use gpu_model::{Engine, Gpu, GuestRam};
use ppgtt::{Access, PageTableRoot, walk};

use super::register;

/// Most of a batch that is shown, in pages.
const BATCH_PAGES: u64 = 64;
/// Pages of a context image that are shown: status page and registers.
const IMAGE_PAGES: u64 = STATE_PAGE + 2;
/// Dwords of MI_BATCH_BUFFER_START: header and address.
const BATCH_START_DWORDS: usize = 3;

/// A piece of an address space.
pub(super) struct Buffer {
    /// As i915 names it.
    pub(super) name: &'static str,
    pub(super) address: u64,
    pub(super) bytes: Vec<u8>,
}

/// Where buffers are read.
pub(super) struct Buffers<'a> {
    pub(super) ggtt: &'a Ggtt,
    pub(super) memory: &'a GuestRam,
}

impl Buffers<'_> {
    /// Ring, status page and context image.
    pub(super) fn others(&self, registers: &mut Gpu, engine: &Engine) -> Vec<Buffer> {
        let status = register(registers, engine.id().mmio_base() + ring::HWS_PGA);
        let running = engine.running().map(|(elements, n)| u64::from(elements[n].lrca()));
        let buffers = [
            self.ring(registers, engine),
            (status != 0).then(|| self.in_ggtt("HW Status", status.into(), 1)).flatten(),
            running.and_then(|image| self.in_ggtt("HW context", image, IMAGE_PAGES)),
        ];
        buffers.into_iter().flatten().collect()
    }

    fn ring(&self, registers: &mut Gpu, engine: &Engine) -> Option<Buffer> {
        let base = engine.id().mmio_base();
        let [start, control] = [ring::START, ring::CTL].map(|r| register(registers, base + r));
        if control & ring::CTL_VALID == 0 {
            return None;
        }
        let pages = u64::from(control & ring::CTL_SIZE_MASK) / PAGE_SIZE + 1;
        self.in_ggtt("ring", start.into(), pages)
    }

    /// The batch that the engine is in, from its beginning, which the ring tells.
    pub(super) fn batch(&self, registers: &mut Gpu, engine: &Engine) -> Option<Buffer> {
        let base = engine.id().mmio_base();
        if register(registers, base + ring::BBADDR) & ring::BBADDR_VALID == 0 {
            return None;
        }
        let [low, high] = [ring::ACTHD, ring::ACTHD_UDW].map(|r| register(registers, base + r));
        let active = u64::from(high) << 32 | u64::from(low);
        let head = register(registers, base + ring::HEAD) & ring::HEAD_ADDR;
        let ring = self.ring(registers, engine)?;
        let begin = started(&ring.bytes, head, active).unwrap_or(active & !(PAGE_SIZE - 1));
        let first = begin & !(PAGE_SIZE - 1);
        let pages = (active - first) / PAGE_SIZE + 2;
        let root = engine.root();
        let bytes = self.read(first, pages.min(BATCH_PAGES), |address| self.page(root, address));
        (!bytes.is_empty()).then_some(Buffer { name: "batch", address: first, bytes })
    }

    /// A page of the PPGTT, or of the GGTT where none is loaded.
    fn page(&self, root: Option<PageTableRoot>, address: u64) -> Option<u64> {
        match root {
            Some(root) => Some(walk(self.memory, &root, address, Access::Read).ok()?.physical),
            None => self.ggtt.translate(address).ok(),
        }
    }

    fn in_ggtt(&self, name: &'static str, address: u64, pages: u64) -> Option<Buffer> {
        let bytes = self.read(address, pages, |address| self.ggtt.translate(address).ok());
        (!bytes.is_empty()).then_some(Buffer { name, address, bytes })
    }

    /// Pages from `address` on, up to the first that is not there.
    fn read(&self, address: u64, pages: u64, place: impl Fn(u64) -> Option<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut page = [0; PAGE_SIZE as usize];
        for n in 0..pages {
            let physical = address.checked_add(n * PAGE_SIZE).and_then(&place);
            if !physical.is_some_and(|physical| self.memory.read_bytes(physical, &mut page)) {
                break;
            }
            bytes.extend_from_slice(&page);
        }
        bytes
    }
}

/// Where the batch begins that a ring's last MI_BATCH_BUFFER_START before `head` started, if it can have
/// come from there to `active`.
fn started(ring: &[u8], head: u32, active: u64) -> Option<u64> {
    let dwords: Vec<u32> = ring
        .chunks_exact(4)
        .map(|bytes| bytes.iter().rev().fold(0, |dword, &byte| dword << 8 | u32::from(byte)))
        .collect();
    let last = (head as usize / 4).min(dwords.len());
    let starts = dwords[..last].windows(BATCH_START_DWORDS).rev();
    let mut addresses = starts
        .filter(|command| mi::opcode(command[0]) == mi::BATCH_BUFFER_START)
        .map(|command| u64::from(command[2]) << 32 | u64::from(command[1] & !3));
    addresses.find(|&begin| begin <= active && active - begin < BATCH_PAGES * PAGE_SIZE)
}
