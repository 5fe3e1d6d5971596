//! The levels of a page table, the roots that hardware loads, and the virtual address range.

use gen8_spec::debug_page::PageKind;
use gen8_spec::pte::{ADDRESS_MASK, ENTRIES};
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};

/// Bits of a virtual address that one level consumes: log2 of [`ENTRIES`].
pub const INDEX_BITS: u32 = ENTRIES.trailing_zeros();

/// A level of table, numbered as the fault register reports it (GEN8_RING_FAULT_REG bits 2:1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// Page table: its entries (PTE) map 4 KiB each.
    Pt = 0,
    /// Page directory: its entries (PDE) span 2 MiB each.
    Pd = 1,
    /// Page-directory pointer table: its entries (PDPE) span 1 GiB each.
    Pdp = 2,
    /// Root of four levels: its entries (PML4E) span 512 GiB each.
    Pml4 = 3,
}

impl Level {
    /// Number of the level: 0 PTE, 1 PDE, 2 PDPE, 3 PML4E.
    #[inline]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The level with this number; numbers above 3 give the PML4.
    pub(crate) const fn from_number(number: u32) -> Self {
        match number {
            0 => Level::Pt,
            1 => Level::Pd,
            2 => Level::Pdp,
            _ => Level::Pml4,
        }
    }

    /// log2 of the bytes of virtual address that one entry of this level spans.
    #[inline]
    pub const fn entry_shift(self) -> u32 {
        entry_shift(self as u32)
    }

    /// log2 of the bytes of virtual address that one whole table of this level spans.
    #[inline]
    pub const fn table_shift(self) -> u32 {
        self.entry_shift() + INDEX_BITS
    }

    /// Index of the entry for `va` in a table of this level.
    #[inline]
    pub const fn index(self, va: u64) -> usize {
        (va >> self.entry_shift()) as usize & (ENTRIES - 1)
    }

    /// The kind of page that a table of this level is, for allocation and hints.
    pub const fn kind(self) -> PageKind {
        match self {
            Level::Pt => PageKind::Pt,
            Level::Pd => PageKind::Pd,
            Level::Pdp => PageKind::Pdp,
            Level::Pml4 => PageKind::Pml4,
        }
    }

    /// The field's name of a table of this level.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Pt => "PT",
            Level::Pd => "PD",
            Level::Pdp => "PDP",
            Level::Pml4 => "PML4",
        }
    }
}

#[inline]
pub(crate) const fn entry_shift(level: u32) -> u32 {
    PAGE_SHIFT + INDEX_BITS * level
}

/// How many levels an address space has (context descriptor bits 4:3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Levels {
    /// 32-bit legacy: four PDP registers name four page directories.
    Three,
    /// 64-bit legacy: PDP0 names a PML4.
    Four,
}

impl Levels {
    /// 3 or 4.
    pub const fn number(self) -> u32 {
        match self {
            Levels::Three => 3,
            Levels::Four => 4,
        }
    }

    /// 3 or 4 levels; `None` for another number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            3 => Some(Levels::Three),
            4 => Some(Levels::Four),
            _ => None,
        }
    }

    /// Bytes of virtual address space: 4 GiB or 2^48.
    #[inline]
    pub const fn total(self) -> u64 {
        match self {
            Levels::Three => 1 << 32,
            Levels::Four => 1 << VA_BITS,
        }
    }
}

/// Bits of a virtual address that four levels translate; hardware compares only these (PRM Vol 5).
pub const VA_BITS: u32 = 48;

/// What the PDP registers of an engine hold: where a walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageTableRoot {
    /// PDP0..3: physical addresses of four page directories, 1 GiB each.
    ThreeLevel([u64; 4]),
    /// PDP0: physical address of the PML4.
    FourLevel(u64),
}

impl PageTableRoot {
    /// The root that PDP register values mean with this many levels.
    pub const fn from_pdps(levels: Levels, pdps: [u64; 4]) -> Self {
        match levels {
            Levels::Three => PageTableRoot::ThreeLevel(pdps),
            Levels::Four => PageTableRoot::FourLevel(pdps[0]),
        }
    }

