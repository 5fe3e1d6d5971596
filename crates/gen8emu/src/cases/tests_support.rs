//! Results to show, for the tests of the texts.

use machine::{CaseResult, DeviceCounts, Moment};
use scenarios::{DriverCounts, Excess};

/// A result of flink-and-exit with 4 levels that left `observed` where `expected` was expected.
pub(super) fn result(policy: &'static str, expected: Excess, observed: Excess) -> CaseResult {
    let more = |count: u32, by: i64| count.saturating_add_signed(by as i32);
    let moment = |label: &str, left: Excess| {
        let vms = more(2, left.vms);
        let vmas = more(0, left.vmas);
        let pages = more(10, left.pages);
        Moment {
            label: label.to_owned(),
            device: DeviceCounts { vms, vmas, vmas_bound: vmas, pages },
            driver: DriverCounts { vms, vmas, vmas_bound: vmas, pages, ..DriverCounts::default() },
        }
    };
    CaseResult {
        scenario: "flink-and-exit",
        policy,
        levels: 4,
        submission: "execlists",
        machine: "in-process",
        expected,
        observed,
        ok: expected == observed,
        differences: Vec::new(),
        timeline: vec![
            moment("before", Excess::default()),
            moment("during", Excess { vms: 1, vmas: 1, pages: 8 }),
            moment("after", observed),
        ],
        findings: Vec::new(),
        explanation: Vec::new(),
        note: "",
        leaks: Vec::new(),
        story: None,
    }
}
