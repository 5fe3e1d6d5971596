//! The judge: expected beside observed, device beside driver.
//!
//! What counts is what the *device* saw ([`DeviceMoment`], from the census that walks guest memory).
//! The driver's own counters are a second opinion; where the two differ, the case fails.

mod compare;
mod observation;

use observe::Finding;
use observe::story::Story;
use scenarios::{Excess, Options, label};
use serde::Serialize;

use self::compare::compare;
pub(crate) use self::compare::compare_facts;
pub(crate) use self::observation::label_name;
pub use self::observation::{DeviceCounts, DeviceMoment, Moment, Observation};
use crate::kind::MachineKind;

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
    let observed = observation.excess(label::AFTER).unwrap_or_default();
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
        timeline: observation.timeline(),
        findings: observation.findings(),
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

#[cfg(test)]
mod tests;
