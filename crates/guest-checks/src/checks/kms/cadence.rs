//! What a row of events says of a screen's beat.

use super::pulse::Stall;
use super::uapi::{ModeInfo, VblankEvent};
use crate::error::{Error, Result};

/// How far the rate may be from the mode's.
const TOLERANCE: f64 = 0.01;

/// A blanking that was waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    pub(super) event: VblankEvent,
    /// When the request for it was made, in microseconds.
    pub(super) asked_us: i64,
}

/// The beat of one pipe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cadence {
    pub(super) events: usize,
    pub(super) hertz: f64,
    /// Blankings that nobody was told of, though somebody had asked in time.
    pub(super) missed: u32,
    /// Those for which the guest itself was late.
    pub(super) late: u32,
    /// The most that an event's time was off an even beat, in microseconds.
    pub(super) jitter_us: f64,
    /// How often it was watched until it was so,
    pub(super) tries: u32,
    /// and what was missed until then.
    pub(super) missed_before: u32,
}

/// In words.
impl std::fmt::Display for Cadence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cadence { events, hertz, missed, late, jitter_us, tries, missed_before } = self;
        write!(f, "{events} events at {hertz:.3} Hz, {missed} missed, ")?;
        write!(f, "{late} that the guest was late for, jitter at most {jitter_us:.0} us")?;
        match tries {
            1 => Ok(()),
            _ => write!(f, ", at try {tries} ({missed_before} missed before)"),
        }
    }
}

/// Measures beats, each asked for after the one before. A request within the last `margin_us` before a
/// blanking is too late for it.
pub(super) fn measure(beats: &[Beat], stalls: &[Stall], margin_us: i64) -> Result<Cadence> {
    let first = beats.first().ok_or_else(|| Error::Wrong("no event came".into()))?;
    let since = |beat: &Beat| f64::from(beat.event.sequence.wrapping_sub(first.event.sequence));
    let time = |beat: &Beat| (beat.event.time_us() - first.event.time_us()) as f64;
    // Medians: when the host halts the device for a moment, the kernel stamps one event wrongly.
    let apart = beats.len() / 2;
    let pairs = beats.iter().zip(&beats[apart..]);
    let slope = |(a, b): (&Beat, &Beat)| (time(b) - time(a)) / (since(b) - since(a));
    let period = median(pairs.map(slope).filter(|slope| slope.is_finite()));
    let Some(period) = period.filter(|period| *period > 0.0) else {
        return Err(Error::Wrong(format!("{} events make no beat", beats.len())));
    };
    let off = |beat: &Beat| time(beat) - since(beat) * period;
    let origin = median(beats.iter().map(off)).unwrap_or_default();
    let (mut missed, mut late) = (0, 0);
    for pair in beats.windows(2) {
        let (before, beat) = (&pair[0], &pair[1]);
        let gap = beat.event.sequence.wrapping_sub(before.event.sequence);
        if gap == 0 || gap > u32::MAX / 2 {
            let what =
                format!("blanking {} follows {}", beat.event.sequence, before.event.sequence);
            return Err(Error::Wrong(what));
        }
        let skipped = gap - 1;
        let from = before.event.time_us();
        let due = from + period as i64;
        // An interrupt that waits for the guest until the next blanking comes together with that one.
        let stalled = stalls.iter().any(|stall| stall.touches(from, due + period as i64));
        match stalled || beat.asked_us > due - margin_us {
            true => late += skipped,
            false => missed += skipped,
        }
    }
    let jitter_us = beats.iter().map(|beat| (off(beat) - origin).abs()).fold(0.0, f64::max);
    let (events, hertz) = (beats.len(), 1e6 / period);
    Ok(Cadence { events, hertz, missed, late, jitter_us, tries: 1, missed_before: 0 })
}

/// The one in the middle.
fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

