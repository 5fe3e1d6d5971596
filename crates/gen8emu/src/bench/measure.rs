//! How a bench is measured: subject and limit by turns, medians of both.

use std::time::{Duration, Instant};

/// Pairs of samples; odd, so that a median is a sample.
const SAMPLES: usize = 9;
/// A sample takes at least this long, so that the clock and the scheduler weigh little.
const SAMPLE_TIME: Duration = Duration::from_millis(12);

/// Nanoseconds per operation, medians over all samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// What we measure.
    pub(crate) subject: f64,
    /// What the machine could do at best.
    pub(crate) limit: f64,
}

/// Measures `subject` and `limit` by turns, so that both see the same noise and the same clock
/// frequency. Each is called with a number of rounds and says how many operations it did.
pub(crate) fn pair(mut subject: impl FnMut(u32) -> u64, mut limit: impl FnMut(u32) -> u64) -> Pair {
    let (subject_rounds, limit_rounds) = (calibrate(&mut subject), calibrate(&mut limit));
    let mut subject_samples = [0.0; SAMPLES];
    let mut limit_samples = [0.0; SAMPLES];
    for (of_subject, of_limit) in subject_samples.iter_mut().zip(&mut limit_samples) {
        *of_subject = sample(&mut subject, subject_rounds);
        *of_limit = sample(&mut limit, limit_rounds);
    }
    Pair { subject: median(&mut subject_samples), limit: median(&mut limit_samples) }
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

fn median(samples: &mut [f64; SAMPLES]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[SAMPLES / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_sample_does_not_move_the_median() {
        let mut samples = [1.0; SAMPLES];
        samples[3] = 1e9;
        assert_eq!(median(&mut samples), 1.0);
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
