//! Page tables of an address space: allocating them, writing and clearing PTEs.

use alloc::vec::Vec;

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::pte::CacheLevel;
use ppgtt::{AddressSpace, Level, MapError, PageAllocator};

use crate::address_space::Vm;
use crate::api::FaultInjection;
use crate::bug::Bug;
use crate::error::Error;
use crate::findings::Finding;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::object::Object;
use crate::slab::Id;

/// Gives page-table code pages from a small stock, since memory and allocator are one platform,
/// which cannot be borrowed twice. Use is hinted afterwards.
#[derive(Default)]
pub(crate) struct Stock {
    pages: Vec<u64>,
    used: Vec<(u64, PageKind)>,
    freed: Vec<u64>,
}

impl PageAllocator for Stock {
    fn alloc(&mut self, kind: PageKind) -> Option<u64> {
        let page = self.pages.pop()?;
        self.used.push((page, kind));
        Some(page)
    }

    fn free(&mut self, page: u64, _kind: PageKind) {
        match self.used.iter().position(|&(used, _)| used == page) {
            Some(index) => {
                self.used.swap_remove(index);
                self.pages.push(page);
            }
            None => self.freed.push(page),
        }
    }
}

/// log2 of the bytes that one page table maps.
const PT_SPAN_SHIFT: u32 = Level::Pt.table_shift();

/// Tables that `[start, start + size)` can need at most, in any depth.
const fn tables_for(start: u64, size: u64) -> u64 {
    let last = start + size - 1;
    let mut tables = 0;
    let mut shift = 21;
    while shift <= 39 {
        tables += (last >> shift) - (start >> shift) + 1;
        shift += 9;
    }
    tables
}

/// The range in pieces of a page table each.
fn table_spans(start: u64, size: u64) -> impl Iterator<Item = (u64, u64)> {
    let end = start + size;
    let span_end = move |va: u64| (((va >> PT_SPAN_SHIFT) + 1) << PT_SPAN_SHIFT).min(end);
    let first = (start < end).then_some(start);
    core::iter::successors(first, move |&va| Some(span_end(va)).filter(|&next| next < end))
        .map(move |va| (va, span_end(va) - va))
}

impl<H: Hardware> Gem<H> {
    /// Runs page-table code with a stock of `count` pages; what it used is hinted as `vm`'s, the
    /// rest goes back.
    pub(crate) fn with_stock<R>(
        &mut self,
        vm: u32,
        count: u64,
        body: impl FnOnce(&H::Memory, &mut Stock) -> Result<R, MapError>,
    ) -> Result<R, Error> {
        let mut stock = Stock::default();
        for _ in 0..count {
            let Some(page) = self.hw.alloc_page(PageKind::Global, 0) else { break };
            stock.pages.push(page);
        }
        let result = body(self.hw.memory(), &mut stock);
        for (page, kind) in stock.used {
            self.hw.hint(Hint::PageOwned { page, kind, owner: vm });
        }
        for page in stock.pages.into_iter().chain(stock.freed) {
            self.hw.free_page(page);
        }
        Ok(result?)
    }

    /// Frees what a piece of page-table code gave back.
    pub(crate) fn empty_stock(&mut self, stock: Stock) {
        stock.freed.into_iter().for_each(|page| self.hw.free_page(page));
    }

    /// Page tables for `[start, start + size)`: allocated on demand, never given back before the
    /// address space goes. Then the PTEs.
    pub(crate) fn vm_map(
        &mut self,
        vm: Id<Vm>,
        object: Id<Object>,
        start: u64,
        size: u64,
    ) -> Result<(), Error> {
        if self.take_fault(FaultInjection::PageTableAlloc) {
            return Err(Error::NoMemory);
        }
        let new = match self.take_fault(FaultInjection::LowMemory) {
            true => self.vm_cover_with_low_memory(vm, start, size)?,
            false => self.vm_cover(vm, start, size)?,
        };
        let record = self.objects.get_mut(object)?;
        record.was_mapped = true;
        let pages = record.backing.iter().copied();
        let space = self.vms.get_mut(vm)?;
        let tables = space.tables.as_mut().ok_or(Error::Invalid)?;
        tables.insert(self.hw.memory(), start, pages, CacheLevel::Llc, false)?;
        if new > 0 && !self.config.has(Bug::PdpChangeNotMarkedDirty) {
            space.dirty_engines = u32::MAX;
        }
        Ok(())
    }

