//! Checks that run in a guest, under a stock i915: an outside judge of the emulated GPU.
//!
//! They know the kernel only (its ioctls, sysfs, tracefs) and share no facts with the device. What
//! a batch did is judged by what it left in memory, never by an ioctl that succeeded.
#![deny(unsafe_code)]

mod agent;
mod checks;
mod driver;
mod error;
mod error_state;
mod files;
mod gpu;
mod lifetimes;
mod memory;
mod report;
mod sys;
mod trace;
mod uapi;

use std::env;
use std::process::ExitCode;

use checks::Check;
use report::Reporter;

/// Exit status for wrong use.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if let Some((lifetimes::IMPORTER, rest)) =
        words.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        return lifetimes::importer(rest);
    }
    if let Some((lifetimes::STARTER, rest)) =
        words.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        return lifetimes::starter(rest);
    }
    if words.iter().any(|word| word == "--list") {
        print!("{}", checks::list());
        return ExitCode::SUCCESS;
    }
    match checks::select(&words) {
        Ok(chosen) => run(&chosen),
        Err(error) => {
            eprintln!("gen8-checks: {error}");
            ExitCode::from(WRONG_USE)
        }
    }
}

/// Runs the checks one after another; a failure stops none that follow.
fn run(chosen: &[(&Check, u32)]) -> ExitCode {
    let mut failed = 0;
    for (check, argument) in chosen {
        let mut reporter = Reporter::new(check.name);
        if let Err(error) = (check.run)(&mut reporter, *argument) {
            reporter.failed(None, &error.to_string());
        }
        failed += reporter.conclude();
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
