//! MI commands: what each does, its fields, and what a batch without privilege may not.
//!
//! Expected values come from Intel's PRM for Broadwell (volume 2a, commands; volume 3, "User Mode
//! Privileged Commands"). i915 6.1 starts every batch of Broadwell's without privilege, and its own
//! command parser stays away from it: what batches meet are the rules of the hardware.

mod atomics;
mod clocks;
mod flow;
mod flushes;
mod isolation;
mod math;
mod predicate;
mod registers;
mod status_page;
mod stores;

use super::{Work, run_all};
use crate::error::Result;
use crate::report::Reporter;

/// The works of each file.
pub(super) const FAMILIES: &[&[Work]] = &[
    flow::WORKS,
    registers::WORKS,
    status_page::WORKS,
    stores::WORKS,
    math::WORKS,
    atomics::WORKS,
    predicate::WORKS,
    flushes::WORKS,
    clocks::WORKS,
    isolation::WORKS,
];

/// A result for each work and engine.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    FAMILIES.iter().try_for_each(|works| run_all(reporter, works))
}
