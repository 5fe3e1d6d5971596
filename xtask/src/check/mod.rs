//! `cargo xtask test`: everything that must hold, step by step, with a table at the end.

mod counts;
mod outside;
mod readme;
mod steps;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use counts::Counts;

/// How a step ended.
enum Outcome {
    /// All that it checks holds; the checks counted.
    Passed(Counts),
    /// Something does not hold: the checks counted, and what it was.
    Failed(Counts, String),
    /// It could not be done here, and why.
    Skipped(String),
}

/// One line of the closing table.
struct Row {
    name: &'static str,
    time: Duration,
    outcome: Outcome,
}

/// Runs every step, or those whose names hold `only`, also after a failed one, and sums up.
pub(crate) fn run(only: Option<&str>) -> Result<ExitCode> {
    let wanted = |name: &str| only.is_none_or(|part| name.contains(part));
    let steps = steps::all();
    if !steps.iter().any(|step| wanted(step.name)) {
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        bail!("no step has such a name (--step); there are: {}", names.join("; "));
    }
    let mut rows = Vec::new();
    for step in steps.iter().filter(|step| wanted(step.name)) {
        eprintln!("\n== {}", step.name);
        let start = Instant::now();
        let outcome = (step.check)().unwrap_or_else(failed);
        rows.push(Row { name: step.name, time: start.elapsed(), outcome });
    }
    print!("\n{}", table(&rows));
    let total: Counts = rows.iter().map(|row| row.outcome.counts()).sum();
    println!("{total}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn failed(error: anyhow::Error) -> Outcome {
    Outcome::Failed(Counts::one_failed(), format!("{error:#}"))
}

/// A step that checks one thing.
fn one(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Passed(Counts::one_passed()))
}

impl Outcome {
    fn counts(&self) -> Counts {
        match self {
            Outcome::Passed(counts) | Outcome::Failed(counts, _) => *counts,
            Outcome::Skipped(_) => Counts::one_skipped(),
        }
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<34} {:>8}  {}\n", "step", "seconds", "result");
    for row in rows {
        let result = match &row.outcome {
            Outcome::Passed(counts) => format!("passed ({counts})"),
            Outcome::Failed(counts, why) => format!("FAILED ({counts}): {why}"),
            Outcome::Skipped(why) => format!("skipped: {why}"),
        };
        let seconds = row.time.as_secs_f64();
        // Writing to a String cannot fail.
        writeln!(text, "{:<34} {seconds:>8.1}  {result}", row.name).ok();
    }
    text
}
