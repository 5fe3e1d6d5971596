//! Project tasks. `cargo xtask --help` lists them; docs/toolchain.md tells how the guest is built.
#![forbid(unsafe_code)]

mod apt;
mod bench;
mod build;
mod check;
mod fuzz;
mod linux;
mod process;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

/// Exit status for wrong use.
const WRONG_USE: u8 = 2;

/// Project tasks of gen8emu.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build all and run scenarios on the emulated GPU (`cargo xtask run --help`: its options)
    #[command(disable_help_flag = true)]
    Run(Forwarded),
    /// Every scenario under every policy, observed against expected
    #[command(disable_help_flag = true)]
    Matrix(Forwarded),
    /// Draw what a recording holds as one page (`cargo xtask report --help`: its options)
    #[command(disable_help_flag = true)]
    Report(Forwarded),
    /// Measure the hot paths, each against a limit measured in the same run
    #[command(disable_help_flag = true)]
    Bench(Forwarded),
    /// All checks and tests; the last line counts them
    #[command(visible_alias = "ci")]
    Test {
        /// Only the steps whose names hold this
        #[arg(long, value_name = "PART")]
        step: Option<String>,
    },
    /// Boot a stock Linux kernel with its own i915 on the emulated GPU, in QEMU
    Linux(Box<linux::LinuxArgs>),
    /// Kill QEMU at work again and again, and reload i915: the GPU's server must stay as it was
    Soak(linux::SoakArgs),
    /// Feed the device wild input under AddressSanitizer and print what was reached and found
    Fuzz(fuzz::FuzzArgs),
    /// Build the guest image and print where it is
    Firmware,
    /// Build the checks for Linux guests and print where they are
    GuestChecks,
}

/// Arguments that the program gen8emu understands; xtask hands them on.
#[derive(clap::Args)]
struct Forwarded {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// What was asked for cannot be, whatever the machine: the user must ask for something else.
#[derive(Debug)]
struct WrongUse(String);

impl std::fmt::Display for WrongUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUse {}

fn main() -> ExitCode {
    let task = match Cli::try_parse() {
        Ok(cli) => cli.task,
        Err(error) => return explain(&error),
    };
    match run(task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<WrongUse>() { ExitCode::from(WRONG_USE) } else { ExitCode::FAILURE }
        }
    }
}

/// Help in full, and what is wrong with the command line in one line.
fn explain(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => {
            eprintln!("{}", one_line(&error.to_string()));
            ExitCode::from(WRONG_USE)
        }
    }
}

/// clap explains over several lines, the last of which only repeat the usage.
fn one_line(message: &str) -> String {
    let is_usage = |line: &str| line.starts_with("Usage:") || line.starts_with("For more");
    let lines = message.lines().take_while(|line| !is_usage(line));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Run(Forwarded { arguments }) => build::build_and_run("run", &arguments),
        Task::Matrix(Forwarded { arguments }) => build::build_and_run("matrix", &arguments),
        Task::Report(Forwarded { arguments }) => build::build_and_run("report", &arguments),
        Task::Bench(Forwarded { arguments }) => bench::run(&arguments),
        Task::Linux(arguments) => linux::run(&arguments),
        Task::Soak(arguments) => linux::soak(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Test { step } => check::run(step.as_deref()),
        Task::Firmware => {
            println!("{}", build::firmware()?.display());
            Ok(ExitCode::SUCCESS)
        }
        Task::GuestChecks => {
            println!("{}", build::guest_checks()?.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use clap::Parser;

    use super::{Cli, one_line};

    #[test]
    fn what_is_wrong_is_told_in_one_line_with_what_would_be_right() {
        for (line, words) in [
            ("linux --kernel 6.2", ["6.2", "5.10"]),
            ("linux --all --timeout 5", ["--all", "--timeout"]),
            ("fuzz --target parser", ["parser", "traffic"]),
            ("soak --reloads 99999", ["99999", "10000"]),
        ] {
            let arguments = std::iter::once("xtask").chain(line.split(' '));
            let error = Cli::try_parse_from(arguments).err().map(|error| error.to_string());
            let told = one_line(&error.unwrap_or_default());
            assert!(!told.contains('\n') && !told.contains("Usage"), "{told}");
            assert!(words.iter().all(|word| told.contains(word)), "{told}");
        }
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}
