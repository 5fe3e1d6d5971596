//! DMA memory: the part of RAM that the driver and the GPU share.

use core::arch::asm;
use core::ops::Range;

use ppgtt::PhysicalMemory;

/// The DMA part of RAM, at its physical address (identity mapping). The heap, the image and the
/// stack are outside, so that no address can break a Rust object.
pub(crate) struct DmaMemory {
    range: Range<u64>,
}

impl DmaMemory {
    /// The memory in `range`.
    ///
    /// # Safety
    /// The range is mapped RAM in which no Rust object lies, ever.
    pub(crate) unsafe fn new(range: Range<u64>) -> Self {
        DmaMemory { range }
    }

    /// `address` as a pointer, if `count` aligned values lie in the memory from there.
    fn pointer<T>(&self, address: u64, count: usize) -> Option<*mut T> {
        let size = size_of::<T>() as u64;
        let end = address.checked_add(size.checked_mul(count as u64)?)?;
        let inside = address >= self.range.start && end <= self.range.end;
        (inside && address.is_multiple_of(size)).then_some(address as *mut T)
    }
}

impl PhysicalMemory for DmaMemory {
    fn read_u64(&self, address: u64) -> Option<u64> {
        let pointer = self.pointer::<u64>(address, 1)?;
        // SAFETY: `pointer` checked the range and alignment; see `new` for the memory.
        Some(unsafe { pointer.read_volatile() })
    }

    fn write_u64(&self, address: u64, value: u64) -> bool {
        let Some(pointer) = self.pointer::<u64>(address, 1) else { return false };
        // SAFETY: as above.
        unsafe { pointer.write_volatile(value) };
        true
    }

    fn read_u32(&self, address: u64) -> Option<u32> {
        let pointer = self.pointer::<u32>(address, 1)?;
        // SAFETY: as above.
        Some(unsafe { pointer.read_volatile() })
    }

    fn write_u32(&self, address: u64, value: u32) -> bool {
        let Some(pointer) = self.pointer::<u32>(address, 1) else { return false };
        // SAFETY: as above.
        unsafe { pointer.write_volatile(value) };
        true
    }

    // Whole tables with one string instruction: where KVM emulates every instruction, a step of it
    // takes a third of the time of a plain instruction, and there is no loop around it.

    fn read_table(&self, address: u64, entries: &mut [u64; 512]) -> bool {
        let Some(pointer) = self.pointer::<u64>(address, entries.len()) else { return false };
        // SAFETY: `pointer` checked the source; the destination is the array; `asm!` without
        // `nomem` is as volatile as the GPU's own accesses need.
        unsafe {
            asm!("rep movsq", inout("rsi") pointer => _, inout("rdi") entries.as_mut_ptr() => _,
                inout("rcx") entries.len() => _, options(nostack, preserves_flags));
        }
        true
    }

    fn fill_u64(&self, address: u64, value: u64, count: usize) -> bool {
        let Some(pointer) = self.pointer::<u64>(address, count) else { return false };
        // SAFETY: `pointer` checked the whole destination.
        unsafe {
            asm!("rep stosq", inout("rdi") pointer => _, in("rax") value,
                inout("rcx") count => _, options(nostack, preserves_flags));
        }
        true
    }
}
