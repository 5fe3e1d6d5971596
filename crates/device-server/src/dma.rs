//! The guest's memory: which ranges the client shares, and with which rights.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use gen8_spec::PAGE_SIZE;
use gpu_model::{GuestRam, MemoryGuard};
use vm_memory::mmap::MmapRegionError;
use vm_memory::{
    FileOffset, GuestAddress, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap, MmapRegion,
};

use crate::errno::Errno;
use crate::stolen::StolenMemory;
use crate::truncation::Guard;

/// Most ranges at a time. A range keeps its file open, so this stays below the usual limit of 1024
/// open files; QEMU has about 20 without a virtual IOMMU.
pub(crate) const MAX_MAPPINGS: usize = 512;

/// DMA_MAP: the device may read.
const READ: u32 = 1 << 0;
/// DMA_MAP: the device may write.
const WRITE: u32 = 1 << 1;

/// Below are the holes of the first PCs.
const LOW_MEMORY: u64 = 1 << 20;

/// A range of guest-physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// First address, page-aligned.
    pub(crate) address: u64,
    /// Bytes, whole pages, more than none.
    pub(crate) size: u64,
}

impl Range {
    /// Whole pages that do not go over the end of the address space.
    pub(crate) fn new(address: u64, size: u64) -> Result<Range, Errno> {
        let whole = address.is_multiple_of(PAGE_SIZE) && size.is_multiple_of(PAGE_SIZE);
        // The last byte must have an address, and the first address after it as well: vm-memory
        // counts with it.
        let ends = address.checked_add(size).is_some();
        if whole && ends && size != 0 { Ok(Range { address, size }) } else { Err(Errno::INVALID) }
    }

    fn end(self) -> u64 {
        self.address.saturating_add(self.size)
    }
}

/// A range that the client mapped.
#[derive(Debug)]
struct Mapping {
    size: u64,
    /// None if it came without a file: the device cannot reach it.
    memory: Option<Memory>,
}

/// Memory that came with a file.
#[derive(Debug)]
struct Memory {
    /// Before the region, since it goes before the mapping does.
    guard: Arc<Guard>,
    region: Arc<GuestRegionMmap>,
}

/// Ranges that were unmapped. To be dropped when the device no longer uses them.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Unmapped(Vec<Mapping>);

impl Unmapped {
    /// Bytes.
    pub(crate) fn size(&self) -> u64 {
        self.0.iter().fold(0, |sum, mapping| sum.wrapping_add(mapping.size))
    }
}

/// All ranges that the client mapped, by address. No two overlap.
#[derive(Debug, Default)]
pub(crate) struct DmaTable(BTreeMap<u64, Mapping>);

impl DmaTable {
    /// Maps `range` to `file` from `offset` on. `flags` are the message's.
    pub(crate) fn map(
        &mut self,
        range: Range,
        flags: u32,
        offset: u64,
        file: Option<OwnedFd>,
    ) -> Result<(), Errno> {
        if flags & !(READ | WRITE) != 0 || flags == 0 {
            return Err(Errno::INVALID);
        }
        if self.0.len() >= MAX_MAPPINGS {
            return Err(Errno::FULL);
        }
        if self.overlapping(range).next().is_some() {
            return Err(Errno::EXISTS);
        }
        let memory = file.map(|file| open(range, flags, offset, file)).transpose()?;
        self.0.insert(range.address, Mapping { size: range.size, memory });
        Ok(())
    }

    /// Unmaps all ranges within `range`, of which there must be one at least; a range that lies in
    /// it only in part is not cut.
    pub(crate) fn unmap(&mut self, range: Range) -> Result<Unmapped, Errno> {
        let mut inside = Vec::new();
        for mapped in self.overlapping(range) {
            if mapped.address < range.address || mapped.end() > range.end() {
                return Err(Errno::INVALID);
            }
            inside.push(mapped.address);
        }
        if inside.is_empty() {
            return Err(Errno::MISSING);
        }
        Ok(Unmapped(inside.into_iter().filter_map(|address| self.0.remove(&address)).collect()))
    }

    /// Unmaps everything.
    pub(crate) fn unmap_all(&mut self) -> Unmapped {
        Unmapped(std::mem::take(&mut self.0).into_values().collect())
    }

