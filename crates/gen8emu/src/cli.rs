//! The command line.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::bench;

/// An emulated Intel Gen8 GPU, an i915-style driver for it, and the address-space leak that the
/// driver had until Linux 4.4.
///
/// Exit status: 0 all as expected, 1 a difference or a failure, 2 wrong use. RUST_LOG=debug shows
/// what driver and device do.
#[derive(Parser, Debug)]
#[command(name = "gen8emu", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Measure the hot paths, each against a limit measured in the same run
    Bench(BenchArgs),
    /// Say whether /dev/kvm really runs a guest here
    Probe,
}

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Only these; without any, all
    #[arg(value_name = "NAME", value_parser = bench_name)]
    pub(crate) names: Vec<String>,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

fn bench_name(text: &str) -> Result<String, String> {
    let names: Vec<&str> = bench::ALL.iter().map(|bench| bench.name).collect();
    match names.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("unknown bench: expected one of {}", names.join(", "))),
    }
}

/// Reads the command line. What is wrong with it is told in one line, with exit status 2.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Wrong> {
    Cli::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Wrong::Help(error),
        _ => Wrong::Use(one_line(&error.to_string())),
    })
}

/// Why there is no command line to follow.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// Help or the version was asked for.
    Help(clap::Error),
    /// The command line is wrong; in one line, how.
    Use(String),
}

/// clap explains over several lines; the first paragraph says what is wrong and what would be
/// right, the others only repeat the usage.
fn one_line(message: &str) -> String {
    let paragraph = message.split("\n\n").next().unwrap_or(message);
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    format!("{} (see --help)", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(line: &str) -> String {
        let arguments = std::iter::once("gen8emu").chain(line.split_whitespace());
        match parse(arguments.map(OsString::from)) {
            Err(Wrong::Use(message)) => message,
            other => panic!("'{line}' gave {other:?}"),
        }
    }

    #[test]
    fn unknown_bench_is_told_with_the_valid_ones_in_one_line() {
        let message = complaint("bench walk5_hot");
        assert!(!message.contains('\n'));
        assert!(message.contains("walk5_hot"), "{message}");
        assert!(message.contains("walk4_hot") && message.contains("census_1g"), "{message}");
    }

    #[test]
    fn unknown_option_is_named_in_one_line() {
        let message = complaint("bench --jsno");
        assert!(message.contains("--jsno") && !message.contains('\n'), "{message}");
    }
}
