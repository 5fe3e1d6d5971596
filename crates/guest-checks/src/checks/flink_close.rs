//! As `flink-exit`, but the importers live on: first they close their handle of the shared object,
//! then they destroy their context.

use crate::error::{Error, Result};
use crate::lifetimes::{Ends, Expected, Exporter, SHARED_AT, TracedDriver, first_mark};
use crate::report::Reporter;

/// With so many importers at the same time.
pub(super) fn run(reporter: &mut Reporter, importers: u32) -> Result<()> {
    let Some(mut driver) = TracedDriver::start("flink-close", reporter)? else { return Ok(()) };
    let first = first_mark(2);
    let exporter = Exporter::new(first)?;
    let mut clients = Vec::new();
    for number in 1..=importers {
        clients.push(exporter.import(first + number, Ends::Close)?);
    }
    let marks = first + 1..=first + importers;

    // Their handles of X are closed; their contexts live.
    let unbound = driver.settle_unbound(&marks, SHARED_AT);
    reporter.result(Some("handles"), unbound);
    let exporter_lives = Expected::alive(&(first..=first));
    let settled = driver.settle("handle", &[Expected::alive(&marks), exporter_lives.clone()])?;
    reporter.result(Some("contexts"), settled.judge());

    for client in &mut clients {
        client.next()?;
    }
    exporter.use_every_engine()?;
    let settled = driver.settle("context", &[Expected::released(&marks), exporter_lives])?;
    reporter.result(Some("importers"), settled.judge());

    for client in clients {
        client.finish().map_err(|error| Error::Wrong(format!("an importer: {error}")))?;
    }
    drop(exporter);
    reporter.result(Some("driver"), driver.end());
    Ok(())
}
