//! The judge of a run of which only the driver's side is known: on a machine that takes no census,
//! as real hardware.
//!
//! It compares what the driver counts with what the table expects. That the page tables in memory
//! agree with the driver's books is then nobody's opinion but the driver's.

use scenarios::{CaseReport, Checkpoint, DriverCounts, Excess, Expected, Options, label};
use serde::Serialize;

use crate::judge;

/// A case judged from the driver's side, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriverResult {
    /// Name of the scenario.
    pub scenario: &'static str,
    /// Name of the policy.
    pub policy: &'static str,
    /// 3 or 4.
    pub levels: u32,
    /// "execlists" or "legacy".
    pub submission: &'static str,
    /// What had to be left over after settling.
    pub expected: Excess,
    /// What the driver counted as left over after settling.
    pub counted: Option<Excess>,
    /// Whether there is no difference.
    pub ok: bool,
    /// Every difference in words.
    pub differences: Vec<String>,
    /// The driver's counters at the checkpoints, in order.
    pub timeline: Vec<Checkpoint>,
    /// Names of the driver's findings, each once.
    pub findings: Vec<String>,
    /// Why this result is expected, where that is not obvious.
    pub note: &'static str,
}

/// Judges one run with these options; `machine_findings` is what the machine itself noticed.
pub fn judge_driver(
    report: &CaseReport,
    options: &Options,
    machine_findings: &[String],
) -> DriverResult {
    let case = report.case;
    let expected = scenarios::expected(&case, options);
    let mut differences = Vec::new();
    if let Some(error) = &report.error {
        differences.push(format!("the scenario stopped: {error}"));
    }
    compare_excess(report, label::AFTER, Some(expected.after), &mut differences);
    compare_excess(report, label::DURING, booked_during(&expected), &mut differences);
    judge::compare_facts(report, &expected, &mut differences);
    compare_findings(report, &expected, &mut differences);
    differences.extend(machine_findings.iter().cloned());
    DriverResult {
        scenario: case.scenario.name(),
        policy: case.policy.name(),
        levels: case.levels.count(),
        submission: case.submission.name(),
        expected: expected.after,
        counted: excess(report, label::AFTER),
        ok: differences.is_empty(),
        differences,
        timeline: report.checkpoints.clone(),
        findings: report.findings.clone(),
        note: expected.note,
    }
}

/// What the driver's books say meanwhile: the table counts what is mapped.
fn booked_during(expected: &Expected) -> Option<Excess> {
    let mapped = expected.during?;
    Some(Excess { vmas: mapped.vmas - i64::from(expected.unbooked_during), ..mapped })
}

/// The driver's counters at `label`, less those before the importer appeared.
fn excess(report: &CaseReport, at: u32) -> Option<Excess> {
    let before: &DriverCounts = report.checkpoint(label::BEFORE)?;
    let after = report.checkpoint(at)?;
    let more = |after: u32, before: u32| i64::from(after) - i64::from(before);
    Some(Excess {
        vms: more(after.vms, before.vms),
        vmas: more(after.vmas, before.vmas),
        pages: more(after.pages, before.pages),
    })
}

fn compare_excess(
    report: &CaseReport,
    at: u32,
    expected: Option<Excess>,
    differences: &mut Vec<String>,
) {
    let Some(expected) = expected else { return };
    let name = judge::label_name(at);
    match excess(report, at) {
        None => differences.push(format!("the driver took no checkpoint '{name}'")),
        Some(counted) if counted != expected => differences.push(format!(
            "{name}: expected {} VMs, {} VMAs, {} pages more than before; the driver counts {}, \
             {}, {}",
            expected.vms, expected.vmas, expected.pages, counted.vms, counted.vmas, counted.pages
        )),
        Some(_) => {}
    }
}

fn compare_findings(report: &CaseReport, expected: &Expected, differences: &mut Vec<String>) {
    let required: Vec<&str> = expected.required_of_driver().collect();
    for finding in &required {
        if !report.findings.iter().any(|name| name == finding) {
            differences.push(format!("{finding}: expected, did not appear"));
        }
    }
    for name in &report.findings {
        if !required.contains(&name.as_str()) {
            differences.push(format!("{name}: appeared, is not expected"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RunOptions, run_in_process};
    use driver::Policy;
    use scenarios::{Case, ScenarioId};

    fn run(case: &Case) -> CaseReport {
        run_in_process(case, &RunOptions::default()).unwrap().report
    }

    fn differences(report: &CaseReport) -> Vec<String> {
        judge_driver(report, &Options::default(), &[]).differences
    }

    #[test]
    fn every_case_that_both_sides_judge_right_is_right_from_the_drivers_side() {
        for case in Case::all(&ScenarioId::ALL, &Policy::ALL) {
            assert_eq!(differences(&run(&case)), [""; 0], "{case}");
        }
    }

    #[test]
    fn a_leak_too_much_or_too_little_is_a_difference() {
        let case = "flink-and-exit v4 4 execlists".parse().unwrap();
        for (at, words) in [(1, "during"), (2, "after")] {
            let mut report = run(&case);
            report.checkpoints[at].counts.pages += 1;
            assert!(differences(&report)[0].starts_with(words), "{:?}", differences(&report));
        }
        let mut report = run(&case);
        report.checkpoints.pop();
        assert!(differences(&report)[0].contains("no checkpoint 'after'"));
    }

    #[test]
    fn the_drivers_findings_are_compared_and_the_censuss_are_not_asked_for() {
        let case = "recursion v1 4 execlists".parse().unwrap();
        let mut report = run(&case);
        assert!(report.findings.iter().any(|name| name == "RecursionDetected"));
        report.findings.retain(|name| name != "RecursionDetected");
        report.findings.push("HangDetected".into());
        let differences = differences(&report);
        assert_eq!(differences.len(), 2, "{differences:?}");
    }

    #[test]
    fn what_stopped_the_scenario_and_what_the_machine_noticed_are_differences() {
        let mut report = run(&"flink-and-exit v4 4 execlists".parse().unwrap());
        report.error = Some("busy".into());
        let noticed = ["3 DMA pages were never freed".to_owned()];
        let result = judge_driver(&report, &Options::default(), &noticed);
        assert_eq!(result.differences, ["the scenario stopped: busy", &noticed[0]]);
        assert!(!result.ok);
    }
}
