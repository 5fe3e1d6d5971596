//! A region of guest memory: where the guest's addresses become the host's.

use core::ptr;

use gen8_spec::PAGE_SIZE;
use vm_memory::{GuestMemoryRegion, GuestRegionMmap, MemoryRegionAddress};

use super::MemoryError;

/// A range of guest-physical addresses that holds RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamRange {
    /// First address, page-aligned.
    pub base: u64,
    /// Bytes, whole pages.
    pub len: u64,
    /// Whether the device may write here.
    pub writable: bool,
}

/// A run of guest memory that is contiguous in the host as well.
#[derive(Clone, Copy)]
pub(super) struct Region {
    /// Guest-physical start, page-aligned.
    pub(super) base: u64,
    /// Bytes, whole pages.
    pub(super) len: u64,
    /// Host address of the first byte, page-aligned.
    host: *mut u8,
    /// Of a recorded device: host address of the guest's own memory, of which `host` is what the recording
    /// knows. Else null.
    real: *mut u8,
    /// Whether the device may write here.
    pub(super) writable: bool,
}

impl Region {
    /// A region that holds no address.
    pub(super) const NOTHING: Region =
        Region { base: 0, len: 0, host: ptr::null_mut(), real: ptr::null_mut(), writable: true };

    /// Resolves `region`. The pointers given out later are good for as long as its mapping lives.
    pub(super) fn new(region: &GuestRegionMmap) -> Result<Self, MemoryError> {
        let base = region.start_addr().0;
        let len = region.len();
        let host = region
            .get_host_address(MemoryRegionAddress(0))
            .map_err(|_| MemoryError::Region { base })?;
        if [base, len, host as u64].iter().any(|value| !value.is_multiple_of(PAGE_SIZE)) {
            return Err(MemoryError::Region { base });
        }
        let writable = region.prot() & libc::PROT_WRITE != 0;
        Ok(Region { base, len, host, real: ptr::null_mut(), writable })
    }

    /// The largest of `regions` that the device may write.
    pub(super) fn main(regions: &[Region]) -> Region {
        let writable = regions.iter().filter(|region| region.writable);
        writable.max_by_key(|region| region.len).copied().unwrap_or(Region::NOTHING)
    }

    /// This region as a recorded device has it: what the recording knows is in `known`, a region of the same
    /// size.
    pub(super) fn known_in(&self, known: &Region) -> Region {
        Region { host: known.host, real: self.host, ..*self }
    }

    /// The same region, which the device may write or not.
    pub(super) fn with_rights(&self, writable: bool) -> Region {
        Region { writable, ..*self }
    }

    /// Where it lies.
    pub(super) fn range(&self) -> RamRange {
        RamRange { base: self.base, len: self.len, writable: self.writable }
    }

    /// Whether `address` is inside.
    #[inline]
    pub(super) fn holds(&self, address: u64) -> bool {
        address.wrapping_sub(self.base) < self.len
    }

    /// Host pointer to `len` bytes of the guest's own memory at `address`, if the region knows of it.
    pub(super) fn real(&self, address: u64, len: u64) -> Option<*mut u8> {
        let real = Region { host: self.real, ..*self };
        if self.real.is_null() { None } else { real.pointer(address, len) }
    }

    /// Host pointer to `len` bytes at `address`, if they are all inside.
    #[inline]
    pub(super) fn pointer(&self, address: u64, len: u64) -> Option<*mut u8> {
        let offset = address.wrapping_sub(self.base);
        if offset >= self.len || self.len - offset < len {
            return None;
        }
        // SAFETY: `offset < self.len`, so the result stays inside the mapping that `host` starts.
        Some(unsafe { self.host.add(offset as usize) })
    }

    /// Host pointer to an aligned word at `address`, if it is inside. One comparison: since regions
    /// are whole pages, an aligned word that starts inside ends inside.
    #[inline]
    pub(super) fn word<T>(&self, address: u64) -> Option<*mut T> {
        let offset = address.wrapping_sub(self.base);
        if offset >= self.len || !address.is_multiple_of(size_of::<T>() as u64) {
            return None;
        }
        // SAFETY: `offset < self.len`, so the result stays inside the mapping that `host` starts.
        Some(unsafe { self.host.add(offset as usize) }.cast())
    }
}
