//! Random input against a reference, a million times: a case of proptest is a seed, so that an operation
//! costs little more than its execution.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Operations that a test compares at least.
const OPERATIONS: u64 = 1_000_000;

/// xorshift64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A number of `low..high`.
    pub(crate) fn within(&mut self, low: i16, high: i16) -> i16 {
        low + self.below((high - low) as u64) as i16
    }

    /// With a chance of one in `n`.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Runs `compare` on so many seeds. It says how many operations it compared; in all they are a
/// million at least.
pub(crate) fn a_million(seeds: u32, compare: impl Fn(u64) -> Result<u64, TestCaseError>) {
    let config = Config { cases: seeds, failure_persistence: None, ..Config::default() };
    let compared = core::cell::Cell::new(0);
    let outcome = TestRunner::new(config).run(&(1..u64::MAX), |seed| {
        compared.set(compared.get() + compare(seed)?);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    println!("{} operations compared", compared.get());
    assert!(compared.get() >= OPERATIONS, "only {} operations", compared.get());
}
