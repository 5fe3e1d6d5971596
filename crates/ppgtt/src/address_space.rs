//! Builds the page tables of one address space, in the manner of the driver of 2015.
//!
//! Tables come on demand when a range is bound and stay until the address space is released:
//! unbinding only rewrites PTEs to scratch. That is why an orphaned VMA costs whole tables.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use gen8_spec::debug_page::PageKind;
use gen8_spec::pte::{CacheLevel, ENTRIES, encode_pte, encode_table};
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};

use crate::allocator::{PageAllocator, TableCounts};
use crate::error::MapError;
use crate::levels::{INDEX_BITS, Level, Levels, PageTableRoot, fits_entry, is_page_range};
use crate::memory::PhysicalMemory;
use crate::scratch::ScratchTree;

/// Table pages of one level, by the number of the table in the address space.
type TableMap = BTreeMap<u64, u64>;

/// The page tables of one address space: which pages they are is kept here, what they say is only
/// in memory, where the GPU reads it.
///
/// Nothing is freed on drop, since the allocator is elsewhere: call [`AddressSpace::release`].
#[derive(Debug)]
pub struct AddressSpace {
    levels: Levels,
    scratch: ScratchTree,
    owns_scratch: bool,
    /// The PML4, with four levels.
    pml4: Option<u64>,
    /// PTs, PDs and (four levels) PDPs: the number of a table is its VA over its span. A table
    /// stays here until it is reclaimed or released, whatever its entries say: this is what i915's
    /// `used_pdes` bitmaps say, which unbinding does not clear either.
    tables: [TableMap; 3],
}

impl AddressSpace {
    /// An empty address space with a (writable) scratch tree of its own, as in 2015.
    pub fn new<M: PhysicalMemory + ?Sized>(
        memory: &M,
        allocator: &mut impl PageAllocator,
        levels: Levels,
    ) -> Result<Self, MapError> {
        let scratch = ScratchTree::build(memory, allocator, levels, false)?;
        Self::build(memory, allocator, scratch, true).inspect_err(|_| scratch.free(allocator))
    }

    /// An empty address space whose unused entries point at `scratch`, which outlives it.
    pub fn with_shared_scratch<M: PhysicalMemory + ?Sized>(
        memory: &M,
        allocator: &mut impl PageAllocator,
        scratch: &ScratchTree,
    ) -> Result<Self, MapError> {
        Self::build(memory, allocator, *scratch, false)
    }

    fn build<M: PhysicalMemory + ?Sized>(
        memory: &M,
        allocator: &mut impl PageAllocator,
        scratch: ScratchTree,
        owns_scratch: bool,
    ) -> Result<Self, MapError> {
        let pml4 = match scratch.levels() {
            Levels::Three => None,
            Levels::Four => {
                let page = allocator.alloc(PageKind::Pml4).ok_or(MapError::OutOfMemory)?;
                if !memory.fill_u64(page, scratch.entry(Level::Pml4), ENTRIES) {
                    allocator.free(page, PageKind::Pml4);
                    return Err(MapError::OutsideRam { page });
                }
                Some(page)
            }
        };
        let levels = scratch.levels();
        Ok(AddressSpace { levels, scratch, owns_scratch, pml4, tables: Default::default() })
    }

    /// Three or four levels.
    pub const fn levels(&self) -> Levels {
        self.levels
    }

    /// Bytes of virtual address space.
    pub const fn total(&self) -> u64 {
        self.levels.total()
    }

    /// The scratch tree in use.
    pub const fn scratch(&self) -> &ScratchTree {
        &self.scratch
    }

    /// What an engine must load to use this address space. With three levels it changes when a
    /// page directory comes or goes.
    pub fn root(&self) -> PageTableRoot {
        match self.pml4 {
            Some(pml4) => PageTableRoot::FourLevel(pml4),
            None => PageTableRoot::ThreeLevel([0, 1, 2, 3].map(|slot| {
                self.tables[Level::Pd as usize].get(&slot).copied().unwrap_or(self.scratch.pd())
            })),
        }
    }

