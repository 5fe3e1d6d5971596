//! The seed's case without an X server: clients that do with the console's frame buffer what X does when
//! it starts (GETFB, a copy by the GPU), and exit; those with even numbers close their handle before.
//! Nothing of them may stay, although the frame buffer does.

use crate::error::Result;
use crate::lifetimes::{ConsoleWatch, Ends, Importer, Source, first_mark};
use crate::report::Reporter;

/// With so many clients, one after the other.
pub(super) fn run(reporter: &mut Reporter, clients: u32) -> Result<()> {
    let first = first_mark(5);
    let Some(mut watch) = ConsoleWatch::start("fb-import", first, reporter)? else {
        return Ok(());
    };
    for cycle in 1..=clients {
        let ends = if cycle % 2 == 0 { Ends::Close } else { Ends::Exit };
        let client = Importer::start(Source::Console, first + cycle, ends);
        let result = client.and_then(Importer::finish).and_then(|()| watch.settle(cycle));
        reporter.result(Some(&format!("cycle {cycle}")), result);
    }
    Ok(())
}
