//! The walk: from a virtual address to a physical one, with a typed fault for every way to fail.

use alloc::vec::Vec;
use core::cell::RefCell;

use gen8_spec::pte::{ADDRESS_MASK, PAGE_SIZE_BIT, PRESENT, WRITABLE, pat_index};

use crate::levels::{INDEX_BITS, Level, Levels, PageTableRoot, VA_BITS, entry_shift};
use crate::memory::PhysicalMemory;

/// What the device wants to do at the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read or instruction fetch.
    Read,
    /// Write.
    Write,
}

/// A translated address. Valid for the whole page of `1 << page_shift` bytes around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Translation {
    /// Physical byte address, offset in the page included. It need not lie in RAM.
    pub physical: u64,
    /// log2 of the page: 12, 21 or 30.
    pub page_shift: u32,
    /// Whether writes arrive; otherwise hardware drops them silently.
    pub writable: bool,
    /// Index in the PAT registers 0x40e0/0x40e4.
    pub pat_index: u32,
    /// The leaf entry as read.
    pub pte: u64,
    /// Physical address of the leaf entry.
    pub pte_address: u64,
}

impl Translation {
    /// Physical address of the first byte of the page.
    #[inline]
    pub const fn page(&self) -> u64 {
        self.physical & !((1 << self.page_shift) - 1)
    }
}

/// Why an address has no translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WalkFault {
    /// A three-level address space ends at 4 GiB.
    #[error("address {va:#x} is beyond the 4 GiB of three levels")]
    BeyondRange {
        /// The address.
        va: u64,
    },
    /// An entry has its present bit clear.
    #[error("{} entry {entry:#x} at {entry_address:#x} is not present", level.name())]
    NotPresent {
        /// Level of the entry.
        level: Level,
        /// The entry as read.
        entry: u64,
        /// Its physical address.
        entry_address: u64,
    },
    /// A table, or the root itself, lies outside RAM.
    #[error("{} at {:#x} is outside RAM", level.name(), entry_address & !0xfff)]
    TableOutsideRam {
        /// Level of the table.
        level: Level,
        /// Physical address of the entry that could not be read.
        entry_address: u64,
    },
    /// A write met a cleared R/W bit. Not a fault for hardware: it drops the write (i915
    /// `has_read_only`; the translation tells where it would have gone).
    #[error("{:#x} is read-only, PTE {:#x}", translation.physical, translation.pte)]
    ReadOnly {
        /// The translation, for a device that drops the write and goes on.
        translation: Translation,
    },
}

impl WalkFault {
    /// Level for the fault register (bits 2:1 of 0x4094): that of the entry that failed.
    pub const fn level(&self) -> u32 {
        match self {
            WalkFault::BeyondRange { .. } => Level::Pdp.number(),
            WalkFault::NotPresent { level, .. } | WalkFault::TableOutsideRam { level, .. } => {
                level.number()
            }
            WalkFault::ReadOnly { .. } => Level::Pt.number(),
        }
    }

    /// The entry as read; 0 where none was readable.
    pub const fn entry(&self) -> u64 {
        match self {
            WalkFault::NotPresent { entry, .. } => *entry,
            WalkFault::ReadOnly { translation } => translation.pte,
            WalkFault::BeyondRange { .. } | WalkFault::TableOutsideRam { .. } => 0,
        }
    }

    /// Whether hardware drops the access without a fault (a write to a read-only page).
    pub const fn is_silent(&self) -> bool {
        matches!(self, WalkFault::ReadOnly { .. })
    }
}

/// Translates `va`, as the page walker of an engine does (PRM Vol 5, legacy contexts).
///
/// With four levels bits 63:48 of `va` are ignored. Entry bits above the 39-bit physical address
/// are ignored as well. The R/W bit is the AND over all levels, as in IA-32e paging, from which
/// the format is taken; i915 clears it in PTEs only.
#[inline]
pub fn walk<M: PhysicalMemory + ?Sized>(
    memory: &M,
    root: &PageTableRoot,
    va: u64,
    access: Access,
) -> Result<Translation, WalkFault> {
    let (table, level, va) = start(root, va)?;
    let translation = descend(memory, table, level, va)?;
    if access == Access::Write && !translation.writable {
        return Err(WalkFault::ReadOnly { translation });
    }
    Ok(translation)
}

