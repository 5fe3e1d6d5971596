//! `gen8emu report` and `gen8emu export`: what happened, as a page and in other tools' formats.

pub(crate) mod arguments;
mod origin;
mod recorded;
pub(crate) mod stories;

use anyhow::{Result, bail};
use observe::story::Story;

use self::arguments::{ExportArgs, Format, ReportArgs, Source};
use self::recorded::Recorded;

/// Draws the stories of a file.
pub(crate) fn report(arguments: &ReportArgs) -> Result<()> {
    let ReportArgs { source, output } = arguments;
    match Recorded::open(source)? {
        Some(recorded) => {
            let program = Some(recorded.program());
            stories::write_recorded(output, &recorded.stories()?, program)
        }
        None => stories::write(output, &stories::read(&source.input)?),
    }
}

/// Writes what a file holds in another tool's format.
pub(crate) fn export(arguments: &ExportArgs) -> Result<()> {
    let ExportArgs { format, source, output } = arguments;
    match format {
        Format { aub: true, .. } => of_device(source)?.aub(output),
        Format { error_state: true, .. } => {
            stories::save(output, of_device(source)?.error_state()?.as_bytes())
        }
        _ => stories::save(output, report::perfetto(&told(source)?).as_bytes()),
    }
}

/// The stories of a file, whatever kind it is.
fn told(source: &Source) -> Result<Vec<Story>> {
    match Recorded::open(source)? {
        Some(recorded) => recorded.stories(),
        None => stories::read(&source.input),
    }
}

fn of_device(source: &Source) -> Result<Recorded> {
    match Recorded::open(source)? {
        Some(recorded) => Ok(recorded),
        None => bail!(
            "{} is no recording, and stories do not hold what this needs (docs/report.md)",
            source.input.display()
        ),
    }
}
