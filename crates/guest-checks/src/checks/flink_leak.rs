//! The judges judged: importers that keep everything, of which the check claims that they went.
//! Kernel and device must both say that their address spaces are alive, so this fails.

use crate::error::Result;
use crate::lifetimes::{Ends, Expected, Exporter, TracedDriver, first_mark};
use crate::report::Reporter;

/// With so many importers at the same time.
pub(super) fn run(reporter: &mut Reporter, importers: u32) -> Result<()> {
    let Some(mut driver) = TracedDriver::start("flink-leak", reporter)? else { return Ok(()) };
    let first = first_mark(3);
    let exporter = Exporter::new(first)?;
    let mut clients = Vec::new();
    for number in 1..=importers {
        clients.push(exporter.import(first + number, Ends::Keep)?);
    }
    let marks = first + 1..=first + importers;
    let settled = driver.settle("leak", &[Expected::released(&marks)])?;
    reporter.result(Some("importers"), settled.judge());
    for client in clients {
        client.finish()?;
    }
    drop(exporter);
    reporter.result(Some("driver"), driver.end());
    Ok(())
}
