//! The command lines of `report` and `export`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `report`.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Stories as `run --report FILE.json` writes them
    #[arg(value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Where the page goes; a name that ends with .json gets the stories themselves
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Arguments of `export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) format: Format,
    /// Stories as `run --report FILE.json` writes them
    #[arg(value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Where it goes
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// The format, one of them.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Format {
    /// A trace for Perfetto (ui.perfetto.dev) and chrome://tracing: JSON
    #[arg(long)]
    pub(crate) perfetto: bool,
}
