//! Guest memory by host pointers that are resolved once a region.
//!
//! The guest's CPUs write this memory at any time, so no Rust reference into it exists but to atomics: every
//! access is a volatile or atomic one of at most eight aligned bytes, checked against the region's
//! length. A walk through these pointers costs a few nanoseconds; through `vm-memory`'s generic
//! accessors it costs an order of magnitude more.

mod bulk;
mod columns;
mod fill;
mod refresh;
mod region;
mod streaming;
mod tap;

use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::any::Any;
use std::sync::Arc;

use gen8_spec::PAGE_SIZE;
use ppgtt::PhysicalMemory;
use thiserror::Error;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

pub use bulk::Missing;
pub use region::RamRange;
use region::Region;
pub use streaming::BulkAccess;
use tap::Tap;
pub use tap::{MemoryChange, MemoryChanges};

/// Guest memory could not be set up.
#[derive(Debug, Error)]
pub enum MemoryError {
    /// The operating system refused the mapping.
    #[error("cannot map {size} bytes of guest memory: {reason}")]
    Map {
        /// Bytes asked for.
        size: u64,
        /// What vm-memory said.
        reason: String,
    },
    /// A region has no host address, or does not start and end on a page.
    #[error("guest memory region at {base:#x} cannot be reached by host pointer")]
    Region {
        /// Guest-physical start of the region.
        base: u64,
    },
}

/// Guest memory as the device sees it. Clones share the same memory.
#[derive(Clone)]
pub struct GuestRam {
    /// The largest writable region, where nearly every access lands.
    main: Region,
    /// All regions, sorted by guest address.
    regions: Arc<[Region]>,
    /// Keeps the mappings alive.
    _mappings: Arc<Mappings>,
    /// What notes the accesses of a device that is recorded or replayed. `main` is nothing then, so
    /// that every access takes the way that knows of it, and the others pay nothing for it.
    tap: Option<Tap>,
}

/// What the pointers into guest memory need. The guards come first, so that they go first.
struct Mappings {
    _guards: Vec<MemoryGuard>,
    _memory: GuestMemoryMmap,
}

/// Something that the accesses to guest memory rely on, as a handler of faults.
pub type MemoryGuard = Arc<dyn Any + Send + Sync>;

// SAFETY: the pointers lead to shared mappings that live as long as `mappings`; every access is a
// volatile load or store without a Rust reference, so threads can race on the bytes only as guest
// CPUs do.
unsafe impl Send for GuestRam {}
// SAFETY: as for `Send`; `&GuestRam` gives nothing but such accesses.
unsafe impl Sync for GuestRam {}

impl GuestRam {
    /// Resolves the regions of `memory`. What is mapped without `PROT_WRITE` is read-only for the
    /// device as well.
    pub fn new(memory: GuestMemoryMmap) -> Result<Self, MemoryError> {
        Self::guarded(memory, Vec::new())
    }

    /// As [`GuestRam::new`], with `guards` that live as long as the last clone, and go before its
    /// mappings do.
    pub fn guarded(memory: GuestMemoryMmap, guards: Vec<MemoryGuard>) -> Result<Self, MemoryError> {
        let mut regions = memory.iter().map(Region::new).collect::<Result<Vec<_>, _>>()?;
        regions.sort_unstable_by_key(|region| region.base);
        let _mappings = Arc::new(Mappings { _guards: guards, _memory: memory });
        Ok(Self { main: Region::main(&regions), regions: regions.into(), _mappings, tap: None })
    }

    /// No memory at all, as a device has it before its machine gives it some.
    pub fn empty() -> Self {
        let mappings = Mappings { _guards: Vec::new(), _memory: GuestMemoryMmap::new() };
        let regions = Vec::new().into();
        Self { main: Region::NOTHING, regions, _mappings: Arc::new(mappings), tap: None }
    }

    /// Zeroed memory of `size` bytes at guest address 0, for tests and the in-process machine.
    pub fn anonymous(size: u64) -> Result<Self, MemoryError> {
        Self::anonymous_regions(&[(0, size)])
    }

