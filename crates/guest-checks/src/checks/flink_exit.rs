//! A shared object outlives its importers: what they leave behind when they exit.
//!
//! A makes X, never uses it, and gives it a name. Each B opens the name, uses X in an address space
//! of its own, and exits without closing anything. Nothing of the Bs may stay, although X does.

use crate::error::Result;
use crate::lifetimes::{Ends, Expected, Exporter, TracedDriver, first_mark};
use crate::report::Reporter;

/// With so many importers, one after the other.
pub(super) fn run(reporter: &mut Reporter, importers: u32) -> Result<()> {
    let Some(mut driver) = TracedDriver::start("flink-exit", reporter)? else { return Ok(()) };
    let first = first_mark(1);
    let exporter = Exporter::new(first)?;
    for number in 1..=importers {
        exporter.import(first + number, Ends::Exit)?.finish()?;
    }
    exporter.use_every_engine()?;
    let marks = first + 1..=first + importers;
    let expected = [Expected::released(&marks), Expected::alive(&(first..=first))];
    let settled = driver.settle("exit", &expected)?;
    reporter.result(Some("importers"), settled.judge());
    drop(exporter);
    reporter.result(Some("driver"), driver.end());
    Ok(())
}
