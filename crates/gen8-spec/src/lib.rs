//! Gen8 (Broadwell) GPU hardware facts as types and constants.
//!
//! This crate is the one place where a hardware number is written down. It encodes and decodes and
//! has no behaviour. The driver and the device model share it, so a wrong number here would pass
//! every test between the two: each item therefore names its source. Source keys:
//!
//! * *PRM* – Intel's Broadwell Programmer's Reference Manual (volume: 2a commands, 2c registers,
//!   2d structures, 5 memory views, 6 command streamer).
//! * *i915* – Linux 6.1 `drivers/gpu/drm/i915`, paths relative to it.
//! * *genxml* – Mesa `src/intel/genxml/gen8.xml`.
#![no_std]
#![forbid(unsafe_code)]

pub mod commands;
pub mod context_image;
pub mod debug_page;
pub mod engine;
pub mod execlists;
pub mod fence;
pub mod hwsp;
pub mod interrupts;
pub mod mmio;
pub mod pci;
pub mod pte;
pub mod registers;
pub mod sku;
pub mod tiling;

/// Bytes in a page: the only page size that BDW page tables of i915 use (i915 `i915_pci.c`).
pub const PAGE_SIZE: u64 = 4096;
/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;

/// Value written to a masked register to set `bits` and leave the others (PRM Vol 2c: the upper
/// 16 bits of a masked write enable the lower 16).
pub const fn masked_enable(bits: u32) -> u32 {
    (bits << 16) | bits
}

/// Value written to a masked register to clear `bits` and leave the others.
pub const fn masked_disable(bits: u32) -> u32 {
    bits << 16
}

/// Whether a masked write of `written` has bits that its mask does not let through.
pub const fn sets_beyond_mask(written: u32) -> bool {
    written & 0xffff & !(written >> 16) != 0
}

/// The result of a masked write of `written` to a register that holds `old` (16 bits of state).
pub const fn masked_apply(old: u32, written: u32) -> u32 {
    let mask = written >> 16;
    ((old & !mask) | (written & mask)) & 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beyond_the_mask_are_those_that_it_leaves_out() {
        assert!(sets_beyond_mask(1) && sets_beyond_mask(0x1_0002));
        assert!(!sets_beyond_mask(masked_enable(3)) && !sets_beyond_mask(masked_disable(3)));
    }

    #[test]
    fn masked_write_touches_only_enabled_bits() {
        assert_eq!(masked_apply(0b0101, masked_enable(0b0010)), 0b0111);
        assert_eq!(masked_apply(0b0111, masked_disable(0b0100)), 0b0011);
        assert_eq!(masked_apply(0xffff, 0x0000_ffff), 0xffff);
    }
}
