//! How a bench is measured: subject and limit by turns, in many short samples.
//!
//! On a busy machine other programs take the CPU away for milliseconds at a time. Samples shorter
//! than that are either hit, and far off, or not hit at all: the lower quartile of many is what the
//! code costs while it runs. That is good to a few per cent. Where one per cent counts, each sample of one
//! is compared with its neighbours of the other, and the median of many such ratios is the result ([`Ratios`]).

use std::time::{Duration, Instant};

use anyhow::Result;

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
    /// How many times slower the subject is than the limit, if that was measured by [`Ratios`].
    pub(crate) median: Option<Median>,
}

/// The median of ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Median {
    pub(crate) value: f64,
    /// Between these it would lie in 19 of 20 repetitions.
    pub(crate) between: [f64; 2],
}

/// Samples of subject and limit that were taken beside each other, in several starts of both: where memory
/// happens to lie is good or bad luck for as long as they live.
#[derive(Default)]
pub(crate) struct Ratios {
    /// The median of each start: ratio, subject and limit.
    starts: Vec<[f64; 3]>,
}

impl Ratios {
    /// Takes `count` pairs of another start: subject, limit, limit, subject, so that what changes slowly is in
    /// both. Each closure takes a sample: nanoseconds per operation.
    pub(crate) fn take(
        &mut self,
        count: usize,
        mut subject: impl FnMut() -> Result<f64>,
        mut limit: impl FnMut() -> Result<f64>,
    ) -> Result<()> {
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let first = subject()?;
            let limits = (limit()? + limit()?) / 2.0;
            let subjects = (first + subject()?) / 2.0;
            pairs.push([subjects / limits, subjects, limits]);
        }
        self.starts.push([0, 1, 2].map(|of| middle(&column(&pairs, of), 0.0)));
        Ok(())
    }

    /// What came out; nonsense without any pair.
    pub(crate) fn pair(&self) -> Pair {
        let [ratios, subjects, limits] = [0, 1, 2].map(|of| column(&self.starts, of));
        let [value, low, high] = [0.0, -ODDS, ODDS].map(|far| middle(&ratios, far));
        let median = Some(Median { value, between: [low, high] });
        Pair { subject: middle(&subjects, 0.0), limit: middle(&limits, 0.0), median }
    }
}

/// One of three values of each, sorted.
fn column(of: &[[f64; 3]], which: usize) -> Vec<f64> {
    let mut values: Vec<f64> = of.iter().map(|values| values[which]).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// So many standard deviations from the middle lies the median in 19 of 20 cases.
const ODDS: f64 = 1.96;

/// The value in the middle of sorted ones, or so many standard deviations of its place beside it. Each value is
/// above the median by chance, one time in two: so the place of the median has a deviation of half the root of
/// their number.
fn middle(sorted: &[f64], deviations: f64) -> f64 {
    let count = sorted.len() as f64;
    let place = (count - 1.0) / 2.0 + deviations * count.sqrt() / 2.0;
    let place = place.round().clamp(0.0, (count - 1.0).max(0.0)) as usize;
    sorted.get(place).copied().unwrap_or(f64::NAN)
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
    let (subject, limit) = (quartile(&mut subject_samples), quartile(&mut limit_samples));
    Pair { subject, limit, median: None }
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
    fn the_median_holds_where_the_machine_slows_down_and_other_programs_and_bad_luck_come_between()
    {
        // Twice as slow in the end as in the beginning, two samples of 20 hit by something long, and in every
        // fifth start the subject lies badly.
        let now = std::cell::Cell::new(0);
        let sample = |cost: f64| {
            now.set(now.get() + 1);
            let speed = 1.0 + f64::from(now.get()) / 1200.0;
            Ok(cost * speed * if now.get() % 20 < 2 { 7.0 } else { 1.0 })
        };
        let mut ratios = Ratios::default();
        for start in 0..10 {
            let subject = if start % 5 == 0 { 130.0 } else { 103.0 };
            ratios.take(30, || sample(subject), || sample(100.0)).unwrap();
        }
        let median = ratios.pair().median.unwrap();
        assert!((median.value - 1.03).abs() < 1e-3, "{median:?}");
        assert!((median.between[0] - 1.03).abs() < 1e-3, "{median:?}");
        assert!(median.between[1] >= median.value, "{median:?}");
    }

    #[test]
    fn the_more_starts_the_closer_is_the_median_known() {
        let width = |count: u32| {
            let values: Vec<f64> = (0..count).map(|n| f64::from(n) / f64::from(count)).collect();
            middle(&values, ODDS) - middle(&values, -ODDS)
        };
        assert!((0.17..0.23).contains(&width(100)), "{}", width(100));
        assert!((0.015..0.025).contains(&width(10_000)), "{}", width(10_000));
        assert_eq!(middle(&[3.0], ODDS), 3.0);
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
