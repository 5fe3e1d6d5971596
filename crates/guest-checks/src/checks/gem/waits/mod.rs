//! Batches that do not end by themselves: loops and waits that the CPU ends or another engine does,
//! contexts that queue behind them, and a GPU all of whose engines spin.

mod alone;
mod between;
mod spinning;

use super::{Pair, Work, run_all, run_pairs};
use crate::error::Result;
use crate::report::Reporter;

/// The works of each file.
pub(super) const FAMILIES: &[&[Work]] = &[alone::WORKS];
/// Those that take two engines.
pub(super) const PAIRS: &[Pair] = between::PAIRS;

/// A result for each work and engine.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    FAMILIES.iter().try_for_each(|works| run_all(reporter, works))?;
    run_pairs(reporter, PAIRS)?;
    spinning::run(reporter)
}
