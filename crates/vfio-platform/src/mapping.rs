//! Memory mapped into this process that devices share.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};

/// A mapping of whole pages, unmapped with this value. It is reached by raw pointer only.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: the pages belong to this value alone, and whoever accesses them does so by volatile loads
// and stores through raw pointers, from any thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// `size` bytes of zeroed memory, on huge pages where the system has some.
    ///
    /// # Errors
    /// There is no memory.
    pub fn anonymous(size: usize) -> io::Result<Mapping> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        map(size, flags, -1, 0)
    }

    /// `size` bytes of `file` from `offset` on, shared.
    ///
    /// # Errors
    /// The file cannot be mapped.
    pub fn of_file(file: &File, offset: u64, size: usize) -> io::Result<Mapping> {
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        map(size, libc::MAP_SHARED, file.as_raw_fd(), offset)
    }

    /// The first byte.
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Pointer to an aligned `T` at `offset`, if it is inside.
    pub(crate) fn pointer<T>(&self, offset: u64) -> Option<*mut T> {
        let offset = usize::try_from(offset).ok()?;
        let end = offset.checked_add(size_of::<T>())?;
        let inside = end <= self.size && offset.is_multiple_of(size_of::<T>());
        // SAFETY: `offset` is inside the mapping.
        inside.then(|| unsafe { self.start().add(offset) }.cast())
    }
}

fn map(size: usize, flags: i32, file: i32, offset: libc::off_t) -> io::Result<Mapping> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: without MAP_FIXED a new mapping harms no other memory.
    let start = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, file, offset) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::Unsupported)?;
    Ok(Mapping { start, size })
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and nobody keeps a pointer into it.
        unsafe { libc::munmap(self.start().cast(), self.size) };
    }
}
