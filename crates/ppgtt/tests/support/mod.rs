//! RAM and an allocator that counts, for the tests of this crate.
#![allow(dead_code, unreachable_pub)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use gen8_spec::debug_page::PageKind;
use ppgtt::{PageAllocator, PhysicalMemory};

/// Content of a page before anybody writes it.
pub const POISON: u64 = 0xdead_beef_dead_beef;

/// RAM from physical address 0.
#[derive(Clone, PartialEq, Eq)]
pub struct Ram(RefCell<Vec<u64>>);

impl Ram {
    pub fn new(pages: usize) -> Self {
        Ram(RefCell::new(vec![POISON; pages * 512]))
    }
}

impl PhysicalMemory for Ram {
    fn read_u64(&self, address: u64) -> Option<u64> {
        assert_eq!(address % 8, 0, "page-table code makes aligned accesses only");
        self.0.borrow().get(address as usize / 8).copied()
    }
    fn write_u64(&self, address: u64, value: u64) -> bool {
        assert_eq!(address % 8, 0, "page-table code makes aligned accesses only");
        self.0.borrow_mut().get_mut(address as usize / 8).map(|qword| *qword = value).is_some()
    }
    fn read_u32(&self, _address: u64) -> Option<u32> {
        unreachable!("page tables are made of qwords")
    }
    fn write_u32(&self, _address: u64, _value: u32) -> bool {
        unreachable!("page tables are made of qwords")
    }
}

/// Gives each page once, in ascending order, and remembers who has which; can be told to fail.
#[derive(Debug, Default)]
pub struct Pages {
    /// Pages that are out, with their kinds.
    pub out: BTreeMap<u64, PageKind>,
    next: u64,
    /// Fails when this many more pages have been given.
    pub left: Option<usize>,
}

impl PageAllocator for Pages {
    fn alloc(&mut self, kind: PageKind) -> Option<u64> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        self.next += 0x1000;
        self.out.insert(self.next, kind);
        Some(self.next)
    }
    fn free(&mut self, page: u64, kind: PageKind) {
        assert_eq!(self.out.remove(&page), Some(kind), "page {page:#x} freed as it was allocated");
    }
}
