//! How a bench is measured: subject and limit by turns, in many short samples.
//!
//! On a busy machine other programs take the CPU away for milliseconds at a time. Samples shorter
//! than that are either hit, and far off, or not hit at all: the lower quartile of many is what the
//! code costs while it runs.

use std::time::{Duration, Instant};

/// Pairs of samples.
const SAMPLES: usize = 121;
/// A sample takes about this long: enough for the clock, less than a turn of the scheduler.
const SAMPLE_TIME: Duration = Duration::from_millis(1);

/// Nanoseconds per operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// What we measure.
    pub(crate) subject: f64,
    /// What the machine could do at best.
    pub(crate) limit: f64,
}

/// Measures `subject` and `limit` by turns, so that both see the same noise and the same clock
/// frequency. Each is called with a number of rounds and says how many operations it did.
pub(crate) fn pair(subject: impl FnMut(u32) -> u64, limit: impl FnMut(u32) -> u64) -> Pair {
    pair_of::<SAMPLES>(subject, limit)
}

/// As [`pair`] with `N` samples of each, for operations that take long.
pub(crate) fn pair_of<const N: usize>(
    mut subject: impl FnMut(u32) -> u64,
    mut limit: impl FnMut(u32) -> u64,
) -> Pair {
    let (subject_rounds, limit_rounds) = (calibrate(&mut subject), calibrate(&mut limit));
    let mut subject_samples = [0.0; N];
    let mut limit_samples = [0.0; N];
    for (of_subject, of_limit) in subject_samples.iter_mut().zip(&mut limit_samples) {
        *of_subject = sample(&mut subject, subject_rounds);
        *of_limit = sample(&mut limit, limit_rounds);
    }
    Pair { subject: quartile(&mut subject_samples), limit: quartile(&mut limit_samples) }
}

/// Rounds that take about [`SAMPLE_TIME`]; also warms the caches.
fn calibrate(work: &mut impl FnMut(u32) -> u64) -> u32 {
    let mut rounds = 1;
    loop {
        let start = Instant::now();
        work(rounds);
        if start.elapsed() >= SAMPLE_TIME || rounds > u32::MAX / 2 {
            return rounds;
        }
        rounds *= 2;
    }
}

/// Nanoseconds per operation of one sample.
fn sample(work: &mut impl FnMut(u32) -> u64, rounds: u32) -> f64 {
    let start = Instant::now();
    let operations = work(rounds);
    start.elapsed().as_nanos() as f64 / operations.max(1) as f64
}

/// The lower quartile.
fn quartile<const N: usize>(samples: &mut [f64; N]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[N / 4]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_were_hit_do_not_count_even_if_most_were() {
        let mut samples = [1e9; SAMPLES];
        samples[..SAMPLES / 3].fill(1.0);
        assert_eq!(quartile(&mut samples), 1.0);
    }

    #[test]
    fn operations_are_counted_not_rounds() {
        // The same work under two names: one operation a round, and a thousand.
        let spin = || std::hint::black_box((0..2000_u64).fold(0, |a, b| a ^ b.rotate_left(3)));
        let pair = pair(
            |rounds| {
                (0..rounds).for_each(|_| {
                    spin();
                });
                u64::from(rounds)
            },
            |rounds| {
                (0..rounds).for_each(|_| {
                    spin();
                });
                u64::from(rounds) * 1000
            },
        );
        let ratio = pair.subject / pair.limit;
        assert!((300.0..3000.0).contains(&ratio), "{ratio}");
    }
}
