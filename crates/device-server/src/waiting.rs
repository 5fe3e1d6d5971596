//! How a session waits for its client.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use libc::c_int;

use crate::interrupts::Interrupts;

/// How long a session asks for more before it sleeps. A driver often makes its next access within
/// that time, and to wake a thread on another CPU takes as long again: on a machine where a read took
/// 50 µs with a server that slept at once, it took 15 with one that did not.
const WAKEFUL: Duration = Duration::from_micros(50);

/// What a session does until its client says more.
#[derive(Clone, Copy)]
pub(crate) struct Waiting<'a> {
    /// Looked after while waiting.
    pub(crate) interrupts: &'a Interrupts,
    /// Never sleep.
    pub(crate) polls: bool,
}

impl Waiting<'_> {
    /// Calls `receive`, with flags for the system call, until it has something from `stream`.
    pub(crate) fn until<R>(
        &self,
        stream: &UnixStream,
        mut receive: impl FnMut(c_int) -> io::Result<R>,
    ) -> io::Result<R> {
        let start = Instant::now();
        loop {
            match receive(libc::MSG_DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            let tired = !self.polls && start.elapsed() > WAKEFUL;
            match self.interrupts.unmask_fd() {
                None if tired => return receive(0),
                None => thread::yield_now(),
                Some(fd) => {
                    if tired {
                        sleep([stream.as_raw_fd(), fd])?;
                    } else {
                        thread::yield_now();
                    }
                    self.interrupts.unmask_if_signalled();
                }
            }
        }
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
