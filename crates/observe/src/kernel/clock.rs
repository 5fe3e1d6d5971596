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

/// How far the clocks are apart. A line arrives after what it tells, some a long time after; the one
/// that took the shortest time is the best witness.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// Device time when the guest's clock was 0, as far as is known.
    ahead_ns: Option<i128>,
}

impl Clock {
    /// An event of guest time `guest_us` arrived at device time `arrived_ns`.
    pub(super) fn moment(&mut self, guest_us: u64, arrived_ns: u64) -> Moment {
        let guest_ns = i128::from(guest_us) * 1000;
        let ahead = i128::from(arrived_ns) - guest_ns;
        let least = self.ahead_ns.map_or(ahead, |known| known.min(ahead));
        self.ahead_ns = Some(least);
        Moment { guest_us, at_ns: u64::try_from(guest_ns + least).unwrap_or(0) }
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
}