    /// Zeroed memory with holes: `(guest address, bytes)` a region.
    pub fn anonymous_regions(ranges: &[(u64, u64)]) -> Result<Self, MemoryError> {
        let size = ranges.iter().fold(0u64, |sum, range| sum.saturating_add(range.1));
        let error = |reason: String| MemoryError::Map { size, reason };
        let mut list = Vec::with_capacity(ranges.len());
        for &(base, len) in ranges {
            let len = usize::try_from(len).map_err(|e| error(e.to_string()))?;
            list.push((GuestAddress(base), len));
        }
        Self::new(GuestMemoryMmap::from_ranges(&list).map_err(|e| error(e.to_string()))?)
    }

    /// Bytes of RAM.
    pub fn size(&self) -> u64 {
        self.regions.iter().map(|region| region.len).sum()
    }

    /// Who notes the accesses; nobody in a build that does not tell.
    #[inline]
    fn tap(&self) -> Option<&Tap> {
        if crate::TELLS { self.tap.as_ref() } else { None }
    }

    #[inline]
    fn pointer(&self, address: u64, len: u64) -> Option<*mut u8> {
        match self.main.pointer(address, len) {
            Some(pointer) => Some(pointer),
            None => self.pointer_elsewhere(address, len),
        }
    }

    #[cold]
    fn pointer_elsewhere(&self, address: u64, len: u64) -> Option<*mut u8> {
        let region = self.region_of(address)?;
        let pointer = region.pointer(address, len)?;
        if let Some(tap) = self.tap() {
            tap.reads(self, region, address, len);
        }
        Some(pointer)
    }

    /// Lets `write` write `len` bytes at `address`, where it gets a pointer to; false (and nothing
    /// written) unless they are all in one region that the device may write. It must write the same
    /// whenever it is called.
    #[inline]
    fn write_with(&self, address: u64, len: u64, write: impl Fn(*mut u8)) -> bool {
        match self.main.pointer(address, len) {
            Some(pointer) => {
                write(pointer);
                true
            }
            None => self.write_elsewhere(address, len, write),
        }
    }

    #[cold]
    fn write_elsewhere(&self, address: u64, len: u64, write: impl Fn(*mut u8)) -> bool {
        let Some(region) = self.writable_region_of(address) else {
            return false;
        };
        let Some(pointer) = region.pointer(address, len) else {
            return false;
        };
        if let Some(tap) = self.tap() {
            tap.begin(self);
            // Before the copy that the recording knows, of which a copy may read.
            if let Some(real) = region.real(address, len) {
                write(real);
            }
        }
        write(pointer);
        if let Some(tap) = self.tap() {
            tap.wrote(address, pointer, len);
        }
        true
    }

    /// The region with the highest start that is not above `address`.
    fn region_of(&self, address: u64) -> Option<&Region> {
        if let Some(tap) = self.tap()
            && tap.main.holds(address)
        {
            return Some(&tap.main);
        }
        let next = self.regions.partition_point(|region| region.base <= address);
        self.regions.get(next.checked_sub(1)?)
    }

    fn writable_region_of(&self, address: u64) -> Option<&Region> {
        self.region_of(address).filter(|region| region.writable)
    }

    #[inline]
    fn aligned<T>(&self, address: u64) -> Option<*mut T> {
        match self.main.word(address) {
            Some(pointer) => Some(pointer),
            None => self.aligned_elsewhere(address),
        }
    }

    #[cold]
    fn aligned_elsewhere<T>(&self, address: u64) -> Option<*mut T> {
        let region = self.region_of(address)?;
        let pointer = region.word(address)?;
        if let Some(tap) = self.tap() {
            tap.reads_word(self, region, address);
        }
        Some(pointer)
    }

    /// As [`GuestRam::write_with`], for a word.
    #[inline]
    fn write_word<T: Copy + Into<u64>>(&self, address: u64, value: T) -> bool {
        match self.main.word::<T>(address) {
            Some(pointer) => {
                // SAFETY: `word` gives a pointer to an aligned `T` inside a live mapping.
                unsafe { pointer.write_volatile(value) };
                true
            }
            None => self.write_word_elsewhere(address, value),
        }
    }

