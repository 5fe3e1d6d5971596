//! Runs the cases of the command line.

use alloc::format;

use board::PLANT;
use scenarios::{Case, CaseReport, Options};

use crate::arch::interrupts;
use crate::console;
use crate::misbehave;
use crate::platform::BareMetal;

/// Runs one case a line and answers each with one JSON line. What is no case is logged; the VMM
/// then misses its report. `plant BUG` has that bug in the driver of all cases behind it.
pub(crate) fn run_all(machine: &mut BareMetal, command_line: &str) {
    let mut options = Options::default();
    for line in command_line.lines() {
        if let Some(bug) = line.strip_prefix(PLANT) {
            match bug.parse() {
                Ok(bug) => options.bug = Some(bug),
                Err(error) => log::error!("cannot plant '{bug}': {error}"),
            }
            continue;
        }
        if let Some(kind) = line.strip_prefix(misbehave::WORD) {
            misbehave::misbehave(kind);
            continue;
        }
        match line.parse() {
            Ok(case) => answer(&run(machine, &case, &options)),
            Err(error) => log::error!("{error}"),
        }
    }
}

fn run(machine: &mut BareMetal, case: &Case, options: &Options) -> CaseReport {
    let start = machine.elapsed_ns();
    let interrupts = interrupts::msi_count();
    let (pages, wrong_frees) = (machine.pages().used(), machine.pages().wrong_frees());
    let mut report = scenarios::run(machine, case, options);
    let kept = machine.pages().used().saturating_sub(pages);
    let wrong_frees = machine.pages().wrong_frees() - wrong_frees;
    if kept + wrong_frees > 0 && report.error.is_none() {
        report.error = Some(format!(
            "{kept} DMA pages were never freed, {wrong_frees} frees of pages not allocated"
        ));
    }
    let interrupts = interrupts::msi_count().wrapping_sub(interrupts);
    log::info!("{case}: {} us, {interrupts} interrupts", (machine.elapsed_ns() - start) / 1000);
    report
}

fn answer(report: &CaseReport) {
    match serde_json::to_string(report) {
        Ok(json) => console::line(&json),
        Err(error) => log::error!("{}: the report cannot be written: {error}", report.case),
    }
}
