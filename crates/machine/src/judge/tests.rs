//! A run as it should be, and each thing that can be wrong with one.

use super::compare::settle_races;
use super::*;
use driver::Policy;
use scenarios::{Case, CaseReport, Checkpoint, DriverCounts, Levels, ScenarioId, SubmissionMode};

/// Flink-and-exit without the fix, with the leak seen by both sides, as it should be.
fn leaking_run() -> Observation {
    let case = Case {
        scenario: ScenarioId::FlinkAndExit,
        policy: Policy::None,
        levels: Levels::Four,
        submission: SubmissionMode::Execlists,
    };
    let mut report = CaseReport::new(case);
    for (fact, value) in scenarios::expected(&case, &Options::default()).facts {
        report.facts.insert(fact.to_owned(), value);
    }
    let mut census = Vec::new();
    for (label, extra) in [(label::BEFORE, 0), (label::DURING, 1), (label::AFTER, 1)] {
        let counts = DeviceCounts {
            vms: 2 + extra,
            vmas: 1 + extra,
            vmas_bound: 1 + extra,
            pages: 16 + 8 * extra,
        };
        report.checkpoints.push(Checkpoint {
            label,
            counts: DriverCounts {
                vms: counts.vms,
                vmas: counts.vmas,
                vmas_bound: counts.vmas_bound,
                pages: counts.pages,
                ..DriverCounts::default()
            },
        });
        census.push(DeviceMoment { label, counts, ..DeviceMoment::default() });
    }
    census[2].findings = vec!["OrphanVm".into(), "OrphanMapping".into()];
    census[2].details = vec!["an orphan".into(), "a mapping".into()];
    Observation { report, census, machine_findings: Vec::new(), observed: Vec::new() }
}

fn differences(observation: &Observation) -> Vec<String> {
    judge(MachineKind::InProcess, &Options::default(), observation).differences
}

#[test]
fn the_expected_leak_is_ok_and_its_excess_is_shown() {
    let result = judge(MachineKind::InProcess, &Options::default(), &leaking_run());
    assert_eq!(result.differences, Vec::<String>::new());
    assert!(result.ok);
    assert_eq!(result.observed, Excess { vms: 1, vmas: 1, pages: 8 });
    assert_eq!(result.expected, result.observed);
    assert_eq!(result.timeline.len(), 3);
}

#[test]
fn a_page_too_few_or_too_many_fails() {
    for pages in [23, 25] {
        let mut run = leaking_run();
        run.census[2].counts.pages = pages;
        run.report.checkpoints[2].counts.pages = pages;
        assert_eq!(differences(&run).len(), 1, "{:?}", differences(&run));
    }
}

#[test]
fn disagreement_of_driver_and_device_fails_at_any_checkpoint() {
    for at in 0..3 {
        for field in 0..4 {
            let mut run = leaking_run();
            let counts = &mut run.report.checkpoints[at].counts;
            let count = match field {
                0 => &mut counts.vms,
                1 => &mut counts.vmas,
                2 => &mut counts.vmas_bound,
                _ => &mut counts.pages,
            };
            *count += 1;
            assert_eq!(differences(&run).len(), 1, "{:?}", differences(&run));
        }
    }
}

#[test]
fn a_raced_finding_is_required_in_process_and_allowed_on_kvm() {
    let case = Case {
        scenario: ScenarioId::LiveRootFree,
        policy: Policy::V4NoWait,
        levels: Levels::Four,
        submission: SubmissionMode::Legacy,
    };
    let raced = "PtFreedWhileLoaded";
    let on = |machine| {
        let expected = scenarios::expected(&case, &Options::default());
        let (required, allowed) = settle_races(machine, &expected);
        (required.contains(&raced), allowed.contains(&raced))
    };
    assert_eq!(on(MachineKind::InProcess), (true, false));
    assert_eq!(on(MachineKind::Kvm), (false, true));
}

#[test]
fn missing_and_unexpected_findings_fail() {
    let mut run = leaking_run();
    run.census[2].findings.remove(0);
    assert!(differences(&run)[0].starts_with("OrphanVm"));
    let mut run = leaking_run();
    run.census[1].findings.push("StalePte".into());
    run.census[1].details.push("VM 3 maps a free page".into());
    assert!(differences(&run)[0].contains("during: VM 3 maps a free page"));
    let mut run = leaking_run();
    run.report.findings.push("RecursionDetected".into());
    assert!(differences(&run)[0].starts_with("RecursionDetected"));
}

#[test]
fn wrong_and_missing_facts_fail() {
    let mut run = leaking_run();
    run.report.facts.insert("listed_after".into(), false);
    assert_eq!(differences(&run), ["listed_after: expected true, was false"]);
    run.report.facts.remove("listed_after");
    assert_eq!(differences(&run), ["listed_after: expected true, was not observed"]);
}

#[test]
fn a_scenario_that_stopped_fails_even_if_all_else_is_right() {
    let mut run = leaking_run();
    run.report.error = Some("busy".into());
    assert_eq!(differences(&run), ["the scenario stopped: busy"]);
}

#[test]
fn a_missing_checkpoint_fails() {
    let mut run = leaking_run();
    run.census.pop();
    assert!(differences(&run).iter().any(|d| d.contains("no checkpoint 'after'")));
}

#[test]
fn what_the_machine_noticed_fails() {
    let mut run = leaking_run();
    run.machine_findings.push("3 DMA pages were never freed".into());
    assert_eq!(differences(&run), ["3 DMA pages were never freed"]);
}
