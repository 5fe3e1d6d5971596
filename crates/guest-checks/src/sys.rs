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
