//! Project tasks. `cargo xtask --help` lists them; docs/toolchain.md tells how the guest is built.
#![forbid(unsafe_code)]

mod apt;
mod bench;
mod build;
mod check;
mod linux;
mod process;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

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

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Run(Forwarded { arguments }) => build::build_and_run("run", &arguments),
        Task::Matrix(Forwarded { arguments }) => build::build_and_run("matrix", &arguments),
        Task::Bench(Forwarded { arguments }) => bench::run(&arguments),
        Task::Linux(arguments) => linux::run(&arguments),
        Task::Soak(arguments) => linux::soak(&arguments),
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

    use super::Cli;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}
