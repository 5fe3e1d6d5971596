//! SIGTERM and SIGINT as something to wait for.

use std::{io, mem, ptr};

/// The signals that ask a program to end, blocked in the thread that made this and in those that it
/// starts afterwards.
#[derive(Clone, Copy)]
pub struct TerminationSignals(libc::sigset_t);

impl TerminationSignals {
    /// Blocks SIGTERM and SIGINT. To be called before other threads exist.
    pub fn block() -> io::Result<Self> {
        // SAFETY: a set of signals is plain bits, for which zero is a value.
        let mut set: libc::sigset_t = unsafe { mem::zeroed() };
        // SAFETY: `set` is valid.
        unsafe { libc::sigemptyset(&raw mut set) };
        for signal in [libc::SIGTERM, libc::SIGINT] {
            // SAFETY: `set` is valid and so is the signal's number.
            unsafe { libc::sigaddset(&raw mut set, signal) };
        }
        // SAFETY: `set` is valid; the old mask is not asked for.
        match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) } {
            0 => Ok(TerminationSignals(set)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Waits for one of them; returns its number.
    pub fn wait(&self) -> io::Result<i32> {
        let mut signal = 0;
        // SAFETY: the set is valid, and `signal` takes the number.
        match unsafe { libc::sigwait(&raw const self.0, &raw mut signal) } {
            0 => Ok(signal),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}
