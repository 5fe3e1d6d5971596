//! How a session waits for its client.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::interrupts::Interrupts;

/// What a session does until its client says more.
#[derive(Clone, Copy)]
pub(crate) struct Waiting<'a> {
    /// Looked after while waiting.
    pub(crate) interrupts: &'a Interrupts,
    /// Ask for more without pause, and never sleep.
    pub(crate) polls: bool,
}

impl Waiting<'_> {
    /// Returns when there is something to receive from `stream`, or when receiving may wait as well
    /// as this.
    pub(crate) fn wait(&self, stream: &UnixStream) -> io::Result<()> {
        loop {
            let unmask = self.interrupts.unmask_fd();
            if unmask.is_none() && !self.polls {
                return Ok(());
            }
            let [stream_ready, unmask_ready] =
                ready([stream.as_raw_fd(), unmask.unwrap_or(NO_FD)], !self.polls)?;
            if unmask_ready {
                self.interrupts.unmask_if_signalled();
            }
            if stream_ready {
                return Ok(());
            }
        }
    }
}

/// `poll` passes over it.
const NO_FD: RawFd = -1;

/// Which of `fds` are readable, ended or broken; waits until one is, if told to.
fn ready<const N: usize>(fds: [RawFd; N], wait: bool) -> io::Result<[bool; N]> {
    let mut polls = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let timeout = if wait { -1 } else { 0 };
    // SAFETY: `polls` is an array of as many entries, which the call may change.
    let result = unsafe { libc::poll(polls.as_mut_ptr(), N as libc::nfds_t, timeout) };
    if result < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        return Ok([false; N]);
    }
    Ok(polls.map(|poll| poll.revents != 0))
}
