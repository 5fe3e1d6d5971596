//! Guest RAM between guards: an access of the device that misses its region ends the process.

use std::ptr;
use std::sync::Arc;

use gpu_model::GuestRam;
use rustix::io::Result;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect};
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{GuestAddress, GuestMemoryMmap, GuestRegionMmap};

/// Main RAM: the tables, rings, images, batches and data of [`crate::machine`].
pub const MAIN: Range = Range { base: 0, len: 2 << 20 };
/// A second region, behind a hole.
pub const HIGH: Range = Range { base: 16 << 20, len: 64 << 10 };
/// A region that the device may only read.
pub const READ_ONLY: Range = Range { base: 32 << 20, len: 64 << 10 };

/// Bytes on both sides of a region that nobody may touch.
const GUARD: usize = 1 << 30;

/// A run of guest-physical addresses.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// First byte.
    pub base: u64,
    /// Bytes, whole pages.
    pub len: u64,
}

/// A region's place in this process: host pages between two guards.
#[derive(Debug)]
struct Host {
    start: *mut u8,
    len: usize,
}

impl Host {
    /// Maps zeroed memory that can be read, and written if `writable`, between guards.
    fn map(len: usize, writable: bool) -> Result<Host> {
        let (none, private) = (ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: a new mapping at an address of the system's choice touches no other.
        let mapping = unsafe { mmap_anonymous(ptr::null_mut(), len + 2 * GUARD, none, private)? };
        let start = mapping.cast::<u8>().wrapping_add(GUARD);
        let write = if writable { MprotectFlags::WRITE } else { MprotectFlags::empty() };
        // SAFETY: these are `len` bytes in the middle of the mapping made above.
        unsafe { mprotect(start.cast(), len, MprotectFlags::READ | write)? };
        Ok(Host { start, len })
    }

    /// All bytes are 0 again.
    fn clear(&self) {
        // SAFETY: the pages are a private anonymous mapping that nobody holds a reference into, so
        // dropping their content is a write like the device's own.
        let done = unsafe { madvise(self.start.cast(), self.len, Advice::LinuxDontNeed) };
        assert!(done.is_ok(), "madvise: {done:?}");
    }
}

/// Guest RAM as the device gets it, and its places. It is never unmapped: a process has a few.
#[derive(Debug)]
pub struct Ram {
    memory: GuestRam,
    hosts: Vec<Host>,
}

// SAFETY: `hosts` are addresses of mappings that stay for ever; they serve only to clear them, which
// takes `&mut self`.
unsafe impl Send for Ram {}

impl Ram {
    /// Maps the three regions.
    pub fn map() -> Self {
        let mut hosts = Vec::new();
        let regions = [(MAIN, true), (HIGH, true), (READ_ONLY, false)].map(|(range, writable)| {
            let host = Host::map(range.len as usize, writable).expect("guarded memory");
            let region = region(&host, range.base, writable);
            hosts.push(host);
            Arc::new(region)
        });
        let map = GuestMemoryMmap::from_arc_regions(regions.into()).expect("regions are apart");
        Ram { memory: GuestRam::new(map).expect("whole pages"), hosts }
    }

    /// The RAM with all bytes 0.
    pub fn cleared(&mut self) -> GuestRam {
        self.hosts.iter().for_each(Host::clear);
        self.memory.clone()
    }
}

fn region(host: &Host, base: u64, writable: bool) -> GuestRegionMmap {
    let write = if writable { ProtFlags::WRITE } else { ProtFlags::empty() };
    let prot = (ProtFlags::READ | write).bits() as i32;
    let builder = MmapRegionBuilder::new(host.len).with_mmap_prot(prot);
    // SAFETY: `host` is a mapping of `host.len` bytes with this protection, and is never unmapped.
    let builder = unsafe { builder.with_raw_mmap_pointer(host.start) };
    let region = builder.build().expect("a mapping that exists");
    GuestRegionMmap::new(region, GuestAddress(base)).expect("no overflow")
}

#[cfg(test)]
mod tests {
    use ppgtt::PhysicalMemory;

    use super::*;

    #[test]
    fn what_is_cleared_reads_zero_and_what_is_read_only_stays() {
        let mut ram = Ram::map();
        let memory = ram.cleared();
        assert!(memory.write_u32(HIGH.base, 1) && memory.write_u32(MAIN.len - 4, 2));
        assert!(!memory.write_u32(READ_ONLY.base, 3));
        ram.cleared();
        let dwords = [HIGH.base, MAIN.len - 4, READ_ONLY.base].map(|at| memory.read_u32(at));
        assert_eq!(dwords, [Some(0); 3]);
        assert_eq!(memory.read_u32(MAIN.len), None);
    }

    #[test]
    fn regions_lie_between_pages_that_nobody_may_touch() {
        let ram = Ram::map();
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
        for host in &ram.hosts {
            let (start, end) = (host.start as usize, host.start as usize + host.len);
            let guarded = |from: usize, to: usize| {
                maps.lines().any(|line| {
                    let (range, rest) = line.split_once(' ').expect("a range");
                    let (low, high) = range.split_once('-').expect("a range");
                    let number = |hex| usize::from_str_radix(hex, 16).expect("hexadecimal");
                    number(low) <= from && to <= number(high) && rest.starts_with("---p")
                })
            };
            assert!(guarded(start - GUARD, start) && guarded(end, end + GUARD), "{host:?}");
        }
    }
}
