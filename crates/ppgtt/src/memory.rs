//! Physical memory as page-table code sees it.

/// Guest-physical memory, shared with others that may write it at any time.
///
/// All methods take `&self`: the memory is racing by nature, and implementations use volatile or
/// atomic accesses. Addresses are physical byte addresses; `None`/`false` means that the access is
/// not wholly inside RAM (or not aligned), and nothing was touched.
pub trait PhysicalMemory {
    /// Reads an aligned little-endian qword.
    fn read_u64(&self, address: u64) -> Option<u64>;
    /// Writes an aligned little-endian qword.
    fn write_u64(&self, address: u64, value: u64) -> bool;
    /// Reads an aligned little-endian dword.
    fn read_u32(&self, address: u64) -> Option<u32>;
    /// Writes an aligned little-endian dword.
    fn write_u32(&self, address: u64, value: u32) -> bool;

    /// Copies the 512 entries of the table at the page-aligned `address`.
    fn read_table(&self, address: u64, entries: &mut [u64; 512]) -> bool {
        for (i, entry) in entries.iter_mut().enumerate() {
            match self.read_u64(address + 8 * i as u64) {
                Some(value) => *entry = value,
                None => return false,
            }
        }
        true
    }

    /// Writes consecutive qwords from `address`; `false` if not all of them lie in RAM, and then the
    /// first ones may have been written.
    fn write_u64s(&self, address: u64, values: &[u64]) -> bool {
        values.iter().enumerate().all(|(i, &value)| self.write_u64(address + 8 * i as u64, value))
    }

    /// Writes `value` to `count` consecutive qwords from `address`.
    fn fill_u64(&self, address: u64, value: u64, count: usize) -> bool {
        (0..count).all(|i| self.write_u64(address + 8 * i as u64, value))
    }
}

impl<M: PhysicalMemory + ?Sized> PhysicalMemory for &M {
    fn read_u64(&self, address: u64) -> Option<u64> {
        (**self).read_u64(address)
    }
    fn write_u64(&self, address: u64, value: u64) -> bool {
        (**self).write_u64(address, value)
    }
    fn read_u32(&self, address: u64) -> Option<u32> {
        (**self).read_u32(address)
    }
    fn write_u32(&self, address: u64, value: u32) -> bool {
        (**self).write_u32(address, value)
    }
    fn read_table(&self, address: u64, entries: &mut [u64; 512]) -> bool {
        (**self).read_table(address, entries)
    }
    fn write_u64s(&self, address: u64, values: &[u64]) -> bool {
        (**self).write_u64s(address, values)
    }
    fn fill_u64(&self, address: u64, value: u64, count: usize) -> bool {
        (**self).fill_u64(address, value, count)
    }
}
