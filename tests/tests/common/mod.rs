//! Helpers of the regression tests.

use machine::{CaseResult, MachineKind, RunOptions, run_cases};
use scenarios::Case;

/// Runs `cases` in process.
pub(crate) fn run(cases: &[Case], options: &RunOptions) -> Vec<CaseResult> {
    let results = run_cases(cases, MachineKind::InProcess, options, &mut |_| {});
    results.expect("the in-process machine can be built")
}

/// The differences of all results, one a line, with the case in front.
pub(crate) fn differences(results: &[CaseResult]) -> Vec<String> {
    let lines = |result: &CaseResult| -> Vec<String> {
        let CaseResult { scenario, policy, levels, submission, .. } = result;
        let case = format!("{scenario} {policy} {levels} {submission}");
        result.differences.iter().map(|difference| format!("{case}: {difference}")).collect()
    };
    results.iter().flat_map(lines).collect()
}
