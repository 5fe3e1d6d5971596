//! Waiting for an interrupt.

use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

use vmm_sys_util::eventfd::EventFd;

/// Waits until `event` counts something, at most for `limit`, or until a signal comes.
pub(crate) fn readable(event: &EventFd, limit: Duration) {
    let mut poll = libc::pollfd { fd: event.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let limit = libc::timespec {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(limit.subsec_nanos()),
    };
    // SAFETY: both structures outlive the call; no signal mask is given.
    unsafe { libc::ppoll(&mut poll, 1, &limit, ptr::null()) };
}
