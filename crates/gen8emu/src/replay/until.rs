//! How far a recording is played: for all commands that play one.

use clap::Args;
use recording::Position;

/// How far.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Until {
    /// Of a recording: stop after so many inputs
    #[arg(long, value_name = "N", conflicts_with = "to_ns")]
    to: Option<u64>,
    /// Of a recording: stop before device time goes beyond so many nanoseconds
    #[arg(long, value_name = "NS")]
    to_ns: Option<u64>,
    /// Take a recording that is cut off, up to there
    #[arg(long)]
    pub(crate) partial: bool,
}

impl Until {
    /// Where to stop.
    pub(crate) fn position(self) -> Position {
        let count = self.to.map(Position::Input);
        count.or(self.to_ns.map(Position::Time)).unwrap_or(Position::End)
    }
}
