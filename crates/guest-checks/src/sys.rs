//! The system calls that the standard library does not have: ioctl and mmap of a device.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::uapi::Ioctl;

/// An ioctl with its argument, begun again when a signal or the kernel asks for it.
pub(crate) fn ioctl<T: Copy>(file: RawFd, request: Ioctl<T>, argument: &mut T) -> Result<()> {
    loop {
        // SAFETY: `Ioctl<T>` binds the request to its argument's type, so the kernel reads and
        // writes one `T` at the address; addresses inside of it are given by our own wrappers,
        // which keep the buffers alive over the call.
        let status = unsafe { libc::ioctl(file, request.number() as _, ptr::from_mut(argument)) };
        if status == 0 {
            return Ok(());
        }
        let error = Error::last(request.name());
        if !matches!(error.errno(), Some(libc::EINTR | libc::EAGAIN)) {
            return Err(error);
        }
    }
}

/// Waits until `file` can be read, at most `limit`; whether it can.
pub(crate) fn wait_readable(file: RawFd, limit: Duration) -> Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        let mut poll = libc::pollfd { fd: file, events: libc::POLLIN, revents: 0 };
        let left = i32::try_from(left).unwrap_or(i32::MAX);
        // SAFETY: the kernel reads and writes the one entry at the address.
        match unsafe { libc::poll(&raw mut poll, 1, left) } {
            0 => return Ok(false),
            1.. => return Ok(true),
            _ => {}
        }
        let error = Error::last("poll");
        if error.errno() != Some(libc::EINTR) {
            return Err(error);
        }
    }
}

