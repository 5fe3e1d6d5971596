//! Files that get shorter behind the device's back.
//!
//! A client shares memory as a file that it can still cut off, and the next access there is a
//! `SIGBUS`, which ends a process. (QEMU seals its memfds against that; a file in `/dev/shm` or on
//! disk cannot be sealed, so seals cannot be asked for.) The handler here puts fresh memory in the
//! place of such a mapping: the client loses what it shared, and nobody else anything.

use std::io;
use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use libc::{c_int, c_void, sigaction, siginfo_t};

/// Most mappings at a time in the whole process.
const SLOTS: usize = 1024;

/// A mapping that the handler knows. Signal handlers can use nothing but atomics.
struct Slot {
    taken: AtomicBool,
    /// First address; 0 while there is none.
    start: AtomicUsize,
    size: AtomicUsize,
    lost: AtomicBool,
}

static MAPPINGS: [Slot; SLOTS] = [const {
    Slot {
        taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        size: AtomicUsize::new(0),
        lost: AtomicBool::new(false),
    }
}; SLOTS];

/// What was done on `SIGBUS` before; None if it could not be changed.
static BEFORE: OnceLock<Option<sigaction>> = OnceLock::new();

/// A mapping of a file that may be cut off. To be dropped when the mapping is no longer used, and
/// before it is unmapped.
#[derive(Debug)]
pub(crate) struct Guard(usize);

impl Guard {
    /// Guards `size` bytes at `start`, which are a whole mapping of a file. None if there are too many.
    pub(crate) fn new(start: *const u8, size: usize) -> Option<Guard> {
        BEFORE.get_or_init(|| install().inspect_err(|error| log::warn!("SIGBUS: {error}")).ok());
        let free = |slot: &Slot| !slot.taken.swap(true, Ordering::AcqRel);
        let index = MAPPINGS.iter().position(free)?;
        let slot = MAPPINGS.get(index)?;
        slot.lost.store(false, Ordering::Relaxed);
        slot.size.store(size, Ordering::Relaxed);
        slot.start.store(start as usize, Ordering::Release);
        Some(Guard(index))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(slot) = MAPPINGS.get(self.0) else { return };
        slot.start.store(0, Ordering::Release);
        if slot.lost.load(Ordering::Relaxed) {
            log::warn!("the client cut off a file whose memory it shared; it was read as zeros");
        }
        slot.taken.store(false, Ordering::Release);
    }
}

impl Slot {
    /// The mapping, if `address` lies in it.
    fn containing(&self, address: usize) -> Option<(usize, usize)> {
        let start = self.start.load(Ordering::Acquire);
        let size = self.size.load(Ordering::Acquire);
        // The slot may have changed between the two.
        let same = start != 0 && self.start.load(Ordering::Acquire) == start;
        (same && address.wrapping_sub(start) < size).then_some((start, size))
    }
}

/// Installs the handler; gives what was there before.
fn install() -> io::Result<sigaction> {
    // SAFETY: all fields are integers, pointers or sets of bits, for which zero is a value.
    let (mut action, mut before): (sigaction, sigaction) = unsafe { mem::zeroed() };
    action.sa_sigaction = handle as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: both are valid; the handler calls only what signal handlers may.
    match unsafe { sigaction(libc::SIGBUS, &raw const action, &raw mut before) } {
        0 => Ok(before),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Replaces the mapping that the fault lies in. What is no such fault is left to who was there before.
extern "C" fn handle(_signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel gives a valid `info`.
    let info = unsafe { &*info };
    // SAFETY: SIGBUS comes with an address.
    let address = unsafe { info.si_addr() } as usize;
    for slot in &MAPPINGS {
        if let Some((start, size)) = slot.containing(address)
            && replace(start, size)
        {
            slot.lost.store(true, Ordering::Relaxed);
            return;
        }
    }
    if let Some(Some(before)) = BEFORE.get() {
        // SAFETY: it is what the kernel gave. The access happens again and meets that.
        unsafe { sigaction(libc::SIGBUS, before, ptr::null_mut()) };
    }
}

/// Maps zeros in the place of a mapping.
fn replace(start: usize, size: usize) -> bool {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: the place is this thread's own.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    let place = ptr::without_provenance_mut(start);
    // SAFETY: the range is one whole mapping of a file, guarded until it is no longer used, to which no
    // references exist: guest memory is accessed by volatile loads and stores only.
    let mapped = unsafe { libc::mmap(place, size, protection, flags, -1, 0) };
    // SAFETY: as above.
    unsafe { *errno = before };
    mapped != libc::MAP_FAILED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_belong_to_the_mapping_that_they_lie_in_while_it_is_guarded() {
        // Nothing is accessed there.
        let start = 0x7000_0000_0000usize;
        let of = |address| MAPPINGS.iter().find_map(|slot| slot.containing(address));
        let guard = Guard::new(ptr::without_provenance(start), 0x2000).unwrap();
        assert_eq!([of(start), of(start + 0x1fff)], [Some((start, 0x2000)); 2]);
        assert_eq!([of(start - 1), of(start + 0x2000), of(0)], [None; 3]);
        drop(guard);
        assert_eq!(of(start), None);
    }
}