    #[cold]
    fn write_word_elsewhere<T: Copy + Into<u64>>(&self, address: u64, value: T) -> bool {
        let Some(region) = self.writable_region_of(address) else {
            return false;
        };
        let Some(pointer) = region.word::<T>(address) else {
            return false;
        };
        if let Some(tap) = self.tap() {
            tap.begin(self);
            if let Some(real) = region.real(address, size_of::<T>() as u64) {
                // SAFETY: `real` covers a `T` inside a live mapping, aligned as `address` is.
                unsafe { real.cast::<T>().write_volatile(value) };
            }
            tap.wrote_word(address, value.into());
        }
        // SAFETY: `word` gives a pointer to an aligned `T` inside a live mapping.
        unsafe { pointer.write_volatile(value) };
        true
    }

    /// Replaces the dword at `address` by what `change` makes of it, without any other access in
    /// between, and returns the old one; `None` (and nothing changed) where the device may not write.
    pub fn update_u32(&self, address: u64, change: impl Fn(u32) -> u32) -> Option<u32> {
        let update = |pointer: *mut u32| {
            // SAFETY: `update_with` gives pointers to aligned words inside a live mapping.
            let word = unsafe { AtomicU32::from_ptr(pointer) };
            let update = |old: u32| Some(change(u32::from_le(old)).to_le());
            let old = word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update);
            u32::from_le(old.unwrap_or_else(|old| old))
        };
        self.update_with(address, update)
    }

    /// As [`GuestRam::update_u32`], for a qword.
    pub fn update_u64(&self, address: u64, change: impl Fn(u64) -> u64) -> Option<u64> {
        let update = |pointer: *mut u64| {
            // SAFETY: `update_with` gives pointers to aligned words inside a live mapping.
            let word = unsafe { AtomicU64::from_ptr(pointer) };
            let update = |old: u64| Some(change(u64::from_le(old)).to_le());
            let old = word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update);
            u64::from_le(old.unwrap_or_else(|old| old))
        };
        self.update_with(address, update)
    }

    #[inline]
    fn update_with<T: Copy>(&self, address: u64, update: impl Fn(*mut T) -> T) -> Option<T> {
        match self.main.word(address) {
            Some(pointer) => Some(update(pointer)),
            None => self.update_elsewhere(address, update),
        }
    }

    #[cold]
    fn update_elsewhere<T: Copy>(&self, address: u64, update: impl Fn(*mut T) -> T) -> Option<T> {
        let region = self.writable_region_of(address)?;
        let pointer = region.word(address)?;
        if let Some(tap) = self.tap() {
            tap.begin(self);
            if let Some(real) = region.real(address, size_of::<T>() as u64) {
                tap.learn_word(address, pointer, update(real.cast()));
            }
        }
        let old = update(pointer);
        if let Some(tap) = self.tap() {
            tap.wrote(address, pointer.cast(), size_of::<T>() as u64);
        }
        Some(old)
    }

    /// Copies `buffer.len()` bytes from `address`; false (and nothing copied) unless all are in one
    /// region. As fast as `memcpy` where `buffer` is aligned as `address` is.
    pub fn read_bytes(&self, address: u64, buffer: &mut [u8]) -> bool {
        let Some(pointer) = self.pointer(address, buffer.len() as u64) else {
            return false;
        };
        // SAFETY: `pointer` covers as many bytes as `buffer` has, in a live mapping of whole pages.
        unsafe { bulk::copy_from_pages(buffer.as_mut_ptr(), pointer, buffer.len()) };
        true
    }

    /// Copies `buffer` to `address`; false (and nothing copied) unless all of it fits into one
    /// region. Whole qwords are stored at once.
    pub fn write_bytes(&self, address: u64, buffer: &[u8]) -> bool {
        self.write_with(address, buffer.len() as u64, |pointer| write_all(pointer, buffer))
    }
}

