//! gen8emu: an emulated Intel Gen8 GPU, its driver, and the leak that the driver had.
#![forbid(unsafe_code)]

mod agent;
mod bench;
mod cases;
mod cli;
mod control;
mod inject;
mod inspect;
mod output;
mod plug;
mod record;
mod replay;
mod report;
mod screenshot;
mod serve;
mod table;
mod top;

use std::env;
use std::process::ExitCode;

use anyhow::Result;

use cli::{Command, Wrong};

/// Exit status of a finding, a difference or a failure.
const DIFFERENT: u8 = 1;
/// Exit status of wrong use.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    env_logger::init();
    let cli = match cli::parse(env::args_os()) {
        Ok(cli) => cli,
        Err(Wrong::Help(help)) => help.exit(),
        Err(Wrong::Use(message)) => {
            eprintln!("{message}");
            return ExitCode::from(WRONG_USE);
        }
    };
    match run(cli.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DIFFERENT),
        Err(error) => {
            // It may quote a file or a server.
            eprintln!("error: {}", observe::plain(&format!("{error:#}")));
            ExitCode::from(DIFFERENT)
        }
    }
}

/// Does it; says whether all was as expected.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Run(arguments) => cases::run(&arguments),
        Command::Matrix(arguments) => cases::matrix(&arguments),
        Command::Bench(arguments) => bench::command(&arguments),
        Command::Serve(arguments) => serve::command(&arguments).map(|()| true),
        Command::Screenshot(arguments) => screenshot::command(&arguments).map(|()| true),
        Command::Plug(arguments) => plug::plug(&arguments).map(|()| true),
        Command::Unplug(arguments) => plug::unplug(&arguments).map(|()| true),
        Command::Inspect(arguments) => inspect::command(&arguments).map(|()| true),
        Command::Report(arguments) => report::report(&arguments).map(|()| true),
        Command::Export(arguments) => report::export(&arguments).map(|()| true),
        Command::Top(arguments) => top::command(&arguments).map(|()| true),
        Command::Replay(arguments) => replay::command(&arguments),
        Command::Drive(arguments) => cases::drive(&arguments),
        Command::Probe => Ok(probe()),
    }
}

fn probe() -> bool {
    match machine::kvm::probe() {
        Ok(()) => println!("KVM runs guests here"),
        // On standard error, as every reason why something cannot be done.
        Err(reason) => {
            eprintln!("KVM cannot be used: {reason}");
            return false;
        }
    }
    true
}