/// A walk and the entries that it read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Physical address and value of each entry, from the root on; one outside RAM has no value.
    pub entries: Vec<(u64, Option<u64>)>,
    /// What came of it.
    pub result: Result<Translation, WalkFault>,
}

/// Walks as [`walk`] does for a read, and notes the entries on the way.
pub fn trace<M: PhysicalMemory + ?Sized>(memory: &M, root: &PageTableRoot, va: u64) -> Trace {
    let notes = Notes { memory, read: RefCell::default() };
    let result = walk(&notes, root, va, Access::Read);
    Trace { entries: notes.read.into_inner(), result }
}

/// Memory that notes which entries are read, and is not written.
struct Notes<'a, M: ?Sized> {
    memory: &'a M,
    read: RefCell<Vec<(u64, Option<u64>)>>,
}

impl<M: PhysicalMemory + ?Sized> PhysicalMemory for Notes<'_, M> {
    fn read_u64(&self, address: u64) -> Option<u64> {
        let entry = self.memory.read_u64(address);
        self.read.borrow_mut().push((address, entry));
        entry
    }
    fn write_u64(&self, _: u64, _: u64) -> bool {
        false
    }
    fn read_u32(&self, address: u64) -> Option<u32> {
        self.memory.read_u32(address)
    }
    fn write_u32(&self, _: u64, _: u32) -> bool {
        false
    }
}

/// The first table that memory holds, its level, and the address bits that count.
#[inline]
fn start(root: &PageTableRoot, va: u64) -> Result<(u64, u32, u64), WalkFault> {
    match root {
        PageTableRoot::FourLevel(pml4) => {
            Ok((pml4 & ADDRESS_MASK, Level::Pml4.number(), va & ((1 << VA_BITS) - 1)))
        }
        PageTableRoot::ThreeLevel(pdps) => {
            if va >= Levels::Three.total() {
                return Err(WalkFault::BeyondRange { va });
            }
            let pdp = pdps[(va >> Level::Pdp.entry_shift()) as usize & 3];
            Ok((pdp & ADDRESS_MASK, Level::Pd.number(), va))
        }
    }
}

#[inline]
fn descend<M: PhysicalMemory + ?Sized>(
    memory: &M,
    mut table: u64,
    mut level: u32,
    va: u64,
) -> Result<Translation, WalkFault> {
    let mut rights = WRITABLE;
    loop {
        let shift = entry_shift(level);
        let index = (va >> shift) & ((1 << INDEX_BITS) - 1);
        let entry_address = table + 8 * index;
        let Some(entry) = memory.read_u64(entry_address) else {
            return Err(outside_ram(level, entry_address));
        };
        if entry & PRESENT == 0 {
            return Err(not_present(level, entry, entry_address));
        }
        rights &= entry;
        if is_leaf(level, entry) {
            let offset = va & ((1 << shift) - 1);
            return Ok(Translation {
                physical: leaf_page(level, entry) | offset,
                page_shift: shift,
                writable: rights & WRITABLE != 0,
                pat_index: leaf_pat_index(level, entry),
                pte: entry,
                pte_address: entry_address,
            });
        }
        table = entry & ADDRESS_MASK;
        level -= 1;
    }
}

#[cold]
fn outside_ram(level: u32, entry_address: u64) -> WalkFault {
    WalkFault::TableOutsideRam { level: Level::from_number(level), entry_address }
}

#[cold]
fn not_present(level: u32, entry: u64, entry_address: u64) -> WalkFault {
    WalkFault::NotPresent { level: Level::from_number(level), entry, entry_address }
}

/// Whether a present entry of this level maps memory and does not name a table. Bit 7 of a PML4E
/// must be zero and is not looked at.
#[inline]
pub(crate) const fn is_leaf(level: u32, entry: u64) -> bool {
    level == 0 || (level < Level::Pml4.number() && entry & PAGE_SIZE_BIT != 0)
}

/// Physical address of the page that a leaf entry maps.
#[inline]
pub(crate) const fn leaf_page(level: u32, entry: u64) -> u64 {
    entry & ADDRESS_MASK & !((1 << entry_shift(level)) - 1)
}

/// PAT index of a leaf. In a large page bit 7 is the page size and the PAT bit moves to bit 12, as
/// in IA-32e; i915 never maps large pages on Broadwell.
#[inline]
const fn leaf_pat_index(level: u32, entry: u64) -> u32 {
    if level == 0 {
        pat_index(entry)
    } else {
        pat_index((entry & !PAGE_SIZE_BIT) | ((entry >> 12 & 1) << 7))
    }
}

