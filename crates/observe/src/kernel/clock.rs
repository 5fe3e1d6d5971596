//! The guest's clock against the device's.

use serde::{Deserialize, Serialize};

/// When something happened, by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// Microseconds of the guest's monotonic clock.
    pub guest_us: u64,
    /// Device time, nanoseconds: not before it happened by more than the trace needs to arrive.
    pub at_ns: u64,
}

/// For how long a line is a witness, nanoseconds of device time: a guest's monotonic clock stands still while
/// it is suspended, and goes a little faster or slower than the host's.
const WITNESS_NS: u64 = 10_000_000_000;

/// How far the clocks are apart. A line arrives after what it tells, some a long time after; of the last ones, the
/// one that took the shortest time is the best witness.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// When the witnesses of now began to come.
    since_ns: u64,
    /// Device time when the guest's clock was 0, by the best witness of now.
    ahead_ns: Option<i128>,
    /// The same by those before.
    before_ns: Option<i128>,
    /// The same by the last line alone.
    last_ns: Option<i128>,
    /// Device time at which the witnesses were last found to say something else than before.
    leapt_ns: u64,
}

/// A leap of what the witnesses say that is no drift, nanoseconds.
const LEAP_NS: i128 = 500_000_000;

/// A moment of device time by the guest's clock, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GuestTime {
    /// Not before this: a line arrives after what it tells, and a clock that stood shows later lines as late.
    pub(super) earliest_us: u64,
    /// By the best witness: later by no more than that line took.
    pub(super) likely_us: u64,
}

impl Clock {
    /// An event of guest time `guest_us` arrived at device time `arrived_ns`.
    pub(super) fn moment(&mut self, guest_us: u64, arrived_ns: u64) -> Moment {
        let known = self.least();
        if arrived_ns >= self.since_ns.saturating_add(WITNESS_NS) {
            let last = arrived_ns < self.since_ns.saturating_add(2 * WITNESS_NS);
            self.before_ns = self.ahead_ns.take().filter(|_| last);
            self.since_ns = arrived_ns;
        }
        let guest_ns = i128::from(guest_us) * 1000;
        let ahead = i128::from(arrived_ns) - guest_ns;
        self.last_ns = Some(ahead);
        self.ahead_ns = Some(self.ahead_ns.map_or(ahead, |known| known.min(ahead)));
        let least = self.least().unwrap_or(ahead);
        if known.is_some_and(|known| least > known + LEAP_NS) {
            self.leapt_ns = arrived_ns;
        }
        Moment { guest_us, at_ns: u64::try_from(guest_ns + least).unwrap_or(0) }
    }

    /// A moment of device time by the guest's clock. `None` before there is a line, and for what was before
    /// the clocks went apart by a leap: it cannot be ordered any more.
    pub(super) fn guest(&self, at_ns: u64) -> Option<GuestTime> {
        if self.has_leapt_since(at_ns) {
            return None;
        }
        let (last, least) = (self.last_ns?, self.least()?);
        let guest_us = |ahead: i128| u64::try_from((i128::from(at_ns) - ahead) / 1000).unwrap_or(0);
        Some(GuestTime { earliest_us: guest_us(last), likely_us: guest_us(least) })
    }

    /// Whether the witnesses say something else by now than at a moment of device time.
    pub(super) fn has_leapt_since(&self, at_ns: u64) -> bool {
        at_ns < self.leapt_ns
    }

    fn least(&self) -> Option<i128> {
        self.before_ns.into_iter().chain(self.ahead_ns).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_came_fastest_says_how_far_the_clocks_are_apart() {
        let mut clock = Clock::default();
        assert_eq!(clock.moment(1_000, 5_000_000).at_ns, 5_000_000, "nothing better is known");
        assert_eq!(clock.moment(2_000, 5_500_000).at_ns, 5_500_000, "this came faster");
        // This one waited: it happened 1 ms after the one before, not when it came.
        assert_eq!(clock.moment(3_000, 90_000_000).at_ns, 6_500_000);
        assert_eq!(clock.moment(u64::MAX, 0).at_ns, 0, "clocks of a hostile guest");
    }

    #[test]
    fn a_guest_that_slept_is_believed_anew() {
        const S: u64 = 1_000_000_000;
        let mut clock = Clock::default();
        let slept_ns = 3600 * S;
        assert_eq!(clock.moment(1_000_000, S + 5).at_ns, S + 5);
        assert_eq!(clock.moment(2_000_000, 2 * S + 7).at_ns, 2 * S + 5, "of the same time");
        assert_eq!(clock.moment(3_000_000, slept_ns + 3 * S + 9).at_ns, slept_ns + 3 * S + 9);
        // One that slept for less than a witness counts is, a little later.
        let mut clock = Clock::default();
        clock.moment(1_000_000, S);
        for second in 2..40 {
            let arrived_ns = (second + 5) * S;
            let at_ns = clock.moment(second * 1_000_000, arrived_ns).at_ns;
            assert!(at_ns == arrived_ns || second < 20, "{second}: {at_ns}");
        }
    }

    #[test]
    fn a_moment_lies_between_what_the_last_line_and_the_fastest_one_say() {
        const MS: u64 = 1_000_000;
        let mut clock = Clock::default();
        assert_eq!(clock.guest(0), None);
        clock.moment(1_000_000, 1_003 * MS);
        clock.moment(2_000_000, 2_050 * MS);
        let when = GuestTime { earliest_us: 1_450_000, likely_us: 1_497_000 };
        assert_eq!(clock.guest(1_500 * MS), Some(when));
        // The guest slept for a minute: what was before cannot be told from it.
        clock.moment(3_000_000, 63_003 * MS);
        assert_eq!(clock.guest(1_500 * MS), None);
        let when = GuestTime { earliest_us: 3_997_000, likely_us: 3_997_000 };
        assert_eq!(clock.guest(64_000 * MS), Some(when));
    }
}
