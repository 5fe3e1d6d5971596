//! The scratch tree: what unused entries of every level point at, so that a stray access of the
//! GPU always lands on a harmless page (i915 `gen8_init_scratch`).

use gen8_spec::debug_page::PageKind;
use gen8_spec::pte::{CacheLevel, ENTRIES, encode_pte, encode_scratch_table};

use crate::allocator::PageAllocator;
use crate::error::MapError;
use crate::levels::{Level, Levels};
use crate::memory::PhysicalMemory;

/// One scratch page and one scratch table for each level below the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScratchTree {
    page: u64,
    read_only: bool,
    /// Scratch PT, PD and, with four levels, PDP.
    tables: [u64; 3],
    levels: Levels,
}

impl ScratchTree {
    /// Builds a tree for address spaces with this many levels.
    ///
    /// A tree that several address spaces share must be `read_only`, or what one writes through a
    /// stray address another can read (Linux 25de7442d). A tree of one address space is writable,
    /// as in the driver of 2015.
    pub fn build<M: PhysicalMemory + ?Sized>(
        memory: &M,
        allocator: &mut impl PageAllocator,
        levels: Levels,
        read_only: bool,
    ) -> Result<Self, MapError> {
        let page = allocator.alloc(PageKind::ScratchPage).ok_or(MapError::OutOfMemory)?;
        let mut tree = ScratchTree { page, read_only, tables: [0; 3], levels };
        let mut built = Ok(());
        if !memory.fill_u64(page, 0, ENTRIES) {
            built = Err(MapError::OutsideRam { page });
        }
        let mut tables = 0;
        while built.is_ok() && tables < tree.table_count() {
            match allocator.alloc(PageKind::ScratchTable) {
                Some(table) => {
                    tree.tables[tables] = table;
                    let entry = tree.entry(Level::from_number(tables as u32));
                    tables += 1;
                    if !memory.fill_u64(table, entry, ENTRIES) {
                        built = Err(MapError::OutsideRam { page: table });
                    }
                }
                None => built = Err(MapError::OutOfMemory),
            }
        }
        if let Err(error) = built {
            tree.free_tables(allocator, tables);
            return Err(error);
        }
        Ok(tree)
    }

    /// Frees the pages, top down. Nothing may point at them any more.
    pub fn free(self, allocator: &mut impl PageAllocator) {
        self.free_tables(allocator, self.table_count());
    }

    fn free_tables(&self, allocator: &mut impl PageAllocator, count: usize) {
        for &table in self.tables[..count].iter().rev() {
            allocator.free(table, PageKind::ScratchTable);
        }
        allocator.free(self.page, PageKind::ScratchPage);
    }

    const fn table_count(&self) -> usize {
        match self.levels {
            Levels::Three => 2,
            Levels::Four => 3,
        }
    }

    /// Number of levels that the tree serves.
    pub const fn levels(&self) -> Levels {
        self.levels
    }

    /// The scratch data page.
    pub const fn page(&self) -> u64 {
        self.page
    }

    /// The scratch PD, which the unused PDP registers of a three-level address space hold.
    pub(crate) const fn pd(&self) -> u64 {
        self.tables[Level::Pd as usize]
    }

    /// What an unused entry in a table of this level holds.
    pub const fn entry(&self, level: Level) -> u64 {
        match level {
            Level::Pt => encode_pte(self.page, CacheLevel::Llc, self.read_only),
            _ => encode_scratch_table(self.tables[level as usize - 1]),
        }
    }

    /// All pages with their kinds.
    pub fn pages(&self) -> impl Iterator<Item = (PageKind, u64)> + '_ {
        let tables = &self.tables[..self.table_count()];
        core::iter::once((PageKind::ScratchPage, self.page))
            .chain(tables.iter().map(|&table| (PageKind::ScratchTable, table)))
    }
}
