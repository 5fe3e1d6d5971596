//! The judge: expected beside observed, device beside driver.
//!
//! What counts is what the *device* saw ([`DeviceMoment`], from the census that walks guest memory).
//! The driver's own counters are a second opinion; where the two differ, the case fails.

use observe::story::Story;
use observe::{CensusSnapshot, Finding};
use scenarios::{CaseReport, DriverCounts, Excess, Expected, Options, label};
use serde::Serialize;

use crate::kind::MachineKind;

/// What the device's census counted at one checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeviceCounts {
    /// Address spaces alive.
    pub vms: u32,
    /// VMAs alive: hinted ones and those found mapped.
    pub vmas: u32,
    /// (VM, object) pairs with a present, non-scratch PTE, found by walking guest memory.
    pub vmas_bound: u32,
    /// Page-table pages that exist, scratch included.
    pub pages: u32,
}

/// One census in the form that the judge needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceMoment {
    /// The guest's label of the checkpoint.
    pub label: u32,
    /// What was counted.
    pub counts: DeviceCounts,
    /// Names of the census's findings since the checkpoint before.
    pub findings: Vec<String>,
    /// The same with all details, in words.
    pub details: Vec<String>,
    /// The census in words.
    pub explanation: Vec<String>,
}

impl From<&CensusSnapshot> for DeviceMoment {
    fn from(snapshot: &CensusSnapshot) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        DeviceMoment {
            label: snapshot.label,
            counts: DeviceCounts {
                vms: count(snapshot.vms),
                vmas: count(snapshot.vmas),
                vmas_bound: count(snapshot.vmas_bound),
                pages: count(snapshot.pages),
            },
            findings: snapshot.findings.iter().map(|finding| finding.name().to_owned()).collect(),
            details: snapshot.findings.iter().map(ToString::to_string).collect(),
            explanation: snapshot.explain(),
        }
    }
}

/// What a run of one case gave, from both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// From the driver's side.
    pub report: CaseReport,
    /// From the device's side, in order.
    pub census: Vec<DeviceMoment>,
    /// What the machine itself noticed, such as DMA pages that nobody freed.
    pub machine_findings: Vec<String>,
    /// What observers beside the census found, if there were any.
    pub observed: Vec<Finding>,
}

/// Both opinions at one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// "before", "during", "after", or the scenario's own number.
    pub label: String,
    /// The device's census.
    pub device: DeviceCounts,
    /// The driver's counters.
    pub driver: DriverCounts,
}

/// A judged case, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// Name of the scenario.
    pub scenario: &'static str,
    /// Name of the policy.
    pub policy: &'static str,
    /// 3 or 4.
    pub levels: u32,
    /// "execlists" or "legacy".
    pub submission: &'static str,
    /// "kvm" or "in-process".
    pub machine: &'static str,
    /// What had to be left over after settling.
    pub expected: Excess,
    /// What the device saw left over after settling.
    pub observed: Excess,
    /// Whether there is no difference.
    pub ok: bool,
    /// Every difference in words.
    pub differences: Vec<String>,
    /// The checkpoints in order.
    pub timeline: Vec<Moment>,
    /// Names of all findings, each once.
    pub findings: Vec<String>,
    /// What is left over and why, in words.
    pub explanation: Vec<String>,
    /// Why this result is expected, where that is not obvious.
    pub note: &'static str,
    /// Every leak: what is left over, by which PTE, for which request, and since when nobody could
    /// free it. Empty if nobody asked for a story ([`crate::RunOptions::stories`]).
    pub leaks: Vec<Finding>,
    /// All of what happened up to the last checkpoint, if somebody asked for it.
    #[serde(skip)]
    pub story: Option<Story>,
}

impl CaseResult {
    /// The same with the story of the case, named after it.
    pub(crate) fn with_story(mut self, story: Option<Story>) -> CaseResult {
        let CaseResult { scenario, policy, levels, submission, machine, .. } = self;
        self.story = story.map(|story| Story {
            title: format!(
                "{scenario}, policy {policy}, {levels} levels, {submission} ({machine})"
            ),
            ..story
        });
        self.leaks = self.story.iter().flat_map(Story::leak_findings).cloned().collect();
        self
    }
}

/// Judges one run with these options.
pub fn judge(machine: MachineKind, options: &Options, observation: &Observation) -> CaseResult {
    let case = observation.report.case;
    let expected = scenarios::expected(&case, options);
    let mut differences = Vec::new();
    let observed = excess(observation, label::AFTER).unwrap_or_default();
    compare(machine, observation, &expected, &mut differences);
    CaseResult {
        scenario: case.scenario.name(),
        policy: case.policy.name(),
        levels: case.levels.count(),
        submission: case.submission.name(),
        machine: machine.name(),
        expected: expected.after,
        observed,
        ok: differences.is_empty(),
        differences,
        timeline: timeline(observation),
        findings: findings(observation),
        explanation: observation
            .census
            .iter()
            .find(|moment| moment.label == label::AFTER)
            .map(|moment| moment.explanation.clone())
            .unwrap_or_default(),
        note: expected.note,
        leaks: Vec::new(),
        story: None,
    }
}

/// The findings that must appear on this machine, and those that may: of a race between driver and
/// device only a machine that runs both beside each other leaves the end open.
fn settle_races(
    machine: MachineKind,
    expected: &Expected,
) -> (Vec<&'static str>, Vec<&'static str>) {
    let (mut required, mut allowed) = (expected.required.clone(), Vec::new());
    match machine {
        MachineKind::InProcess => required.extend(&expected.raced),
        MachineKind::Kvm => allowed.extend(&expected.raced),
    }
    (required, allowed)
}

