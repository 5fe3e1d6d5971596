//! A BAR as the driver accesses it.

use crate::function::{PciFunction, Region};
use crate::mapping::Mapping;

/// A BAR, mapped where that is possible.
pub(crate) struct Window {
    region: Region,
    size: u64,
    mapping: Option<Mapping>,
}

impl Window {
    /// The BAR `region` of `function`.
    pub(crate) fn new(function: &impl PciFunction, region: Region) -> Window {
        Window { region, size: function.size(region), mapping: function.map(region) }
    }

    /// How it is reached, in words.
    pub(crate) fn how(&self) -> &'static str {
        if self.mapping.is_some() { "mapped" } else { "by call" }
    }

    /// Reads a dword; all ones outside, as from a bus where nobody answers.
    pub(crate) fn read32(&self, function: &impl PciFunction, offset: u64) -> u32 {
        if !self.holds::<u32>(offset) {
            return u32::MAX;
        }
        match self.pointer::<u32>(offset) {
            // SAFETY: `pointer` checked range and alignment; device memory holds no Rust object.
            Some(pointer) => unsafe { pointer.read_volatile() },
            None => read32(function, self.region, offset),
        }
    }

    /// Writes a dword; dropped outside.
    pub(crate) fn write32(&self, function: &impl PciFunction, offset: u64, value: u32) {
        if !self.holds::<u32>(offset) {
            return;
        }
        match self.pointer::<u32>(offset) {
            // SAFETY: as in `read32`.
            Some(pointer) => unsafe { pointer.write_volatile(value) },
            None => function.write(self.region, offset, &value.to_le_bytes()),
        }
    }

    /// Writes a qword; dropped outside.
    pub(crate) fn write64(&self, function: &impl PciFunction, offset: u64, value: u64) {
        if !self.holds::<u64>(offset) {
            return;
        }
        match self.pointer::<u64>(offset) {
            // SAFETY: as in `read32`.
            Some(pointer) => unsafe { pointer.write_volatile(value) },
            None => function.write(self.region, offset, &value.to_le_bytes()),
        }
    }

    /// Whether an aligned `T` at `offset` lies in the BAR.
    fn holds<T>(&self, offset: u64) -> bool {
        let size = size_of::<T>() as u64;
        let inside = offset.checked_add(size).is_some_and(|end| end <= self.size);
        inside && offset.is_multiple_of(size)
    }

    fn pointer<T>(&self, offset: u64) -> Option<*mut T> {
        self.mapping.as_ref()?.pointer(offset)
    }
}

/// Reads a dword by call; all ones where that fails.
pub(crate) fn read32(function: &impl PciFunction, region: Region, offset: u64) -> u32 {
    let mut bytes = [0xff; 4];
    function.read(region, offset, &mut bytes);
    u32::from_le_bytes(bytes)
}