    /// Makes sure that tables cover the range; returns how many are new.
    fn vm_cover(&mut self, vm: Id<Vm>, start: u64, size: u64) -> Result<usize, Error> {
        let space = self.vms.get_mut(vm)?;
        let number = space.number;
        let mut tables = space.tables.take().ok_or(Error::Invalid)?;
        let covered = tables.allocate_range(self.hw.memory(), &mut Stock::default(), start, size);
        let new = match covered {
            Err(MapError::OutOfMemory) => {
                self.with_stock(number, tables_for(start, size), |m, s| {
                    tables.allocate_range(m, s, start, size)
                })
            }
            other => other.map_err(Error::from),
        };
        self.vms.get_mut(vm)?.tables = Some(tables);
        new
    }

    /// The same when memory gets short after the first table: the allocation of each other one runs
    /// the shrinker, which may unbind in this very address space, while tables of the range stand
    /// there empty. Entries lead to the tables once all are there (two phases, as in i915).
    fn vm_cover_with_low_memory(
        &mut self,
        vm: Id<Vm>,
        start: u64,
        size: u64,
    ) -> Result<usize, Error> {
        let mut new = 0;
        let mut given = Vec::new();
        for (va, len) in table_spans(start, size) {
            if !given.is_empty() {
                self.shrink(true, true, false)?;
            }
            new += self.vm_cover(vm, va, len)?;
            given.push((va, self.vm_tables(vm)?.table_of(va)));
        }
        for (va, table) in given {
            if let Some(table) = table
                && self.vm_tables(vm)?.table_of(va).is_none()
            {
                // The shrinker has freed it; the era's second phase did not look.
                let space = self.vms.get_mut(vm)?;
                let tables = space.tables.as_mut().ok_or(Error::Invalid)?;
                tables.adopt_table(self.hw.memory(), va, table)?;
            }
        }
        Ok(new)
    }

    fn vm_tables(&self, vm: Id<Vm>) -> Result<&AddressSpace, Error> {
        self.vms.get(vm)?.tables.as_ref().ok_or(Error::Invalid)
    }

    /// Points the PTEs of a range at scratch. The page-table pages stay.
    pub(crate) fn vm_clear(&mut self, vm: Id<Vm>, start: u64, size: u64) {
        if self.config.mutations.skip_pte_clear {
            return;
        }
        let Ok(record) = self.vms.get_mut(vm) else { return };
        let cleared = record
            .tables
            .as_mut()
            .map_or(Ok(()), |tables| tables.clear_range(self.hw.memory(), start, size));
        if cleared.is_err() {
            self.report(Finding::Assertion("clear_range outside the address space"));
        }
        if self.config.has(Bug::ShrinkerFreesTablesInAllocation) {
            self.vm_reclaim(vm);
        }
    }

    /// Frees the page tables that unbinding left empty.
    fn vm_reclaim(&mut self, vm: Id<Vm>) {
        let mut stock = Stock::default();
        let Ok(record) = self.vms.get_mut(vm) else { return };
        if let Some(tables) = record.tables.as_mut()
            && tables.reclaim_empty(self.hw.memory(), &mut stock).is_err()
        {
            self.report(Finding::Assertion("empty page tables outside RAM"));
        }
        self.empty_stock(stock);
    }
}

#[cfg(test)]
mod tests {
    use super::{table_spans, tables_for};

    #[test]
    fn one_page_needs_one_table_per_level_and_a_boundary_one_more() {
        assert_eq!(tables_for(0x4_0000, 0x1000), 3);
        assert_eq!(tables_for(0x1f_f000, 0x2000), 4);
        assert_eq!(tables_for(0x3fff_f000, 0x2000), 5);
    }

    #[test]
    fn a_range_is_cut_at_the_borders_of_page_tables() {
        let spans = |start, size| table_spans(start, size).collect::<alloc::vec::Vec<_>>();
        assert_eq!(spans(0x4_0000, 0x1000), [(0x4_0000, 0x1000)]);
        assert_eq!(spans(0x1f_f000, 0x2000), [(0x1f_f000, 0x1000), (0x20_0000, 0x1000)]);
        assert_eq!(spans(0, 0x40_0000), [(0, 0x20_0000), (0x20_0000, 0x20_0000)]);
    }
}
