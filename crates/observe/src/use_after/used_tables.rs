//! The table pages that a walk reads.

use std::cell::RefCell;

use gen8_spec::PAGE_SIZE;
use ppgtt::{Access, PageTableRoot, PhysicalMemory, walk};

/// Memory that notes which pages are read.
struct Noting<'a, M> {
    memory: &'a M,
    pages: RefCell<Vec<u64>>,
}

impl<M: PhysicalMemory> PhysicalMemory for Noting<'_, M> {
    fn read_u64(&self, address: u64) -> Option<u64> {
        self.pages.borrow_mut().push(address & !(PAGE_SIZE - 1));
        self.memory.read_u64(address)
    }
    fn write_u64(&self, _address: u64, _value: u64) -> bool {
        false
    }
    fn read_u32(&self, address: u64) -> Option<u32> {
        self.memory.read_u32(address)
    }
    fn write_u32(&self, _address: u64, _value: u32) -> bool {
        false
    }
}

/// The tables on the way to `address`, from the top.
pub(super) fn used_tables<M: PhysicalMemory>(
    memory: &M,
    root: &PageTableRoot,
    address: u64,
) -> Vec<u64> {
    let noting = Noting { memory, pages: RefCell::default() };
    // How the walk ends is the device's affair.
    let _ = walk(&noting, root, address, Access::Read);
    noting.pages.into_inner()
}