    /// End of the RAM that goes on from 1 MiB without a gap, below 4 GiB: what a PC's firmware calls
    /// the top of low memory.
    pub(crate) fn top_of_low_memory(&self) -> Option<u64> {
        let is_ram = |mapping: &Mapping| mapping.memory.is_some();
        let (&start, first) = self.0.range(..=LOW_MEMORY).next_back()?;
        let mut top = start.saturating_add(first.size);
        if !is_ram(first) || top <= LOW_MEMORY {
            return None;
        }
        while let Some(next) = self.0.get(&top).filter(|next| is_ram(next)) {
            top = top.saturating_add(next.size);
        }
        Some(top)
    }

    /// The memory as the device may reach it now, with `stolen` where the client has none.
    pub(crate) fn ram(&self, stolen: &StolenMemory) -> Result<GuestRam, Errno> {
        let memories = || self.0.values().filter_map(|mapping| mapping.memory.as_ref());
        let mut regions: Vec<_> = memories().map(|memory| Arc::clone(&memory.region)).collect();
        // Others than the device's thread may still read what was unmapped.
        let guards = memories().map(|memory| memory.guard.clone() as MemoryGuard).collect();
        let own = stolen.region().filter(|(range, _)| self.overlapping(*range).next().is_none());
        regions.extend(own.map(|(_, region)| region));
        regions.sort_unstable_by_key(|region| region.start_addr());
        if regions.is_empty() {
            return Ok(GuestRam::empty());
        }
        let memory = GuestMemoryMmap::from_arc_regions(regions).map_err(|_| Errno::INVALID)?;
        GuestRam::guarded(memory, guards).map_err(|_| Errno::INVALID)
    }

    fn overlapping(&self, range: Range) -> impl Iterator<Item = Range> + '_ {
        // Ranges do not overlap, so of those that start below only the last can reach into this one.
        let below = self.0.range(..range.address).next_back();
        let within = self.0.range(range.address..range.end());
        below
            .into_iter()
            .chain(within)
            .map(|(&address, mapping)| Range { address, size: mapping.size })
            .filter(move |mapped| mapped.end() > range.address)
    }
}

/// Maps `range` of guest memory into this process.
fn open(range: Range, flags: u32, offset: u64, file: OwnedFd) -> Result<Memory, Errno> {
    let file = File::from(file);
    let end = offset.checked_add(range.size).ok_or(Errno::INVALID)?;
    // An access behind the end of a file is a SIGBUS, which costs the whole mapping.
    if file.metadata()?.len() < end {
        return Err(Errno::INVALID);
    }
    let size = usize::try_from(range.size).map_err(|_| Errno::INVALID)?;
    let mut protection = 0;
    for (flag, bit) in [(READ, libc::PROT_READ), (WRITE, libc::PROT_WRITE)] {
        protection |= if flags & flag != 0 { bit } else { 0 };
    }
    let mapping = MmapRegion::build(
        Some(FileOffset::new(file, offset)),
        size,
        // A processor that lets a page be written lets it be read, and the model reads to write.
        protection | libc::PROT_READ,
        libc::MAP_SHARED | libc::MAP_NORESERVE,
    )
    .map_err(|error| match error {
        MmapRegionError::Mmap(error) => Errno::from(error),
        _ => Errno::INVALID,
    })?;
    let guard = Guard::new(mapping.as_ptr(), size).ok_or(Errno::FULL)?;
    let region =
        GuestRegionMmap::new(mapping, GuestAddress(range.address)).ok_or(Errno::INVALID)?;
    Ok(Memory { guard: Arc::new(guard), region: Arc::new(region) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_unmapped_can_be_cut_off_while_somebody_still_reads_it() {
        let path = std::env::temp_dir().join(format!("gen8emu-dma-{}", std::process::id()));
        let options = File::options().read(true).write(true).create_new(true).open(&path);
        let file = options.unwrap();
        std::fs::remove_file(path).unwrap();
        file.set_len(PAGE_SIZE).unwrap();
        let range = Range::new(0, PAGE_SIZE).unwrap();
        let mut table = DmaTable::default();
        let fd = OwnedFd::from(file.try_clone().unwrap());
        table.map(range, READ | WRITE, 0, Some(fd)).unwrap();
        let ram = table.ram(&StolenMemory::default()).unwrap();
        assert!(ram.write_bytes(8, &[7]));
        drop(table.unmap_all());
        let mut byte = [0];
        assert!(ram.read_bytes(8, &mut byte));
        assert_eq!(byte, [7]);
        file.set_len(0).unwrap();
        assert!(ram.read_bytes(8, &mut byte));
        assert_eq!(byte, [0]);
    }
}
