//! The command line.

mod cases;
mod serve;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use gen8_spec::registers::outputs::PORT_COUNT;
use machine::MachineKind;

pub(crate) use self::cases::{CaseArgs, CaseLists, DriveArgs, RunArgs};
pub(crate) use self::serve::{
    Display, PlugArgs, RecordedMemory, ScreenshotArgs, ServeArgs, UnplugArgs, Writes,
};
use crate::bench;
use crate::inspect::arguments::InspectArgs;
use crate::replay::arguments::ReplayArgs;
use crate::report::arguments::{ExportArgs, ReportArgs};
use crate::top::TopArgs;

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
    /// Run scenarios and show what is left over, and why
    ///
    /// Without options: flink-and-exit without the fix (policy none) and with the merged one (v4),
    /// with 3 and 4 levels of page tables, in a guest under KVM.
    Run(RunArgs),
    /// Run every scenario under every policy and compare with what is expected
    ///
    /// Without options: all of it in process. With --machine kvm and no --scenario: A, C, D, F, F2,
    /// G and H.
    Matrix(CaseArgs),
    /// Measure the hot paths, each against a limit measured in the same run
    Bench(BenchArgs),
    /// Give the GPU to QEMU (10.1 or newer) as a PCI device, over vfio-user
    ///
    /// Serves one QEMU after the other until SIGTERM or SIGINT.
    Serve(ServeArgs),
    /// Write what the monitor of a served GPU shows to a PNG file
    Screenshot(ScreenshotArgs),
    /// Connect a monitor to a served GPU while it runs
    Plug(PlugArgs),
    /// Take a monitor away from a served GPU while it runs
    Unplug(UnplugArgs),
    /// Look at a served GPU: registers, engines, page tables, GGTT, TLBs (docs/inspect.md)
    Inspect(InspectArgs),
    /// Draw what happened as one page: timeline, page-table pages, maps, findings (docs/report.md)
    Report(ReportArgs),
    /// Write what happened in another tool's format (docs/report.md)
    Export(ExportArgs),
    /// Watch a served GPU: engines' work, address spaces and their pages, faults, register accesses
    Top(TopArgs),
    /// Run the device from a recording, without a guest, and compare (docs/recording.md)
    Replay(ReplayArgs),
    /// Run scenarios on a GPU that is bound to vfio-pci, real or emulated
    ///
    /// Without options: the cases of `run`. The GPU must have no display in use; docs/vfio.md tells
    /// how to take it from i915.
    Drive(DriveArgs),
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
    /// Figures that a guest measured, as `cargo xtask bench` hands them in
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) guest_figures: Option<PathBuf>,
    /// `gen8-rig` as ever, and without observers, as `cargo xtask bench` builds them
    #[arg(long, value_names = ["WITH", "WITHOUT"], num_args = 2, hide = true)]
    pub(crate) rigs: Option<Vec<PathBuf>>,
}

fn bench_name(text: &str) -> Result<String, String> {
    let here = bench::ALL.iter().map(|bench| bench.name);
    let names: Vec<&str> = here.chain(bench::handed_in_names()).collect();
    match names.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("unknown bench '{text}': expected one of {}", names.join(", "))),
    }
}

/// Reads the command line. What is wrong with it is told in one line, with exit status 2.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Wrong> {
    let cli = Cli::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Wrong::Help(error),
        _ => Wrong::Use(one_line(&error.to_string())),
    })?;
    match &cli.command {
        Command::Serve(ServeArgs { output, .. }) if output.len() > PORT_COUNT => {
            let most = format!("error: there are ports for {PORT_COUNT} outputs");
            Err(Wrong::Use(format!("{most}, not for {} (--output)", output.len())))
        }
        Command::Run(RunArgs {
            cases: CaseArgs { count: Some(_), machine: Some(MachineKind::Kvm), .. },
            ..
        })
        | Command::Matrix(CaseArgs { count: Some(_), machine: Some(MachineKind::Kvm), .. }) => {
            let told = "error: --count is for --machine in-process: a guest cannot be told of it";
            Err(Wrong::Use(told.to_owned()))
        }
        Command::Inspect(arguments) if arguments.lacks_server() => {
            let told = "error: which server is asked? --control <PATH> is missing";
            Err(Wrong::Use(told.to_owned()))
        }
        _ => Ok(cli),
    }
}

/// Why there is no command line to follow.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// Help or the version was asked for.
    Help(clap::Error),
    /// The command line is wrong; in one line, how.
    Use(String),
}

/// clap explains over several lines, the last of which only repeat the usage.
fn one_line(message: &str) -> String {
    let end = ["\n\nUsage:", "\n\nFor more information"]
        .iter()
        .filter_map(|mark| message.find(mark))
        .min()
        .unwrap_or(message.len());
    let words: Vec<&str> = message[..end].split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
