//! Where table pages come from, and how they are counted.

use gen8_spec::debug_page::PageKind;

/// Gives and takes the pages that an address space is made of.
pub trait PageAllocator {
    /// A page-aligned 4 KiB page below 2^39, or `None` when memory is exhausted. Its content may
    /// be anything: a table is filled before anything points at it.
    fn alloc(&mut self, kind: PageKind) -> Option<u64>;
    /// Takes back a page of [`PageAllocator::alloc`]; `kind` is the kind that it was asked for.
    fn free(&mut self, page: u64, kind: PageKind);
}

impl<A: PageAllocator + ?Sized> PageAllocator for &mut A {
    fn alloc(&mut self, kind: PageKind) -> Option<u64> {
        (**self).alloc(kind)
    }
    fn free(&mut self, page: u64, kind: PageKind) {
        (**self).free(page, kind);
    }
}

/// Pages of an address space by what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TableCounts {
    /// Page tables, scratch not included.
    pub pt: usize,
    /// Page directories, scratch not included.
    pub pd: usize,
    /// Page-directory pointer tables, scratch not included.
    pub pdp: usize,
    /// PML4 pages: 0 or 1.
    pub pml4: usize,
    /// Scratch tables of any level.
    pub scratch_tables: usize,
    /// Scratch data pages.
    pub scratch_pages: usize,
}

impl TableCounts {
    /// Counts one page of this kind; kinds that are no part of an address space are not counted.
    pub fn add(&mut self, kind: PageKind) {
        match kind {
            PageKind::Pt => self.pt += 1,
            PageKind::Pd => self.pd += 1,
            PageKind::Pdp => self.pdp += 1,
            PageKind::Pml4 => self.pml4 += 1,
            PageKind::ScratchTable => self.scratch_tables += 1,
            PageKind::ScratchPage => self.scratch_pages += 1,
            PageKind::Object | PageKind::ContextImage | PageKind::Ring | PageKind::Global => {}
        }
    }

    /// All pages: `pages(vm) = base + PTs + PDs (+ PDPs)`, where the base (3 with three levels, 5
    /// with four) is the scratch tree and the PML4.
    pub const fn total(&self) -> usize {
        self.pt + self.pd + self.pdp + self.pml4 + self.scratch_tables + self.scratch_pages
    }
}
