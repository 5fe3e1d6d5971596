//! Regions: configuration space and BARs, and accesses cut into what a bus can carry.

use gpu_model::{Bar, Gpu};
use vfio_bindings::bindings::vfio::{
    VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_BAR2_REGION_INDEX, VFIO_PCI_BAR4_REGION_INDEX,
    VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_NUM_REGIONS, VFIO_REGION_INFO_CAP_SPARSE_MMAP,
    VFIO_REGION_INFO_FLAG_CAPS, VFIO_REGION_INFO_FLAG_MMAP, VFIO_REGION_INFO_FLAG_READ,
    VFIO_REGION_INFO_FLAG_WRITE,
};

use crate::errno::Errno;

/// Bytes of the configuration space of a conventional PCI function, as the GPU is one.
const CONFIG_SIZE: u64 = 256;

/// VFIO's flags for what can be read and written.
const ACCESS: u32 = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

/// Whether a guest's CPU waits for its writes to the aperture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApertureWrites {
    /// It does: they have reached memory when the CPU goes on, as on a Broadwell.
    #[default]
    Awaited,
    /// It does not, which is many times faster: a screen is cleared by some hundred thousand of them.
    /// Memory that is read otherwise may show them late.
    Posted,
}

/// A region that VFIO knows of a PCI function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// Configuration space.
    Config,
    /// A BAR.
    Bar(Bar),
    /// One that this function has not.
    None,
}

impl Region {
    /// The region with VFIO's number `index`.
    pub(crate) fn new(index: u32) -> Result<Region, Errno> {
        match index {
            VFIO_PCI_CONFIG_REGION_INDEX => Ok(Region::Config),
            VFIO_PCI_BAR0_REGION_INDEX => Ok(Region::Bar(Bar::Bar0)),
            VFIO_PCI_BAR2_REGION_INDEX => Ok(Region::Bar(Bar::Bar2)),
            VFIO_PCI_BAR4_REGION_INDEX => Ok(Region::Bar(Bar::Bar4)),
            VFIO_PCI_NUM_REGIONS.. => Err(Errno::INVALID),
            _ => Ok(Region::None),
        }
    }

    /// VFIO's flags for it.
    pub(crate) fn flags(self, writes: ApertureWrites) -> u32 {
        match self {
            Region::None => 0,
            Region::Bar(Bar::Bar2) if writes == ApertureWrites::Awaited => {
                ACCESS | VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS
            }
            _ => ACCESS,
        }
    }

    /// Its capability, as VFIO lays it out; empty if it has none.
    ///
    /// The aperture says that it can be mapped, at no place. QEMU posts the writes to a BAR that
    /// cannot be mapped, so that a guest's CPU may read memory before a write to the aperture that
    /// it made earlier has reached it. On a Broadwell that never happens: i915 knows the aperture as
    /// coherent and orders such accesses by a memory barrier alone. QEMU waits for each write to a
    /// BAR that can be mapped. With posted writes the guest gets neither.
    pub(crate) fn capability(self, writes: ApertureWrites) -> Vec<u8> {
        if self != Region::Bar(Bar::Bar2) || writes == ApertureWrites::Posted {
            return Vec::new();
        }
        let id = (VFIO_REGION_INFO_CAP_SPARSE_MMAP as u16).to_ne_bytes();
        let version = 1u16.to_ne_bytes();
        let (next, areas, reserved) = ([0; 4], [0; 4], [0; 4]);
        [&id[..], &version, &next, &areas, &reserved].concat()
    }

    /// Bytes.
    pub(crate) fn size(self, gpu: &Gpu) -> u64 {
        match self {
            Region::Config => CONFIG_SIZE,
            Region::Bar(bar) => gpu.bar_size(bar),
            Region::None => 0,
        }
    }

    /// Refuses an access that does not lie in the region.
    pub(crate) fn check(self, gpu: &Gpu, offset: u64, count: usize) -> Result<(), Errno> {
        match offset.checked_add(count as u64) {
            Some(end) if end <= self.size(gpu) => Ok(()),
            _ => Err(Errno::INVALID),
        }
    }

    /// Longest single access, in bytes.
    fn widest(self) -> u64 {
        match self {
            Region::Config => 4,
            _ => 8,
        }
    }

    /// Reads `data.len()` bytes that [`Region::check`] allowed.
    pub(crate) fn read(self, gpu: &mut Gpu, offset: u64, data: &mut [u8]) {
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let size = self.lane(at, rest.len());
            let value = self.read_lane(gpu, at, size as u8);
            let (lane, after) = rest.split_at_mut(size);
            lane.copy_from_slice(value.to_le_bytes().get(..size).unwrap_or_default());
            (at, rest) = (at + size as u64, after);
        }
    }

    /// Writes `data`, which [`Region::check`] allowed.
    pub(crate) fn write(self, gpu: &mut Gpu, offset: u64, data: &[u8]) {
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let size = self.lane(at, rest.len());
            let (lane, after) = rest.split_at(size);
            let value = lane.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
            self.write_lane(gpu, at, size as u8, value);
            (at, rest) = (at + size as u64, after);
        }
    }

    /// Bytes of the next aligned access: a power of two.
    fn lane(self, at: u64, left: usize) -> usize {
        let aligned = 1u64 << at.trailing_zeros().min(3);
        let fits = 1u64 << (left as u64).min(8).ilog2();
        aligned.min(fits).min(self.widest()) as usize
    }

    fn read_lane(self, gpu: &mut Gpu, offset: u64, size: u8) -> u64 {
        match self {
            Region::Config => gpu.config_read(offset as u16, size).into(),
            Region::Bar(bar) => gpu.bar_read(bar, offset, size),
            Region::None => 0,
        }
    }

    fn write_lane(self, gpu: &mut Gpu, offset: u64, size: u8, value: u64) {
        match self {
            Region::Config => gpu.config_write(offset as u16, size, value as u32),
            Region::Bar(bar) => gpu.bar_write(bar, offset, size, value),
            Region::None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_aperture_whose_writes_are_awaited_says_that_it_can_be_mapped() {
        let says = |region: Region, writes| {
            let mappable = region.flags(writes) & VFIO_REGION_INFO_FLAG_MMAP != 0;
            assert_eq!(mappable, !region.capability(writes).is_empty());
            mappable
        };
        let aperture = Region::Bar(Bar::Bar2);
        assert!(says(aperture, ApertureWrites::Awaited));
        assert!(!says(aperture, ApertureWrites::Posted));
        assert!(!says(Region::Bar(Bar::Bar0), ApertureWrites::Awaited));
    }
}
