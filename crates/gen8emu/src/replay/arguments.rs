//! The command line of `replay`.

use std::path::PathBuf;

use clap::Args;

use super::until::Until;

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

/// Arguments of `replay`.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// A recording, as `serve --record` makes it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) until: Until,
    /// Then answer questions about the device there, at a control socket (docs/control.md), until SIGTERM or
    /// SIGINT
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,
    /// Most memory that the recorded guest may have
    #[arg(long, value_name = "MIB", default_value = "16384", value_parser = bytes)]
    pub(crate) ram_limit: u64,
    /// Show the notes in the recording on the way
    #[arg(long, conflicts_with = "json")]
    pub(crate) notes: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Bytes, from MiB.
fn bytes(text: &str) -> Result<u64, String> {
    let bytes = text.parse::<u64>().ok().and_then(|mib| mib.checked_mul(MIB));
    bytes.ok_or_else(|| format!("'{text}' is no number of MiB"))
}