    /// The values for PDP0..3; with four levels only the first is used.
    pub const fn pdps(&self) -> [u64; 4] {
        match *self {
            PageTableRoot::ThreeLevel(pdps) => pdps,
            PageTableRoot::FourLevel(pml4) => [pml4, 0, 0, 0],
        }
    }

    /// Three or four levels.
    pub const fn levels(&self) -> Levels {
        match self {
            PageTableRoot::ThreeLevel(_) => Levels::Three,
            PageTableRoot::FourLevel(_) => Levels::Four,
        }
    }

    /// The table pages that the registers name directly: up to four distinct PDs, or the PML4.
    /// Zero registers (never written) are left out.
    pub fn tables(&self) -> impl Iterator<Item = u64> + use<> {
        let pdps = self.pdps().map(|pdp| pdp & ADDRESS_MASK);
        (0..pdps.len())
            .filter(move |&i| pdps[i] != 0 && !pdps[..i].contains(&pdps[i]))
            .map(move |i| pdps[i])
    }
}

/// Whether bits 63:48 of `va` repeat bit 47, as batch and softpin addresses must be given.
pub const fn is_canonical(va: u64) -> bool {
    canonical(va) == va
}

/// The canonical (sign-extended) form of a 48-bit address.
pub const fn canonical(va: u64) -> u64 {
    (((va << (64 - VA_BITS)) as i64) >> (64 - VA_BITS)) as u64
}

/// Bits 47:0 of a canonical address; `None` if it is not canonical. Hardware does not check this
/// (it compares only 47:0); a driver does, at its user interface.
pub const fn strip_canonical(va: u64) -> Option<u64> {
    if is_canonical(va) { Some(va & (Levels::Four.total() - 1)) } else { None }
}

/// Whether `page` can stand in an entry: page-aligned and within 39 bits.
#[inline]
pub(crate) const fn fits_entry(page: u64) -> bool {
    page & !ADDRESS_MASK == 0
}

/// Whether `[va, va + len)` is page-aligned, not empty and below `total`.
pub(crate) const fn is_page_range(va: u64, len: u64, total: u64) -> bool {
    let aligned = (va | len).is_multiple_of(PAGE_SIZE);
    aligned && len != 0 && len <= total && va <= total - len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_each_level_span_what_the_prm_says() {
        let spans = [Level::Pt, Level::Pd, Level::Pdp, Level::Pml4].map(Level::entry_shift);
        assert_eq!(spans, [12, 21, 30, 39]);
        assert_eq!(Level::Pml4.table_shift(), VA_BITS);
    }

    #[test]
    fn canonical_form_repeats_bit_47() {
        assert_eq!(canonical(1 << 47), 0xffff_8000_0000_0000);
        assert_eq!(strip_canonical(0xffff_8000_0000_1000), Some(0x8000_0000_1000));
        assert_eq!(strip_canonical(1 << 47), None);
        assert_eq!(strip_canonical(0x0001_0000_0000_0000), None);
        assert_eq!(strip_canonical((1 << 47) - 1), Some((1 << 47) - 1));
    }

    #[test]
    fn root_names_each_directory_once_and_no_zero() {
        let root = PageTableRoot::ThreeLevel([0x1000, 0x2000, 0x2000, 0]);
        assert!(root.tables().eq([0x1000, 0x2000]));
        assert!(PageTableRoot::FourLevel(0x3000).tables().eq([0x3000]));
    }

    #[test]
    fn page_range_rejects_wrapping_and_unaligned() {
        let total = Levels::Three.total();
        assert!(is_page_range(total - 0x1000, 0x1000, total));
        assert!(!is_page_range(total - 0x1000, 0x2000, total));
        assert!(!is_page_range(0, 0, total));
        assert!(!is_page_range(0x10, 0x1000, total));
        assert!(!is_page_range(u64::MAX - 0xfff, 0x1000, total));
    }
}
