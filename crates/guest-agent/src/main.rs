//! `gen8-agent`: streams what a stock i915 says of itself by its tracepoints out of the guest.
//!
//! It knows the kernel only: tracefs, the virtio ports in sysfs, a socket for the guest's programs.
//! What it sends are the lines of the kernel's trace as they are, behind a greeting; what it is
//! sent are answers to programs that asked (docs/agent.md).
#![forbid(unsafe_code)]

mod error;
mod port;
mod pump;
mod service;
mod trace;

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use error::{Error, Result};
use pump::Pump;

/// Exit status for wrong use.
const WRONG_USE: u8 = 2;
const USAGE: &str = "\
usage: gen8-agent start [--stacks]   trace i915 in the background; returns when the trace runs
       gen8-agent run [--stacks]     the same in the foreground
       gen8-agent settle NAME        wait until kernel and device agree, or the host gives up";
/// What the background process prints once the trace runs.
const READY: &str = "ready";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["start"] => start(&[]),
        ["start", "--stacks"] => start(&["--stacks"]),
        ["run"] => run(false),
        ["run", "--stacks"] => run(true),
        ["settle", name] => settle(name),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(WRONG_USE);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("gen8-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts `run` as a process of its own, and waits until its trace runs.
fn start(options: &[&str]) -> Result<bool> {
    let program = env::current_exe().map_err(|error| Error::Start { error })?;
    let mut child = Command::new(program)
        .arg("run")
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Error::Start { error })?;
    let mut line = String::new();
    let said = child.stdout.take().map(BufReader::new);
    let read = said.map(|mut said| said.read_line(&mut line)).transpose();
    read.map_err(|error| Error::Start { error })?;
    Ok(line.trim_end() == READY)
}

/// Traces until something fails.
fn run(stacks: bool) -> Result<bool> {
    let mut pump = Pump::start(stacks)?;
    println!("{READY}");
    pump.run()?;
    Ok(true)
}

/// Asks the host whether both views agree; prints its answer.
fn settle(name: &str) -> Result<bool> {
    let answer = service::ask(name)?;
    println!("{answer}");
    Ok(answer.ends_with(" equal"))
}