impl Cadence {
    /// Fails in words unless it is that of a screen with this mode, and nothing was missed.
    pub(super) fn judge(self, mode: &ModeInfo) -> Result<Cadence> {
        let wanted = mode.hertz();
        if (self.hertz / wanted - 1.0).abs() > TOLERANCE {
            return Err(Error::Wrong(format!("{self}, and the mode has {wanted:.3} Hz")));
        }
        if self.missed > 0 {
            return Err(Error::Wrong(self.to_string()));
        }
        // Else nothing of the beat was seen.
        if self.late as usize > self.events {
            return Err(Error::Wrong(format!("the guest does not keep up: {self}")));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: i64 = 16_666;
    const MARGIN: i64 = 4_000;

    fn mode() -> ModeInfo {
        ModeInfo { clock: 65_000, htotal: 1344, vtotal: 806, ..ModeInfo::default() }
    }

    fn judged(beats: &[Beat], mode: &ModeInfo, stalls: &[Stall]) -> Result<Cadence> {
        measure(beats, stalls, MARGIN)?.judge(mode)
    }

    /// Beats at these sequence numbers, each asked for `delay` after the one before.
    fn beats(sequences: &[u32], delay: i64) -> Vec<Beat> {
        let time = |sequence: u32| i64::from(sequence) * PERIOD;
        let mut asked_us = 0;
        let beat = |&sequence: &u32| {
            let time_us = time(sequence);
            let event = VblankEvent {
                sequence,
                tv_sec: (time_us / 1_000_000) as u32,
                tv_usec: (time_us % 1_000_000) as u32,
                ..VblankEvent::default()
            };
            let beat = Beat { event, asked_us };
            asked_us = time_us + delay;
            beat
        };
        sequences.iter().map(beat).collect()
    }

    #[test]
    fn an_even_beat_has_the_modes_rate_and_no_jitter() {
        let even = beats(&(100..400).collect::<Vec<_>>(), 1000);
        let cadence = judged(&even, &mode(), &[]).unwrap();
        assert_eq!((cadence.events, cadence.missed, cadence.late), (300, 0, 0));
        assert!((cadence.hertz - 60.0).abs() < 0.01 && cadence.jitter_us < 1.0, "{cadence}");
        let fast = ModeInfo { clock: 66_000, ..mode() };
        assert!(judged(&even, &fast, &[]).is_err(), "1.5 % off");
    }

    #[test]
    fn one_wrong_time_is_jitter_and_does_not_change_the_rate() {
        for wrong in [0, 15, 29] {
            let mut even = beats(&(100..130).collect::<Vec<_>>(), 1000);
            even[wrong].event.tv_usec += 26_000;
            let cadence = judged(&even, &mode(), &[]).unwrap();
            assert!((cadence.hertz - 60.0).abs() < 0.01, "{cadence}");
            assert!((25_900.0..26_100.0).contains(&cadence.jitter_us), "{cadence}");
        }
    }

    #[test]
    fn a_blanking_of_which_nobody_was_told_is_the_screens_fault_if_it_was_asked_for_in_time() {
        let gap: Vec<u32> = (1..50).chain(51..100).collect();
        assert!(judged(&beats(&gap, 1000), &mode(), &[]).is_err());
        let late = judged(&beats(&gap, PERIOD - MARGIN + 10), &mode(), &[]).unwrap();
        assert_eq!((late.missed, late.late), (0, 1));
        let around =
            |sequence: i64| Stall { from: sequence * PERIOD - 100, to: sequence * PERIOD + 9000 };
        let stalled = judged(&beats(&gap, 1000), &mode(), &[around(50)]).unwrap();
        assert_eq!((stalled.missed, stalled.late), (0, 1));
        assert!(judged(&beats(&gap, 1000), &mode(), &[around(48)]).is_err(), "elsewhere");
    }

    #[test]
    fn a_blanking_that_is_told_twice_and_a_guest_that_sees_less_than_half_are_failures() {
        assert!(judged(&beats(&[1, 2, 2, 3], 1000), &mode(), &[]).is_err());
        let few: Vec<u32> = (0..100).map(|number| 3 * number).collect();
        assert!(judged(&beats(&few, PERIOD), &mode(), &[]).is_err());
        assert!(judged(&beats(&[7], 0), &mode(), &[]).is_err());
        assert!(judged(&[], &mode(), &[]).is_err());
    }
}
