//! `gen8-rig WORKLOAD` measures for another process, as often as that asks; `gen8-rig serve SOCKET` has a device
//! at a vfio-user socket for it.
//!
//! It says first whether its device tells observers ([`rigs::greeting`]), and ends with its standard input. Each
//! line there is a number of rounds, and the answer a line with the nanoseconds of CPU time that they took: other
//! programs may take the CPU away meanwhile.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rigs::{Ready, Workload};
use rustix::time::{ClockId, clock_gettime};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match *arguments {
        ["serve", socket] => serve(socket),
        [name] => measure(name),
        _ => Err("usage: gen8-rig WORKLOAD, or gen8-rig serve SOCKET".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gen8-rig: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(socket: &str) -> Result<(), Box<dyn Error>> {
    let mut said = Ok(());
    rigs::serve(Path::new(socket), || {
        said = greet();
        // Until nobody can ask any more.
        io::stdin().lock().lines().for_each(drop);
    })?;
    Ok(said?)
}

fn greet() -> io::Result<()> {
    writeln!(io::stdout(), "{}", rigs::greeting(gpu_model::TELLS))
}

fn measure(name: &str) -> Result<(), Box<dyn Error>> {
    let names = || Workload::ALL.map(Workload::name).join(", ");
    let workload = Workload::by_name(name)
        .ok_or_else(|| format!("no workload has the name {name:?}; there are: {}", names()))?;
    let mut ready = workload.start()?;
    greet()?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let rounds = line.parse().map_err(|_| format!("{line:?} is no number of rounds"))?;
        let took = time(&mut ready, rounds)?;
        writeln!(io::stdout(), "{}", took.as_nanos())?;
    }
    Ok(())
}

/// CPU time of so many rounds.
fn time(ready: &mut Ready, rounds: u32) -> Result<Duration, Box<dyn Error>> {
    let before = cpu_time();
    ready.run(rounds)?;
    Ok(cpu_time().saturating_sub(before))
}

/// CPU time of this thread so far.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}