/// The page that a GGTT PTE maps; `None` if it is not present. Everything but the present bit and
/// the address is ignored on Broadwell, and nothing is read-only.
#[inline]
pub const fn ggtt_page(pte: u64) -> Option<u64> {
    if pte & PRESENT != 0 { Some(pte & ADDRESS_MASK) } else { None }
}

#[cfg(test)]
mod tests {
    use gen8_spec::pte::{CacheLevel, encode_ggtt_pte, encode_pte, encode_table};

    use super::*;
    use crate::test_memory::Ram;

    const VA: u64 = 0x0000_8081_8283_8484;

    /// PML4 at 0x1000, PDP at 0x2000, PD at 0x3000, PT at 0x4000, page at 0x5000.
    fn four_levels(pte: u64) -> (Ram, PageTableRoot) {
        let ram = Ram::new(8);
        for page in 1..=4 {
            assert!(ram.fill_u64(page << 12, 0, 512));
        }
        let tables = [(Level::Pml4, 0x2000), (Level::Pdp, 0x3000), (Level::Pd, 0x4000)];
        for (level, next) in tables {
            set(&ram, level, encode_table(next));
        }
        set(&ram, Level::Pt, pte);
        (ram, PageTableRoot::FourLevel(0x1000))
    }

    fn entry_address(level: Level) -> u64 {
        let table = 0x4000 - (u64::from(level.number()) << 12);
        table + 8 * level.index(VA) as u64
    }

    fn set(ram: &Ram, level: Level, entry: u64) {
        assert!(ram.write_u64(entry_address(level), entry));
    }

    #[test]
    fn a_trace_has_every_entry_from_the_root_on() {
        let pte = encode_pte(0x5000, CacheLevel::Uncached, false);
        let (ram, root) = four_levels(pte);
        let found = trace(&ram, &root, VA);
        let tables = [(Level::Pml4, 0x2000), (Level::Pdp, 0x3000), (Level::Pd, 0x4000)];
        let mut expected: Vec<_> =
            tables.map(|(level, next)| (entry_address(level), Some(encode_table(next)))).to_vec();
        expected.push((entry_address(Level::Pt), Some(pte)));
        assert_eq!(found.entries, expected);
        assert_eq!(found.result, walk(&ram, &root, VA, Access::Read));
        set(&ram, Level::Pd, 0);
        let cut = trace(&ram, &root, VA);
        assert_eq!(cut.entries.len(), 3);
        assert!(cut.result.is_err());
    }

    #[test]
    fn four_levels_lead_to_the_byte() {
        let pte = encode_pte(0x5000, CacheLevel::Uncached, false);
        let (ram, root) = four_levels(pte);
        let translation = walk(&ram, &root, VA, Access::Write);
        let expected = Translation {
            physical: 0x5484,
            page_shift: 12,
            writable: true,
            pat_index: 3,
            pte,
            pte_address: entry_address(Level::Pt),
        };
        assert_eq!(translation, Ok(expected));
        assert_eq!(expected.page(), 0x5000);
    }

    #[test]
    fn bits_above_47_do_not_count() {
        let (ram, root) = four_levels(encode_pte(0x5000, CacheLevel::Llc, false));
        let plain = walk(&ram, &root, VA, Access::Read);
        assert!(plain.is_ok());
        assert_eq!(walk(&ram, &root, crate::canonical(VA), Access::Read), plain);
        assert_eq!(walk(&ram, &root, VA | 0x1234 << 48, Access::Read), plain);
    }

    #[test]
    fn a_cleared_entry_names_its_level() {
        for level in [Level::Pml4, Level::Pdp, Level::Pd, Level::Pt] {
            let (ram, root) = four_levels(encode_pte(0x5000, CacheLevel::Llc, false));
            set(&ram, level, 0x7000);
            let fault =
                WalkFault::NotPresent { level, entry: 0x7000, entry_address: entry_address(level) };
            assert_eq!(walk(&ram, &root, VA, Access::Read), Err(fault));
            assert_eq!((fault.level(), fault.entry()), (level.number(), 0x7000));
        }
    }