/// The clock by which the kernel stamps the events of a screen (`CLOCK_MONOTONIC`), in
/// microseconds.
pub(crate) fn monotonic_us() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec` at the address; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

/// A file descriptor that the kernel handed out in an ioctl's argument.
pub(crate) fn owned_file(number: RawFd) -> File {
    use std::os::fd::FromRawFd;
    // SAFETY: the callers pass numbers that the kernel has just made for us; nothing else owns
    // them.
    unsafe { File::from_raw_fd(number) }
}

/// A number that the CPU reads and writes in one access.
trait Unit: Copy {}
impl Unit for u8 {}
impl Unit for u16 {}
impl Unit for u32 {}
impl Unit for u64 {}

/// The head of `struct perf_event_attr`, as far as its first version goes
/// (`include/uapi/linux/perf_event.h`).
#[derive(Default)]
#[repr(C)]
struct PerfEvent {
    kind: u32,
    size: u32,
    config: u64,
    /// Period, what to sample, format, flags, wake-ups, break points: nothing of these.
    rest: [u64; 6],
}

/// A counter of a PMU that counts for the whole machine, on its first CPU.
pub(crate) fn perf_counter(kind: u32, config: u64) -> Result<File> {
    let mut event = PerfEvent { kind, config, ..PerfEvent::default() };
    event.size = size_of::<PerfEvent>() as u32;
    let (every_process, cpu, no_group, flags) = (-1, 0, -1, 0);
    // SAFETY: the kernel reads `size` bytes at the address, which `event` has.
    let file = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            ptr::from_ref(&event),
            every_process,
            cpu,
            no_group,
            flags,
        )
    };
    match RawFd::try_from(file) {
        Ok(file @ 0..) => Ok(owned_file(file)),
        _ => Err(Error::last("perf_event_open")),
    }
}

/// Memory that another side (the GPU) writes as well.
pub(crate) struct Mapping {
    start: NonNull<u32>,
    bytes: usize,
}

// SAFETY: the mapping is the process's, not a thread's; `Mapping` alone knows its address, so one
// thread at a time uses it through here.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `bytes` of `file` from `offset`, shared, for reading and writing.
    pub(crate) fn new(file: &File, offset: u64, bytes: usize) -> Result<Mapping> {
        let offset = libc::off_t::try_from(offset)
            .map_err(|_| Error::Wrong(format!("no mmap offset: {offset:#x}")))?;
        Mapping::map(bytes, libc::MAP_SHARED, file.as_raw_fd(), offset)
    }

    /// New memory of this process's, all zero.
    pub(crate) fn anonymous(bytes: usize) -> Result<Mapping> {
        Mapping::map(bytes, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    }

    fn map(bytes: usize, flags: i32, file: RawFd, offset: libc::off_t) -> Result<Mapping> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, access, flags, file, offset) };
        if start == libc::MAP_FAILED {
            return Err(Error::last("mmap"));
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| Error::last("mmap"))?;
        Ok(Mapping { start, bytes })
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// The dwords in it.
    pub(crate) fn len(&self) -> usize {
        self.bytes / size_of::<u32>()
    }

    /// Reads the dword number `index`; panics outside of the mapping, as a slice does.
    pub(crate) fn read(&self, index: usize) -> u32 {
        let dword = self.dword(index);
        // SAFETY: `dword` is inside the mapping, which lives as long as `self`; volatile since the
        // GPU writes it.
        unsafe { dword.read_volatile() }
    }

    /// Writes the dword number `index`; panics outside of the mapping, as a slice does.
    pub(crate) fn write(&self, index: usize, value: u32) {
        let dword = self.dword(index);
        // SAFETY: as in `read`.
        unsafe { dword.write_volatile(value) }
    }

    /// Reads 1, 2, 4 or 8 bytes at the byte number `offset`, a multiple of `size`, in one access;
    /// panics outside of the mapping.
    pub(crate) fn read_unit(&self, offset: usize, size: usize) -> u64 {
        match size {
            1 => self.load::<u8>(offset).into(),
            2 => self.load::<u16>(offset).into(),
            4 => self.load::<u32>(offset).into(),
            _ => self.load::<u64>(offset),
        }
    }

    /// Writes the low `size` bytes of `value`, as [`Mapping::read_unit`] reads them.
    pub(crate) fn write_unit(&self, offset: usize, size: usize, value: u64) {
        match size {
            1 => self.store(offset, value as u8),
            2 => self.store(offset, value as u16),
            4 => self.store(offset, value as u32),
            _ => self.store(offset, value),
        }
    }

    fn load<T: Unit>(&self, offset: usize) -> T {
        let place = self.unit::<T>(offset);
        // SAFETY: `unit` has checked place and alignment, and any value is a number; volatile since
        // the GPU writes it.
        unsafe { place.read_volatile() }
    }

    fn store<T: Unit>(&self, offset: usize, value: T) {
        let place = self.unit::<T>(offset);
        // SAFETY: as in `load`.
        unsafe { place.write_volatile(value) }
    }

    /// The place of a number; mappings begin at pages.
    fn unit<T: Unit>(&self, offset: usize) -> NonNull<T> {
        assert!(offset.is_multiple_of(size_of::<T>()), "{} bytes at {offset}", size_of::<T>());
        self.span(offset, size_of::<T>()).cast()
    }

    /// Copies bytes out, from the byte number `offset` on; panics outside of the mapping.
    pub(crate) fn read_bytes(&self, offset: usize, bytes: &mut [u8]) {
        let start = self.span(offset, bytes.len());
        // SAFETY: `span` has checked that so many bytes lie in the mapping; nobody else has a
        // reference to them, and any value is a byte.
        unsafe { ptr::copy_nonoverlapping(start.as_ptr(), bytes.as_mut_ptr(), bytes.len()) }
    }

    /// Copies bytes in, from the byte number `offset` on; panics outside of the mapping.
    pub(crate) fn write_bytes(&self, offset: usize, bytes: &[u8]) {
        let start = self.span(offset, bytes.len());
        // SAFETY: as in `read_bytes`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), bytes.len()) }
    }

    /// The byte number `offset`, `len` bytes from there on being in the mapping.
    fn span(&self, offset: usize, len: usize) -> NonNull<u8> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.bytes);
        assert!(inside, "{len} bytes at {offset} of {}", self.bytes);
        // SAFETY: checked to lie inside the mapping.
        unsafe { self.start.cast::<u8>().add(offset) }
    }

    fn dword(&self, index: usize) -> NonNull<u32> {
        assert!(index < self.len(), "dword {index} of {}", self.len());
        // SAFETY: checked to lie inside the mapping.
        unsafe { self.start.add(index) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is the one that `new` mapped; no reference into it was given out.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// A page of zeros that stays where it is.
pub(crate) struct EmptyPage(Mapping);

impl EmptyPage {
    /// One of the kernel's choice.
    pub(crate) fn new() -> Result<EmptyPage> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE | libc::MAP_LOCKED,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(Error::last("mmap"));
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| Error::last("mmap"))?;
        let page = EmptyPage(Mapping { start, bytes: PAGE });
        // A page of its own, not the one that all untouched memory shares.
        page.0.write(0, 0);
        Ok(page)
    }
}

/// Bytes in a page.
const PAGE: usize = 4096;

/// Where the page lies in the machine's memory, which only root is told
/// (`Documentation/admin-guide/mm/pagemap.rst`: 8 bytes a page, the frame's number in 54:0).
pub(crate) fn physical_address(page: &EmptyPage) -> Result<u64> {
    const PAGEMAP: &str = "/proc/self/pagemap";
    let mut entry = [0; 8];
    let place = page.0.start.as_ptr() as usize / PAGE * entry.len();
    File::open(PAGEMAP)
        .and_then(|file| file.read_exact_at(&mut entry, place as u64))
        .map_err(|error| Error::file(Path::new(PAGEMAP), error))?;
    match u64::from_ne_bytes(entry) & ((1 << 55) - 1) {
        0 => Err(Error::NotHere("the kernel does not tell where a page lies".into())),
        frame => Ok(frame * PAGE as u64),
    }
}
