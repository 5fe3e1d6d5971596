//! MI commands.

use super::{Work, everywhere, run_all};
use crate::checks::engines;
use crate::error::Result;
use crate::report::Reporter;

pub(super) const WORKS: &[Work] =
    &[Work { name: "two levels", on: everywhere, run: engines::check }];

/// A result for each work and engine.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    run_all(reporter, WORKS)
}
