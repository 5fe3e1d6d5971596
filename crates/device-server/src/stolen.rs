//! Stolen memory: RAM that the firmware of a PC takes from the operating system for the GPU.
//!
//! It lies directly above the low RAM that the operating system sees, and only the GPU reaches it;
//! the CPUs go through the aperture. QEMU and its firmware know nothing of it, so it cannot lie in
//! the guest's RAM: Linux reserves the range that BDSM names when it has already given all RAM to
//! its page allocator (`setup_arch` calls `e820__memblock_setup` long before `early_quirks`), and
//! would use the same pages for something else. So it is memory of the server's own.

use std::sync::Arc;

use vm_memory::mmap::MmapRegion;
use vm_memory::{GuestAddress, GuestMemoryRegion, GuestRegionMmap};

use crate::dma::Range;

/// BDSM names an address by whole MiB.
const ALIGNMENT: u64 = 1 << 20;
/// BDSM has 32 bits.
const LIMIT: u64 = 1 << 32;

/// The stolen memory of one client's machine.
#[derive(Debug, Default)]
pub(crate) struct StolenMemory {
    /// None without stolen memory.
    memory: Option<Arc<MmapRegion>>,
    /// Where it lies; None while it does not fit anywhere.
    region: Option<Arc<GuestRegionMmap>>,
}

impl StolenMemory {
    /// `size` zeroed bytes, nowhere yet. They cost memory as they are used.
    pub(crate) fn new(size: u64) -> Self {
        let bytes = usize::try_from(size).ok().filter(|&bytes| bytes != 0);
        let memory = bytes.and_then(|bytes| {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_ANONYMOUS | libc::MAP_PRIVATE | libc::MAP_NORESERVE;
            match MmapRegion::build(None, bytes, protection, flags) {
                Ok(region) => Some(Arc::new(region)),
                Err(error) => {
                    log::warn!("no stolen memory: {error}");
                    None
                }
            }
        });
        StolenMemory { memory, region: None }
    }

    /// Puts it above the low RAM, whose end is `top`. While there is no low RAM, as within a change
    /// of the memory map, it stays where it was.
    pub(crate) fn place(&mut self, top: Option<u64>) {
        let (Some(memory), Some(top)) = (&self.memory, top) else { return };
        let room = LIMIT.checked_sub(memory.size() as u64);
        let base = top.checked_next_multiple_of(ALIGNMENT);
        let base = base.filter(|&base| room.is_some_and(|last| base <= last));
        let region =
            base.and_then(|base| GuestRegionMmap::with_arc(Arc::clone(memory), GuestAddress(base)));
        self.region = region.map(Arc::new);
    }

    /// Where it lies; 0 for nowhere.
    fn base(&self) -> u64 {
        self.region.as_ref().map_or(0, |region| region.start_addr().0)
    }

    /// Where it lies, as BDSM tells it; 0 for nowhere.
    pub(crate) fn bdsm(&self) -> u32 {
        u32::try_from(self.base()).unwrap_or(0)
    }

    /// Its range and memory, if it lies somewhere.
    pub(crate) fn region(&self) -> Option<(Range, Arc<GuestRegionMmap>)> {
        let region = self.region.as_ref()?;
        let range = Range { address: region.start_addr().0, size: region.len() };
        Some((range, Arc::clone(region)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn it_lies_above_low_ram_wherever_that_ends() {
        let mut stolen = StolenMemory::new(32 << 20);
        assert_eq!(stolen.bdsm(), 0);
        for (top, bdsm) in [
            (Some(GIB), 0x4000_0000),
            (None, 0x4000_0000),
            (Some(0x3fff_f000), 0x4000_0000),
            (Some(2 * GIB), 0x8000_0000),
            (Some(4 * GIB - (32 << 20)), 0xfe00_0000),
        ] {
            stolen.place(top);
            assert_eq!(stolen.bdsm(), bdsm, "{top:x?}");
            let (range, _) = stolen.region().unwrap();
            assert_eq!((range.address, range.size), (bdsm.into(), 32 << 20));
        }
    }

    #[test]
    fn it_lies_nowhere_if_it_does_not_fit_or_there_is_none() {
        let mut stolen = StolenMemory::new(32 << 20);
        for top in [4 * GIB - (31 << 20), 4 * GIB, !0xfff] {
            stolen.place(Some(GIB));
            stolen.place(Some(top));
            assert_eq!((stolen.bdsm(), stolen.region().is_none()), (0, true), "{top:x}");
        }
        let mut none = StolenMemory::new(0);
        none.place(Some(GIB));
        assert_eq!((none.bdsm(), none.region().is_none()), (0, true));
    }
}
