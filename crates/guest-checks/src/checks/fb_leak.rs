//! The judges judged: a client that keeps the console's frame buffer, of which the check claims that it
//! went. Kernel and device must both say that it is still bound, so this fails.

use crate::error::Result;
use crate::lifetimes::{ConsoleWatch, Ends, Importer, Source, first_mark};
use crate::report::Reporter;

/// With so many clients, of which each adds one.
pub(super) fn run(reporter: &mut Reporter, clients: u32) -> Result<()> {
    let first = first_mark(6);
    let Some(mut watch) = ConsoleWatch::start("fb-leak", first, reporter)? else { return Ok(()) };
    let mut kept = Vec::new();
    for cycle in 1..=clients {
        kept.push(Importer::start(Source::Console, first + cycle, Ends::Keep)?);
        reporter.result(Some(&format!("cycle {cycle}")), watch.settle(cycle));
    }
    kept.into_iter().try_for_each(Importer::finish)
}