    #[test]
    fn a_table_outside_ram_names_its_level() {
        for (above, level) in [(Level::Pml4, Level::Pdp), (Level::Pd, Level::Pt)] {
            let (ram, root) = four_levels(0);
            set(&ram, above, encode_table(0x70_0000_0000));
            let entry_address = 0x70_0000_0000 + 8 * level.index(VA) as u64;
            let fault = WalkFault::TableOutsideRam { level, entry_address };
            assert_eq!(walk(&ram, &root, VA, Access::Read), Err(fault));
        }
        let ram = Ram::new(1);
        let fault = walk(&ram, &PageTableRoot::FourLevel(0x1000), 0, Access::Read);
        let entry_address = 0x1000;
        assert_eq!(fault, Err(WalkFault::TableOutsideRam { level: Level::Pml4, entry_address }));
    }

    #[test]
    fn a_write_to_a_read_only_page_is_no_fault_but_is_told() {
        let pte = encode_pte(0x5000, CacheLevel::Llc, true);
        let (ram, root) = four_levels(pte);
        let read = walk(&ram, &root, VA, Access::Read);
        let Err(fault) = walk(&ram, &root, VA, Access::Write) else {
            panic!("the write must not get through");
        };
        assert!(fault.is_silent());
        assert_eq!(Some(fault), read.ok().map(|translation| WalkFault::ReadOnly { translation }));
    }

    #[test]
    fn a_read_only_directory_makes_its_pages_read_only() {
        let (ram, root) = four_levels(encode_pte(0x5000, CacheLevel::Llc, false));
        set(&ram, Level::Pd, encode_table(0x4000) & !WRITABLE);
        assert!(walk(&ram, &root, VA, Access::Write).is_err_and(|fault| fault.is_silent()));
    }

    #[test]
    fn large_pages_keep_the_offset_and_move_the_pat_bit() {
        let (ram, root) = four_levels(0);
        let pde = 0x1234_5678_9000 & ADDRESS_MASK | PRESENT | PAGE_SIZE_BIT | 1 << 12;
        set(&ram, Level::Pd, pde);
        let Ok(translation) = walk(&ram, &root, VA, Access::Read) else {
            panic!("a 2 MiB page translates");
        };
        assert_eq!(translation.page_shift, 21);
        assert_eq!(translation.page(), pde & ADDRESS_MASK & !0x1f_ffff);
        assert_eq!(translation.physical & 0x1f_ffff, VA & 0x1f_ffff);
        assert_eq!(translation.pat_index, 4);
        assert!(!translation.writable);

        set(&ram, Level::Pdp, 0x40_0000_0000 | PRESENT | WRITABLE | PAGE_SIZE_BIT);
        let huge = walk(&ram, &root, VA, Access::Write);
        assert!(huge.is_ok_and(|t| t.page_shift == 30 && t.page() == 0x40_0000_0000));
    }

    #[test]
    fn three_levels_begin_at_the_register_and_end_at_4_gib() {
        let ram = Ram::new(8);
        let va = 0xc000_0000;
        assert!(ram.write_u64(0x1000, encode_table(0x2000)));
        assert!(ram.write_u64(0x2000, encode_pte(0x3000, CacheLevel::Llc, false)));
        let root = PageTableRoot::ThreeLevel([0x60_0000_0000, 0, 0, 0x1000]);
        assert!(walk(&ram, &root, va, Access::Read).is_ok_and(|t| t.physical == 0x3000));
        assert_eq!(
            walk(&ram, &root, 0, Access::Read),
            Err(WalkFault::TableOutsideRam { level: Level::Pd, entry_address: 0x60_0000_0000 })
        );
        for beyond in [1 << 32, 1 << 47, u64::MAX] {
            let fault = walk(&ram, &root, beyond, Access::Read);
            assert_eq!(fault, Err(WalkFault::BeyondRange { va: beyond }));
        }
    }

    #[test]
    fn a_table_that_names_itself_ends_the_walk() {
        let ram = Ram::new(2);
        assert!(ram.fill_u64(0x1000, encode_table(0x1000), 512));
        let root = PageTableRoot::FourLevel(0x1000);
        assert!(walk(&ram, &root, VA, Access::Read).is_ok_and(|t| t.page() == 0x1000));
    }

    #[test]
    fn ggtt_looks_at_the_present_bit_and_the_address_only() {
        assert_eq!(ggtt_page(encode_ggtt_pte(0x12_3000)), Some(0x12_3000));
        assert_eq!(ggtt_page(0xff80_0000_0012_3ffe), None);
        assert_eq!(ggtt_page(0xff80_0000_0012_3fff), Some(0x12_3000));
    }
}
