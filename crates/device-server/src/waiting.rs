//! How a session waits for its client.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use libc::c_int;

use crate::interrupts::Interrupts;

/// How long a session asks for more before it sleeps. A driver often makes its next access within
/// that time, and to wake a thread on another CPU takes as long again: on a machine where a read took
/// 50 µs with a server that slept at once, it took 15 with one that did not.
const WAKEFUL: Duration = Duration::from_micros(50);
/// Most waits that a session sleeps through at once after asking was in vain again and again.
const LONGEST_PAUSE: u32 = 1024;

/// What a session does until its client says more.
pub(crate) struct Waiting<'a> {
    /// Looked after while waiting.
    interrupts: &'a Interrupts,
    /// Never sleep.
    polls: bool,
    eagerness: Cell<Eagerness>,
}

impl<'a> Waiting<'a> {
    /// Waiting for a client, while the client's way to unmask INTx is looked after; without ever
    /// sleeping if it `polls`.
    pub(crate) fn new(interrupts: &'a Interrupts, polls: bool) -> Self {
        Waiting { interrupts, polls, eagerness: Cell::default() }
    }

    /// Calls `receive`, with flags for the system call, until it has something from `stream`.
    pub(crate) fn until<R>(
        &self,
        stream: &UnixStream,
        mut receive: impl FnMut(c_int) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut eagerness = self.eagerness.get();
        if self.polls || eagerness.tries() {
            let (result, asked) = self.ask(&mut receive);
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => eagerness.in_vain(),
                result => {
                    if asked > 1 {
                        eagerness.worthwhile();
                    }
                    self.eagerness.set(eagerness);
                    return result;
                }
            }
        }
        self.eagerness.set(eagerness);
        while let Some(unmask) = self.interrupts.unmask_fd() {
            sleep([stream.as_raw_fd(), unmask])?;
            self.interrupts.unmask_if_signalled();
            match receive(libc::MSG_DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
        receive(0)
    }

    /// Asks without pause, for a while or for ever; says how often.
    fn ask<R>(&self, receive: &mut impl FnMut(c_int) -> io::Result<R>) -> (io::Result<R>, u32) {
        let start = Instant::now();
        let mut asked = 0u32;
        loop {
            let result = receive(libc::MSG_DONTWAIT);
            asked = asked.saturating_add(1);
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.polls && start.elapsed() > WAKEFUL {
                        return (Err(error), asked);
                    }
                }
                result => return (result, asked),
            }
            if self.interrupts.unmask_fd().is_some() {
                self.interrupts.unmask_if_signalled();
            }
            std::hint::spin_loop();
        }
    }
}

/// Whether to ask before sleeping. A client on the same CPU cannot say anything meanwhile, so each
/// time in vain doubles the number of waits until the next try.
#[derive(Clone, Copy, Debug, Default)]
struct Eagerness {
    /// Waits to sleep through before the next try.
    left: u32,
    /// Waits that the last time in vain cost.
    pause: u32,
}

impl Eagerness {
    /// Whether this wait begins by asking.
    fn tries(&mut self) -> bool {
        let tries = self.left == 0;
        self.left = self.left.saturating_sub(1);
        tries
    }

    fn in_vain(&mut self) {
        self.pause = (2 * self.pause).clamp(1, LONGEST_PAUSE);
        self.left = self.pause;
    }

    fn worthwhile(&mut self) {
        *self = Eagerness::default();
    }
}

/// Sleeps until one of `fds` is readable, at its end or broken.
fn sleep<const N: usize>(fds: [RawFd; N]) -> io::Result<()> {
    let mut polls = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: `polls` is an array of as many entries, which the call may change.
    let result = unsafe { libc::poll(polls.as_mut_ptr(), N as libc::nfds_t, -1) };
    let error = io::Error::last_os_error();
    if result < 0 && error.kind() != io::ErrorKind::Interrupted {
        return Err(error);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_vain_is_tried_ever_more_seldom_until_it_pays_again() {
        let mut eagerness = Eagerness::default();
        let mut tried = Vec::new();
        for wait in 0..5000 {
            if eagerness.tries() {
                tried.push(wait);
                eagerness.in_vain();
            }
        }
        assert_eq!(tried[..6], [0, 2, 5, 10, 19, 36]);
        let longest = tried.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert_eq!(longest, Some(LONGEST_PAUSE + 1));
        while !eagerness.tries() {}
        eagerness.worthwhile();
        assert!((0..10).all(|_| eagerness.tries()));
    }
}
