//! Runs the cases of the command line.

use crate::platform::BareMetal;

/// Runs one case a line and answers each with one JSON line.
pub(crate) fn run_all(machine: &mut BareMetal, command_line: &str) {
    for line in command_line.lines() {
        log::info!("case {line}, {} pages, {} ns", machine.pages_in_use(), machine.elapsed_ns());
    }
}
