//! The allocator of DMA pages for those who implement [`Platform`](crate::Platform).
//!
//! Never-used pages go first, since they need no zeroing (which takes 0.1 ms a page where KVM
//! emulates every instruction), then those that were freed longest ago: so a page stays poisoned
//! for long, and a stale use of it is seen.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use gen8_spec::PAGE_SIZE;
use ppgtt::PhysicalMemory;

/// Qwords of a page.
const PAGE_QWORDS: usize = (PAGE_SIZE / 8) as usize;
/// Freed pages start with this, so that whoever still uses one is seen: as a page-table entry
/// it is not present, as a command it is of a reserved class.
const POISON: u64 = 0xdead_beee_dead_beee;

/// Pages of a range of memory that the GPU reaches.
pub struct DmaPages<M> {
    memory: M,
    range: Range<u64>,
    /// First page that was never handed out.
    fresh: u64,
    /// Freed pages, the oldest first.
    free: VecDeque<u64>,
    /// One mark a page: whether it is handed out.
    in_use: Vec<bool>,
    /// How many marks are set.
    used: usize,
    /// Frees of what was not handed out.
    wrong_frees: usize,
    /// Qwords at the start of a freed page that are poisoned.
    poison: usize,
}

impl<M: PhysicalMemory> DmaPages<M> {
    /// All pages of `range` are free. The range is page-aligned, lies in `memory` and is zero.
    /// Freed pages are poisoned whole.
    pub fn new(memory: M, range: Range<u64>) -> Self {
        let count = range.end.saturating_sub(range.start) / PAGE_SIZE;
        DmaPages {
            memory,
            fresh: range.start,
            free: VecDeque::new(),
            in_use: vec![false; count as usize],
            used: 0,
            wrong_frees: 0,
            poison: PAGE_QWORDS,
            range,
        }
    }

    /// Poisons only the first `qwords` of a freed page, for machines where stores are slow.
    #[must_use]
    pub fn with_poison(mut self, qwords: usize) -> Self {
        self.poison = qwords.min(PAGE_QWORDS);
        self
    }

    /// The memory that the pages lie in.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// A zeroed page.
    pub fn alloc(&mut self) -> Option<u64> {
        let page = match self.take_fresh() {
            Some(page) => page,
            None => self.take_freed()?,
        };
        if let Some(mark) = self.mark(page) {
            *mark = true;
            self.used += 1;
        }
        Some(page)
    }

    /// Gives `page` back; a page that is not handed out is refused, and told.
    pub fn free(&mut self, page: u64) {
        match self.mark(page) {
            Some(mark) if *mark => *mark = false,
            _ => {
                log::error!("DMA page {page:#x} was freed but is not in use");
                self.wrong_frees += 1;
                return;
            }
        }
        self.used -= 1;
        self.memory.fill_u64(page, POISON, self.poison);
        self.free.push_back(page);
    }

    /// Pages handed out.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Frees of pages that were not handed out, since the start.
    pub fn wrong_frees(&self) -> usize {
        self.wrong_frees
    }

    fn take_fresh(&mut self) -> Option<u64> {
        let page = self.fresh;
        (page < self.range.end).then(|| {
            self.fresh += PAGE_SIZE;
            page
        })
    }

    fn take_freed(&mut self) -> Option<u64> {
        let page = self.free.pop_front()?;
        self.memory.fill_u64(page, 0, PAGE_QWORDS).then_some(page)
    }

    fn mark(&mut self, page: u64) -> Option<&mut bool> {
        let offset = page.checked_sub(self.range.start)?;
        let index = usize::try_from(offset / PAGE_SIZE).ok()?;
        self.in_use.get_mut(index).filter(|_| offset.is_multiple_of(PAGE_SIZE))
    }
}