    /// Levels whose tables are pages below the root, top down.
    const fn levels_below_root(&self) -> &'static [Level] {
        match self.levels {
            Levels::Three => &[Level::Pd, Level::Pt],
            Levels::Four => &[Level::Pdp, Level::Pd, Level::Pt],
        }
    }

    /// Makes sure that page tables cover `[va, va + len)`; returns how many tables are new. If
    /// there are any, engines must reload their PDPs (i915 `mark_tlbs_dirty`).
    ///
    /// Two phases, as in i915: everything is allocated before anything is linked, so a failure
    /// frees only what is new and leaves the earlier state as it was.
    pub fn allocate_range<M: PhysicalMemory + ?Sized>(
        &mut self,
        memory: &M,
        allocator: &mut impl PageAllocator,
        va: u64,
        len: u64,
    ) -> Result<usize, MapError> {
        self.check_range(va, len)?;
        let mut new = Vec::new();
        if let Err(error) = self.allocate_missing(memory, allocator, va, len, &mut new) {
            for &(level, _, page) in new.iter().rev() {
                allocator.free(page, level.kind());
            }
            return Err(error);
        }
        for &(level, number, page) in &new {
            self.tables[level as usize].insert(number, page);
        }
        // All are filled with scratch by now: whoever walks meanwhile meets no half-built table.
        for &(level, number, page) in &new {
            self.link(memory, level, number, encode_table(page))?;
        }
        Ok(new.len())
    }

    /// Allocates and fills the tables that `[va, va + len)` lacks, parents first.
    fn allocate_missing<M: PhysicalMemory + ?Sized>(
        &self,
        memory: &M,
        allocator: &mut impl PageAllocator,
        va: u64,
        len: u64,
        new: &mut Vec<(Level, u64, u64)>,
    ) -> Result<(), MapError> {
        for &level in self.levels_below_root() {
            let shift = level.table_shift();
            for number in va >> shift..=(va + len - 1) >> shift {
                if self.tables[level as usize].contains_key(&number) {
                    continue;
                }
                let page = allocator.alloc(level.kind()).ok_or(MapError::OutOfMemory)?;
                new.push((level, number, page));
                if !memory.fill_u64(page, self.scratch.entry(level), ENTRIES) {
                    return Err(MapError::OutsideRam { page });
                }
            }
        }
        Ok(())
    }

    /// Writes the entry for table `number` of `level` into its parent. The directories of three
    /// levels have none: [`AddressSpace::root`] names them.
    fn link<M: PhysicalMemory + ?Sized>(
        &self,
        memory: &M,
        level: Level,
        number: u64,
        entry: u64,
    ) -> Result<(), MapError> {
        let parent = match level {
            Level::Pt | Level::Pd => {
                self.tables[level as usize + 1].get(&(number >> INDEX_BITS)).copied()
            }
            Level::Pdp | Level::Pml4 => self.pml4,
        };
        let Some(parent) = parent else { return Ok(()) };
        let index = number & (ENTRIES as u64 - 1);
        if memory.write_u64(parent + 8 * index, entry) {
            Ok(())
        } else {
            Err(MapError::OutsideRam { page: parent })
        }
    }

    /// Maps `pages` from `va` on; returns the bytes mapped. All pages are checked before the first
    /// PTE is written. Mapping over a mapped page replaces it. Engines that used the range must
    /// invalidate their TLBs.
    pub fn insert<M, I>(
        &mut self,
        memory: &M,
        va: u64,
        pages: I,
        cache: CacheLevel,
        read_only: bool,
    ) -> Result<u64, MapError>
    where
        M: PhysicalMemory + ?Sized,
        I: IntoIterator<Item = u64, IntoIter: Clone>,
    {
        let mut pages = pages.into_iter();
        let mut len = 0;
        for page in pages.clone() {
            if !fits_entry(page) {
                return Err(MapError::BadPage { page });
            }
            len += PAGE_SIZE;
        }
        self.check_range(va, len)?;
        self.check_allocated(va, len)?;

        let template = encode_pte(0, cache, read_only);
        let mut buffer = [0; ENTRIES];
        for (table, first, count) in self.table_parts(va, len) {
            for (pte, page) in buffer[..count].iter_mut().zip(&mut pages) {
                *pte = template | page;
            }
            if !memory.write_u64s(table + 8 * first as u64, &buffer[..count]) {
                return Err(MapError::OutsideRam { page: table });
            }
        }
        Ok(len)
    }

    /// Points the PTEs of `[va, va + len)` at scratch. Tables stay, as they did in 2015; parts
    /// without a table have nothing to clear. Engines that used the range must invalidate their
    /// TLBs before the pages get another use.
    pub fn clear_range<M: PhysicalMemory + ?Sized>(
        &mut self,
        memory: &M,
        va: u64,
        len: u64,
    ) -> Result<(), MapError> {
        self.check_range(va, len)?;
        let scratch = self.scratch.entry(Level::Pt);
        for (table, first, count) in self.table_parts(va, len) {
            if !memory.fill_u64(table + 8 * first as u64, scratch, count) {
                return Err(MapError::OutsideRam { page: table });
            }
        }
        Ok(())
    }

    /// The page tables that exist in `[va, va + len)`: table, first entry, number of entries.
    fn table_parts(&self, va: u64, len: u64) -> impl Iterator<Item = (u64, usize, usize)> + '_ {
        let shift = Level::Pt.table_shift();
        let end = va + len;
        let numbers = va >> shift..=(end - 1) >> shift;
        self.tables[Level::Pt as usize].range(numbers).map(move |(&number, &table)| {
            let start = va.max(number << shift);
            let stop = end.min((number + 1) << shift);
            (table, Level::Pt.index(start), ((stop - start) >> PAGE_SHIFT) as usize)
        })
    }

    fn check_range(&self, va: u64, len: u64) -> Result<(), MapError> {
        if is_page_range(va, len, self.total()) {
            Ok(())
        } else {
            Err(MapError::BadRange { va, len })
        }
    }

    fn check_allocated(&self, va: u64, len: u64) -> Result<(), MapError> {
        let shift = Level::Pt.table_shift();
        let mut expected = va >> shift;
        let numbers = expected..=(va + len - 1) >> shift;
        let last = *numbers.end();
        for &number in self.tables[Level::Pt as usize].range(numbers).map(|(number, _)| number) {
            if number != expected {
                break;
            }
            expected += 1;
        }
        if expected > last {
            Ok(())
        } else {
            Err(MapError::NotAllocated { va: va.max(expected << shift) })
        }
    }

    /// Frees the tables whose entries all are scratch; returns how many. The driver of 2015 did
    /// not do it. No engine may have the range in a TLB or in flight, and with three levels the
    /// PDPs must be reloaded.
    pub fn reclaim_empty<M: PhysicalMemory + ?Sized>(
        &mut self,
        memory: &M,
        allocator: &mut impl PageAllocator,
    ) -> Result<usize, MapError> {
        let mut freed = 0;
        for &level in self.levels_below_root().iter().rev() {
            for (number, page) in self.empty_tables(memory, level)? {
                self.link(memory, level, number, self.unused_parent_entry(level))?;
                self.tables[level as usize].remove(&number);
                allocator.free(page, level.kind());
                freed += 1;
            }
        }
        Ok(freed)
    }

    /// What the parent of a table of `level` holds when there is no such table.
    const fn unused_parent_entry(&self, level: Level) -> u64 {
        self.scratch.entry(match level {
            Level::Pt => Level::Pd,
            Level::Pd => Level::Pdp,
            Level::Pdp | Level::Pml4 => Level::Pml4,
        })
    }

    fn empty_tables<M: PhysicalMemory + ?Sized>(
        &self,
        memory: &M,
        level: Level,
    ) -> Result<Vec<(u64, u64)>, MapError> {
        let scratch = self.scratch.entry(level);
        let mut entries = [0; ENTRIES];
        let mut empty = Vec::new();
        for (&number, &page) in &self.tables[level as usize] {
            if !memory.read_table(page, &mut entries) {
                return Err(MapError::OutsideRam { page });
            }
            if entries.iter().all(|&entry| entry == scratch) {
                empty.push((number, page));
            }
        }
        Ok(empty)
    }

    /// Frees every page: tables top down, then the scratch tree if it is this address space's own.
    /// No engine may have the root loaded.
    pub fn release(self, allocator: &mut impl PageAllocator) {
        self.release_where(allocator, |_| true);
    }

    /// A defect for the test suite (mutation check "one page-table page not freed"): like
    /// [`AddressSpace::release`], but one page is forgotten, which is returned. A page table if
    /// there is one, else the scratch page.
    pub fn release_except_one(self, allocator: &mut impl PageAllocator) -> u64 {
        let forgotten =
            self.tables[Level::Pt as usize].values().next().copied().unwrap_or(self.scratch.page());
        self.release_where(allocator, |page| page != forgotten);
        forgotten
    }

    /// The page table that maps `va`, if there is one.
    pub fn table_of(&self, va: u64) -> Option<u64> {
        self.tables[Level::Pt as usize].get(&(va >> Level::Pt.table_shift())).copied()
    }

    /// A defect for the test suite (a page table freed while it is about to be filled): `page` is the
    /// page table of `va` from now on, whoever owns it.
    pub fn adopt_table<M: PhysicalMemory + ?Sized>(
        &mut self,
        memory: &M,
        va: u64,
        page: u64,
    ) -> Result<(), MapError> {
        let number = va >> Level::Pt.table_shift();
        self.tables[Level::Pt as usize].insert(number, page);
        self.link(memory, Level::Pt, number, encode_table(page))
    }

    fn release_where(self, allocator: &mut impl PageAllocator, frees: impl Fn(u64) -> bool) {
        let mut pages: Vec<_> = self.pages().collect();
        pages.retain(|&(_, page)| frees(page));
        for (kind, page) in pages {
            allocator.free(page, kind);
        }
    }

    /// All pages that this address space owns, top down, scratch last.
    pub fn pages(&self) -> impl Iterator<Item = (PageKind, u64)> + '_ {
        let root = self.pml4.map(|page| (PageKind::Pml4, page));
        let below = self.levels_below_root().iter().flat_map(|&level| {
            self.tables[level as usize].values().map(move |&page| (level.kind(), page))
        });
        let scratch = self.owns_scratch.then(|| self.scratch.pages()).into_iter().flatten();
        root.into_iter().chain(below).chain(scratch)
    }

    /// Pages that this address space owns, by kind.
    pub fn tables(&self) -> TableCounts {
        let mut counts = TableCounts::default();
        self.pages().for_each(|(kind, _)| counts.add(kind));
        counts
    }

    /// Number of pages that this address space owns.
    pub fn page_count(&self) -> usize {
        self.tables().total()
    }
}
