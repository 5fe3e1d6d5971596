//! The command lines of `report` and `export`.

use std::path::PathBuf;

use clap::Args;

use crate::replay::until::Until;

/// What is told of, and up to where.
#[derive(Args, Debug)]
pub(crate) struct Source {
    /// A recording, or stories as `run --report FILE.json` writes them
    #[arg(value_name = "FILE")]
    pub(crate) input: PathBuf,
    #[command(flatten)]
    pub(crate) until: Until,
}

/// Arguments of `report`.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Where the page goes; a name that ends with .json gets the stories themselves
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Arguments of `export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) source: Source,
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
    /// What was submitted, for Mesa's aubinator; of a recording only
    #[arg(long)]
    pub(crate) aub: bool,
    /// The device as i915 writes error states, for intel_error_decode; of a recording only
    #[arg(long)]
    pub(crate) error_state: bool,
}
