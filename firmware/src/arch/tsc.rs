//! Time from the time-stamp counter.

use core::arch::x86_64::_rdtsc;

/// Converts ticks since its making to nanoseconds.
pub(crate) struct Clock {
    start: u64,
    khz: u64,
}

impl Clock {
    /// Starts a clock; `khz` is the counter's frequency, which the VMM knows.
    pub(crate) fn start(khz: u64) -> Self {
        Clock { start: ticks(), khz: khz.max(1) }
    }

    /// Nanoseconds since the start.
    pub(crate) fn now_ns(&self) -> u64 {
        let elapsed = u128::from(ticks().wrapping_sub(self.start));
        u64::try_from(elapsed * 1_000_000 / u128::from(self.khz)).unwrap_or(u64::MAX)
    }
}

fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction, and ring 0 may always use it.
    unsafe { _rdtsc() }
}
