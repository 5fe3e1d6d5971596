//! Page-table entry formats (PRM Vol 5; i915 `gt/gen8_ppgtt.c`, `gt/intel_gtt.h`).

/// Entries of a table of any level.
pub const ENTRIES: usize = 512;
/// Bit 0: present.
pub const PRESENT: u64 = 1 << 0;
/// Bit 1: writable. Clear in a PTE: writes are dropped.
pub const WRITABLE: u64 = 1 << 1;
/// Bit 3: PAT select bit 0.
pub const PWT: u64 = 1 << 3;
/// Bit 4: PAT select bit 1.
pub const PCD: u64 = 1 << 4;
/// Bit 7 of a PTE: PAT select bit 2.
pub const PAT: u64 = 1 << 7;
/// Table entry or PTE: accessed (5). For advanced contexts; ignored in the legacy contexts that i915 has,
/// which leaves it 0. A CPU's tables, which have the same layout, have it set nearly everywhere. Source: PRM
/// volume 5, "PML4 Entry"; Linux `_KERNPG_TABLE`, `_PAGE_TABLE`.
pub const ACCESSED: u64 = 1 << 5;
/// Bit 7 of a PDE (2 MiB) or PDPE (1 GiB): the entry is a leaf.
pub const PAGE_SIZE_BIT: u64 = 1 << 7;
/// Physical address bits 38:12.
pub const ADDRESS_MASK: u64 = 0x0000_007f_ffff_f000;
/// Bits above the physical address, which are 0 in every entry.
pub const RESERVED: u64 = !((1 << PHYSICAL_BITS) - 1);
/// Physical address width in bits.
pub const PHYSICAL_BITS: u32 = 39;

/// Cacheability of a mapping as i915 encodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum CacheLevel {
    /// LLC, PAT index 4; PTE 0x83.
    #[default]
    Llc,
    /// Uncached, PAT index 3; PTE 0x1b.
    Uncached,
    /// Write-through / display, PAT index 2; PTE 0x13.
    WriteThrough,
}

/// Encodes a 4 KiB PPGTT PTE (i915 `gen8_pte_encode`).
pub const fn encode_pte(page: u64, cache: CacheLevel, read_only: bool) -> u64 {
    let base = (page & ADDRESS_MASK) | PRESENT | if read_only { 0 } else { WRITABLE };
    match cache {
        CacheLevel::Llc => base | PAT,
        CacheLevel::Uncached => base | PWT | PCD,
        CacheLevel::WriteThrough => base | PCD,
    }
}

/// Encodes a PDE, PDPE or PML4E that points at a table (i915 `gen8_pde_encode`, cached).
pub const fn encode_table(table: u64) -> u64 {
    (table & ADDRESS_MASK) | PRESENT | WRITABLE
}

/// Encodes a table entry of a scratch level (uncached, 0x1b).
pub const fn encode_scratch_table(table: u64) -> u64 {
    (table & ADDRESS_MASK) | PRESENT | WRITABLE | PWT | PCD
}

/// Encodes a GGTT PTE: only the present bit and the address (i915 `gen8_ggtt_pte_encode`).
pub const fn encode_ggtt_pte(page: u64) -> u64 {
    (page & ADDRESS_MASK) | PRESENT
}

/// PAT index of a PTE: {bit 7, bit 4, bit 3}.
pub const fn pat_index(pte: u64) -> u32 {
    (((pte >> 7) & 1) << 2 | ((pte >> 4) & 1) << 1 | ((pte >> 3) & 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_match_i915() {
        assert_eq!(encode_pte(0, CacheLevel::Llc, false), 0x83);
        assert_eq!(encode_pte(0, CacheLevel::Uncached, false), 0x1b);
        assert_eq!(encode_pte(0, CacheLevel::WriteThrough, false), 0x13);
        assert_eq!(encode_scratch_table(0), 0x1b);
        assert_eq!(pat_index(0x83), 4);
        assert_eq!(pat_index(0x1b), 3);
    }
}
