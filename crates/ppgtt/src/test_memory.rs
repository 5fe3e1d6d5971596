//! RAM for the unit tests.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::memory::PhysicalMemory;

/// RAM from physical address 0.
pub(crate) struct Ram(RefCell<Vec<u64>>);

impl Ram {
    pub(crate) fn new(pages: usize) -> Self {
        Ram(RefCell::new(vec![0xdead_beef_dead_beef; pages * 512]))
    }
}

impl PhysicalMemory for Ram {
    fn read_u64(&self, address: u64) -> Option<u64> {
        assert_eq!(address % 8, 0, "page-table code makes aligned accesses only");
        self.0.borrow().get(address as usize / 8).copied()
    }
    fn write_u64(&self, address: u64, value: u64) -> bool {
        assert_eq!(address % 8, 0, "page-table code makes aligned accesses only");
        match self.0.borrow_mut().get_mut(address as usize / 8) {
            Some(qword) => {
                *qword = value;
                true
            }
            None => false,
        }
    }
    fn read_u32(&self, address: u64) -> Option<u32> {
        let qword = self.read_u64(address & !7)?;
        Some((qword >> (8 * (address & 4))) as u32)
    }
    fn write_u32(&self, address: u64, value: u32) -> bool {
        let Some(old) = self.read_u64(address & !7) else { return false };
        let shift = 8 * (address & 4);
        self.write_u64(address & !7, old & !(0xffff_ffff << shift) | u64::from(value) << shift)
    }
}