/// Copies `buffer` to as many bytes that `pointer` covers.
fn write_all(pointer: *mut u8, buffer: &[u8]) {
    let head = pointer.align_offset(8).min(buffer.len());
    let (first, rest) = buffer.split_at(head);
    write_each(pointer, first);
    let mut at = head;
    let chunks = rest.chunks_exact(8);
    let last = chunks.remainder();
    for chunk in chunks {
        let mut value = [0; 8];
        value.copy_from_slice(chunk);
        // SAFETY: `at + 8 <= buffer.len()`, all of which `pointer` covers.
        let target = unsafe { pointer.add(at) }.cast::<u64>();
        // SAFETY: as above, and `target` is 8-byte aligned because `head` bytes were skipped.
        unsafe { target.write_volatile(u64::from_ne_bytes(value)) };
        at += 8;
    }
    // SAFETY: `at <= buffer.len()`.
    write_each(unsafe { pointer.add(at) }, last);
}

/// Byte-wise copy of fewer than eight bytes that `pointer` covers.
fn write_each(pointer: *mut u8, buffer: &[u8]) {
    for (i, &byte) in buffer.iter().enumerate() {
        // SAFETY: the callers checked that `buffer.len()` bytes from `pointer` are in the region.
        let target = unsafe { pointer.add(i) };
        // SAFETY: as above.
        unsafe { target.write_volatile(byte) };
    }
}

impl PhysicalMemory for GuestRam {
    #[inline]
    fn read_u64(&self, address: u64) -> Option<u64> {
        // SAFETY: `aligned` gave a pointer to eight aligned bytes inside a live mapping.
        self.aligned::<u64>(address).map(|pointer| u64::from_le(unsafe { pointer.read_volatile() }))
    }

    #[inline]
    fn write_u64(&self, address: u64, value: u64) -> bool {
        self.write_word(address, value.to_le())
    }

    #[inline]
    fn read_u32(&self, address: u64) -> Option<u32> {
        // SAFETY: `aligned` gave a pointer to four aligned bytes inside a live mapping.
        self.aligned::<u32>(address).map(|pointer| u32::from_le(unsafe { pointer.read_volatile() }))
    }

    #[inline]
    fn write_u32(&self, address: u64, value: u32) -> bool {
        self.write_word(address, value.to_le())
    }

    fn read_table(&self, address: u64, entries: &mut [u64; 512]) -> bool {
        if address & (PAGE_SIZE - 1) != 0 {
            return false;
        }
        let Some(pointer) = self.pointer(address, PAGE_SIZE) else {
            return false;
        };
        for (i, entry) in entries.iter_mut().enumerate() {
            // SAFETY: `pointer` covers a page, which is 512 entries.
            let source = unsafe { pointer.cast::<u64>().add(i) };
            // SAFETY: as above; regions start page-aligned in guest and host, so it is aligned.
            *entry = u64::from_le(unsafe { source.read_volatile() });
        }
        true
    }

    fn write_u64s(&self, address: u64, values: &[u64]) -> bool {
        if address & 7 != 0 {
            return false;
        }
        let write = |pointer: *mut u8| {
            for (i, value) in values.iter().enumerate() {
                // SAFETY: `pointer` covers `values.len()` qwords.
                let target = unsafe { pointer.cast::<u64>().add(i) };
                // SAFETY: as above; `address` is 8-byte aligned and regions are page-aligned.
                unsafe { target.write_volatile(value.to_le()) };
            }
        };
        self.write_with(address, 8 * values.len() as u64, write) || values.is_empty()
    }

    fn fill_u64(&self, address: u64, value: u64, count: usize) -> bool {
        let Some(len) = (count as u64).checked_mul(8) else {
            return false;
        };
        if address & 7 != 0 {
            return false;
        }
        let write = |pointer: *mut u8| {
            for i in 0..count {
                // SAFETY: `pointer` covers `count` qwords.
                let target = unsafe { pointer.cast::<u64>().add(i) };
                // SAFETY: as above; `address` is 8-byte aligned and regions are page-aligned.
                unsafe { target.write_volatile(value.to_le()) };
            }
        };
        self.write_with(address, len, write) || len == 0
    }
}

impl fmt::Debug for GuestRam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self.regions.iter().map(|region| (region.base, region.len));
        f.debug_list().entries(ranges).finish()
    }
}

#[cfg(test)]
mod tests;
