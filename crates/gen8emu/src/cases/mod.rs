//! The commands `run`, `matrix` and `drive`: choose cases, run them, show the results.

mod bugs;
mod choose;
mod drive;
mod grid;
mod progress;
mod report;
mod story;
#[cfg(test)]
mod tests_support;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use machine::{CaseResult, MachineKind, Recordings, RunOptions, run_cases};
use scenarios::Case;
use serde::Serialize;

use crate::cli::{CaseArgs, RunArgs};
use crate::record;
pub(crate) use drive::drive;
use progress::Progress;

/// Names the guest's image; `cargo xtask` sets it.
const FIRMWARE: &str = "GEN8EMU_FIRMWARE";

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    cases: &'a [CaseResult],
    ok: bool,
}

/// `run`: few cases, told in detail. Says whether all is as expected.
pub(crate) fn run(arguments: &RunArgs) -> Result<bool> {
    let RunArgs { cases: arguments, report, record } = arguments;
    let recordings = record.as_deref().map(Recordings::to);
    let ok = run_recorded(arguments, report.as_deref(), recordings.clone());
    // Whatever ended the run: the recordings show it.
    let recorded = recordings.map_or(Ok(()), |recordings| record::tell(recordings.finish()));
    let ok = ok?;
    recorded.map(|()| ok)
}

fn run_recorded(
    arguments: &CaseArgs,
    report: Option<&Path>,
    recordings: Option<Recordings>,
) -> Result<bool> {
    let options = RunOptions { stories: report.is_some(), recordings, ..RunOptions::default() };
    if !arguments.planted().is_empty() {
        return bugs::command(arguments, bugs::stories, options, report);
    }
    // A guest cannot be told how often.
    let preset = arguments.count.map_or(MachineKind::Kvm, |_| MachineKind::InProcess);
    let machine = usable_machine(arguments.machine.unwrap_or(preset));
    let cases = choose::for_run(&arguments.lists);
    let options = RunOptions { stories: true, ..options };
    let results = run_all(arguments, &cases, machine, options, report::text)?;
    if let Some(file) = report {
        let told = results.results.into_iter().filter_map(|result| result.story);
        crate::report::stories::write(file, &told.collect::<Vec<_>>())?;
        eprintln!("the report is in {}", file.display());
    }
    Ok(results.ok)
}

/// `matrix`: many cases, one cell each. Says whether all is as expected.
pub(crate) fn matrix(arguments: &CaseArgs) -> Result<bool> {
    if !arguments.planted().is_empty() {
        return bugs::command(arguments, bugs::grid, RunOptions::default(), None);
    }
    let machine = usable_machine(arguments.machine.unwrap_or(MachineKind::InProcess));
    let cases = choose::for_matrix(&arguments.lists, machine);
    Ok(run_all(arguments, &cases, machine, RunOptions::default(), grid::text)?.ok)
}

/// Judged cases.
struct Judged {
    results: Vec<CaseResult>,
    ok: bool,
}

/// Runs the cases and shows the results.
fn run_all(
    arguments: &CaseArgs,
    cases: &[Case],
    machine: MachineKind,
    mut options: RunOptions,
    text: impl Fn(&[Case], &[CaseResult], Duration) -> String,
) -> Result<Judged> {
    options.firmware = firmware(arguments, machine)?;
    options.scenario.restarts = arguments.count.unwrap_or(options.scenario.restarts);
    let mut progress = Progress::new(cases.len(), machine);
    let start = Instant::now();
    let results = run_cases(cases, machine, &options, &mut |result| progress.step(result));
    progress.end();
    let results = results?;
    let ok = results.len() == cases.len() && results.iter().all(|result| result.ok);
    let text = match arguments.json {
        true => serde_json::to_string(&Report { cases: &results, ok })?,
        false => text(cases, &results, start.elapsed()),
    };
    writeln!(io::stdout(), "{text}").context("writing the result")?;
    Ok(Judged { results, ok })
}

/// The wanted machine, or the one in this process where KVM does not run guests.
fn usable_machine(wanted: MachineKind) -> MachineKind {
    if wanted == MachineKind::Kvm
        && let Err(reason) = machine::kvm::probe()
    {
        eprintln!("KVM cannot be used here ({reason}); running in process instead");
        return MachineKind::InProcess;
    }
    wanted
}

fn firmware(arguments: &CaseArgs, machine: MachineKind) -> Result<Vec<u8>> {
    if machine == MachineKind::InProcess {
        return Ok(Vec::new());
    }
    let path = arguments
        .firmware
        .clone()
        .or_else(|| env::var_os(FIRMWARE).map(PathBuf::from))
        .with_context(|| {
            format!(
                "no guest image: start through `cargo xtask run`, which builds it, \
                 or name one with --firmware or ${FIRMWARE}"
            )
        })?;
    fs::read(&path).with_context(|| format!("reading the guest image {}", path.display()))
}