fn compare(
    machine: MachineKind,
    observation: &Observation,
    expected: &Expected,
    differences: &mut Vec<String>,
) {
    let report = &observation.report;
    if let Some(error) = &report.error {
        differences.push(format!("the scenario stopped: {error}"));
    }
    compare_excess(observation, label::AFTER, Some(expected.after), differences);
    compare_excess(observation, label::DURING, expected.during, differences);
    compare_opinions(observation, expected, differences);
    compare_facts(report, expected, differences);
    let (required, allowed) = settle_races(machine, expected);
    compare_findings(observation, &required, &allowed, differences);
    differences.extend(observation.machine_findings.iter().cloned());
    // No policy, right or wrong, uses what is gone.
    differences.extend(observation.observed.iter().map(|f| format!("{}: {}", f.name, f.what)));
}

fn device_counts(observation: &Observation, label: u32) -> Option<DeviceCounts> {
    observation.census.iter().find(|moment| moment.label == label).map(|moment| moment.counts)
}

/// The device's census at `label`, less the one before the importer appeared.
fn excess(observation: &Observation, at: u32) -> Option<Excess> {
    let before = device_counts(observation, label::BEFORE)?;
    let after = device_counts(observation, at)?;
    let more = |a: u32, b: u32| i64::from(a) - i64::from(b);
    Some(Excess {
        vms: more(after.vms, before.vms),
        vmas: more(after.vmas, before.vmas),
        pages: more(after.pages, before.pages),
    })
}

fn compare_excess(
    observation: &Observation,
    at: u32,
    expected: Option<Excess>,
    differences: &mut Vec<String>,
) {
    let Some(expected) = expected else { return };
    match excess(observation, at) {
        None => differences.push(format!("the device saw no checkpoint '{}'", label_name(at))),
        Some(observed) if observed != expected => differences.push(format!(
            "{}: expected {} VMs, {} VMAs, {} pages more than before; the device saw {}, {}, {}",
            label_name(at),
            expected.vms,
            expected.vmas,
            expected.pages,
            observed.vms,
            observed.vmas,
            observed.pages
        )),
        Some(_) => {}
    }
}

/// The device's and the driver's counts must agree at every checkpoint.
fn compare_opinions(observation: &Observation, expected: &Expected, differences: &mut Vec<String>) {
    let driver = &observation.report.checkpoints;
    if driver.len() != observation.census.len() {
        differences.push(format!(
            "the driver took {} checkpoints, the device saw {}",
            driver.len(),
            observation.census.len()
        ));
    }
    for (checkpoint, moment) in driver.iter().zip(&observation.census) {
        let (counts, device) = (checkpoint.counts, moment.counts);
        let at = label_name(checkpoint.label);
        let unbooked = match checkpoint.label {
            label::DURING => expected.unbooked_during,
            _ => 0,
        };
        for (what, driver, device) in [
            ("VMs", counts.vms, device.vms),
            ("VMAs", counts.vmas.saturating_add(unbooked), device.vmas),
            ("bound VMAs", counts.vmas_bound.saturating_add(unbooked), device.vmas_bound),
            ("page-table pages", counts.pages, device.pages),
        ] {
            if driver != device {
                differences
                    .push(format!("{at}: the driver counts {driver} {what}, the device {device}"));
            }
        }
    }
}

pub(crate) fn compare_facts(
    report: &CaseReport,
    expected: &Expected,
    differences: &mut Vec<String>,
) {
    for (&fact, &value) in &expected.facts {
        match report.facts.get(fact) {
            Some(&observed) if observed == value => {}
            Some(&observed) => {
                differences.push(format!("{fact}: expected {value}, was {observed}"));
            }
            None => differences.push(format!("{fact}: expected {value}, was not observed")),
        }
    }
}

fn compare_findings(
    observation: &Observation,
    required: &[&str],
    allowed: &[&str],
    differences: &mut Vec<String>,
) {
    let observed = findings(observation);
    for &finding in required {
        if !observed.iter().any(|name| name == finding) {
            differences.push(format!("{finding}: expected, did not appear"));
        }
    }
    for name in &observed {
        let known = |list: &[&str]| list.contains(&name.as_str());
        if !known(required) && !known(allowed) {
            differences
                .push(format!("{name}: appeared, is not expected{}", detail(observation, name)));
        }
    }
}

/// Where the device first made a finding of this name, in words; empty for the driver's findings.
fn detail(observation: &Observation, name: &str) -> String {
    let found = observation.census.iter().find_map(|moment| {
        let index = moment.findings.iter().position(|finding| finding == name)?;
        Some((moment.label, moment.details.get(index)?))
    });
    match found {
        Some((label, words)) => format!(" ({}: {words})", label_name(label)),
        None => String::new(),
    }
}

/// All findings of both sides, each once.
fn findings(observation: &Observation) -> Vec<String> {
    let device = observation.census.iter().flat_map(|moment| &moment.findings);
    let mut all: Vec<String> = Vec::new();
    for name in observation.report.findings.iter().chain(device) {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

fn timeline(observation: &Observation) -> Vec<Moment> {
    observation
        .report
        .checkpoints
        .iter()
        .zip(&observation.census)
        .map(|(checkpoint, moment)| Moment {
            label: label_name(checkpoint.label),
            device: moment.counts,
            driver: checkpoint.counts,
        })
        .collect()
}

pub(crate) fn label_name(number: u32) -> String {
    match number {
        label::BEFORE => "before".into(),
        label::DURING => "during".into(),
        label::AFTER => "after".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driver::Policy;
    use scenarios::{Case, Checkpoint, Levels, ScenarioId, SubmissionMode};

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
}
