//! `gen8-suite PLAN`: runs the tests of somebody's own suite in a guest, one after the other.
//!
//! The host reads what became of them from the kernel's log, where each test's lines stand between
//! the kernel's own, and what they printed from the console.
#![forbid(unsafe_code)]

mod gpu;
mod output;
mod plan;
mod processes;
mod report;
mod run;

use std::process::ExitCode;
use std::time::Duration;

use plan::Plan;
use report::Reporter;

/// Exit status for wrong use.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path] = arguments.as_slice() else {
        eprintln!("usage: gen8-suite PLAN (docs/conformance.md)");
        return ExitCode::from(WRONG_USE);
    };
    let plan = match Plan::read(path) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::from(WRONG_USE);
        }
    };
    processes::adopt_orphans();
    let reporter = Reporter::to_kernel_log();
    let limit = Duration::from_secs(plan.limit);
    let tests = plan.tests(limit);
    processes::end_orphans();
    reporter.total(&tests);
    for (number, test) in tests.iter().enumerate().skip(plan.first) {
        reporter.starts(number, test);
        let ended = run::test(test, limit);
        processes::end_orphans();
        reporter.ends(number, &ended);
        if let Some(why) = ended.reboot {
            reporter.reboot(why);
            break;
        }
    }
    ExitCode::SUCCESS
}
