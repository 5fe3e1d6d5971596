//! The system calls that the standard library does not have: ioctl and mmap of a device.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::{self, NonNull};

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

/// Memory that another side (the GPU) writes as well.
pub(crate) struct Mapping {
    start: NonNull<u32>,
    bytes: usize,
}

impl Mapping {
    /// Maps `bytes` of `file` from `offset`, shared, for reading and writing.
    pub(crate) fn new(file: &File, offset: u64, bytes: usize) -> Result<Mapping> {
        let offset = libc::off_t::try_from(offset)
            .map_err(|_| Error::Wrong(format!("no mmap offset: {offset:#x}")))?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(Error::last("mmap"));
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| Error::last("mmap"))?;
        Ok(Mapping { start, bytes })
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
