//! The DMA pages: one piece of memory that CPU and GPU share.

use std::io;
use std::ops::Range;

use ppgtt::PhysicalMemory;

use crate::mapping::Mapping;

/// The unit of huge pages on x86: a piece so aligned takes one IOMMU entry instead of 512.
const HUGE_PAGE: usize = 2 << 20;

/// Memory that the device finds at a fixed address, its "physical" one.
pub struct Arena {
    /// Larger than the arena, so that an aligned piece is in it.
    mapping: Mapping,
    /// Where in the mapping the arena starts.
    skipped: u64,
    range: Range<u64>,
}

impl Arena {
    /// `size` zeroed bytes that the device shall find at `base`; both multiples of 2 MiB.
    pub(crate) fn new(base: u64, size: usize) -> io::Result<Arena> {
        let mapping = Mapping::anonymous(size + HUGE_PAGE)?;
        let skipped = mapping.start().align_offset(HUGE_PAGE);
        // SAFETY: `skipped` is below HUGE_PAGE, so `size` bytes are left in the mapping.
        let start = unsafe { mapping.start().add(skipped) };
        // Only advice: on small pages the arena works as well.
        // SAFETY: the range is inside the mapping.
        unsafe { libc::madvise(start.cast(), size, libc::MADV_HUGEPAGE) };
        let range = base..base + size as u64;
        Ok(Arena { mapping, skipped: skipped as u64, range })
    }

    /// The addresses at which the device finds it.
    pub(crate) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        (self.range.end - self.range.start) as usize
    }

    /// Where it is in this process.
    pub(crate) fn start(&self) -> *mut u8 {
        // SAFETY: as in `new`.
        unsafe { self.mapping.start().add(self.skipped as usize) }
    }

    fn pointer<T>(&self, address: u64) -> Option<*mut T> {
        let end = address.checked_add(size_of::<T>() as u64)?;
        if address < self.range.start || end > self.range.end {
            return None;
        }
        self.mapping.pointer(self.skipped + (address - self.range.start))
    }

    fn load<T: Copy>(&self, address: u64) -> Option<T> {
        // SAFETY: `pointer` checked range and alignment; every bit pattern is a valid integer.
        self.pointer::<T>(address).map(|pointer| unsafe { pointer.read_volatile() })
    }

    fn store<T>(&self, address: u64, value: T) -> bool {
        let Some(pointer) = self.pointer::<T>(address) else { return false };
        // SAFETY: as in `load`.
        unsafe { pointer.write_volatile(value) };
        true
    }
}

impl PhysicalMemory for Arena {
    fn read_u64(&self, address: u64) -> Option<u64> {
        self.load(address)
    }

    fn write_u64(&self, address: u64, value: u64) -> bool {
        self.store(address, value)
    }

    fn read_u32(&self, address: u64) -> Option<u32> {
        self.load(address)
    }

    fn write_u32(&self, address: u64, value: u32) -> bool {
        self.store(address, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 1 << 32;

    #[test]
    fn memory_is_reached_by_the_devices_addresses_and_nothing_beside_it() {
        let arena = Arena::new(BASE, HUGE_PAGE).unwrap();
        assert!(arena.start().addr().is_multiple_of(HUGE_PAGE));
        assert!(arena.write_u64(BASE, 1) && arena.write_u32(BASE + arena.size() as u64 - 4, 2));
        assert_eq!(arena.read_u32(BASE), Some(1));
        // SAFETY: the first byte of the arena.
        assert_eq!(unsafe { arena.start().read_volatile() }, 1);
        let end = arena.range().end;
        for outside in [0, BASE - 4, end - 4, end, u64::MAX - 3, BASE + 4] {
            assert_eq!(arena.read_u64(outside), None, "{outside:#x}");
            assert!(!arena.write_u64(outside, 0), "{outside:#x}");
        }
    }

    #[test]
    fn fresh_memory_is_zero() {
        let arena = Arena::new(BASE, HUGE_PAGE).unwrap();
        assert!((0..512).all(|page| arena.read_u64(BASE + page * 4096) == Some(0)));
    }
}
