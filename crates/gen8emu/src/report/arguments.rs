//! The command lines of `report` and `export`.

use std::path::PathBuf;

use clap::Args;

/// What is told of, and up to where.
#[derive(Args, Debug)]
pub(crate) struct Source {
    /// A recording, or stories as `run --report FILE.json` writes them
    #[arg(value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Of a recording: up to so many inputs
    #[arg(long, value_name = "N", conflicts_with = "to_ns")]
    pub(crate) to: Option<u64>,
    /// Of a recording: up to so many nanoseconds of device time
    #[arg(long, value_name = "NS")]
    pub(crate) to_ns: Option<u64>,
    /// Take a recording that is cut off, up to there
    #[arg(long)]
    pub(crate) partial: bool,
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
