//! `gen8emu report` and `gen8emu export`: what happened, as a page and in other tools' formats.

pub(crate) mod arguments;
pub(crate) mod stories;

use anyhow::Result;

use self::arguments::{ExportArgs, ReportArgs};

/// Draws the stories of a file.
pub(crate) fn report(arguments: &ReportArgs) -> Result<()> {
    stories::write(&arguments.output, &stories::read(&arguments.input)?)
}

/// Writes what a file holds in another tool's format.
pub(crate) fn export(arguments: &ExportArgs) -> Result<()> {
    let stories = stories::read(&arguments.input)?;
    stories::save(&arguments.output, report::perfetto(&stories).as_bytes())
}
