//! SIGTERM and SIGINT as something to wait for.

use std::{io, mem, ptr};

/// The signals that ask a program to end, blocked in the thread that made this and in those that it
/// starts afterwards.
#[derive(Clone, Copy)]
pub struct TerminationSignals(libc::sigset_t);

impl TerminationSignals {
    /// Blocks SIGTERM and SIGINT, and SIGXFSZ: a file that may not grow any more (`ulimit -f`) is an error of who
    /// writes it, and no reason to end. To be called before other threads exist.
    pub fn block() -> io::Result<Self> {
        let asking = [libc::SIGTERM, libc::SIGINT];
        let blocked = set_of(asking.into_iter().chain([libc::SIGXFSZ]));
        // SAFETY: `blocked` is valid; the old mask is not asked for.
        match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, ptr::null_mut()) }
        {
            0 => Ok(TerminationSignals(set_of(asking))),
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

fn set_of(signals: impl IntoIterator<Item = i32>) -> libc::sigset_t {
    // SAFETY: a set of signals is plain bits, for which zero is a value.
    let mut set: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: `set` is valid.
    unsafe { libc::sigemptyset(&raw mut set) };
    for signal in signals {
        // SAFETY: `set` is valid and so is the signal's number.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_not_grow_does_not_end_the_program() {
        TerminationSignals::block().unwrap();
        let mut mask = set_of([]);
        // SAFETY: no mask is set; `mask` takes the one that there is.
        let asked = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut mask) };
        assert_eq!(asked, 0);
        // SAFETY: `mask` is valid.
        assert_eq!(unsafe { libc::sigismember(&raw const mask, libc::SIGXFSZ) }, 1);
    }
}
