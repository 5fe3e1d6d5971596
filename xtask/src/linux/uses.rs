//! Uses of what the kernel had unbound or destroyed, by its own account (docs/agent.md): what the server
//! says, told and judged.

use serde::{Deserialize, Serialize};

use super::finding::Finding;

/// Findings that are told.
const MOST_TOLD: usize = 8;
/// A fault: more than a batch that reached for nothing.
const ERROR: &str = "error";

/// As a part of the answer to `views`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Uses {
    judged: u64,
    given_up: u64,
    blind: Option<String>,
    findings: Vec<Finding>,
}

impl Uses {
    /// Whether there is a finding of this name.
    pub(super) fn found(&self, name: &str) -> bool {
        self.findings.iter().any(|finding| finding.name == name)
    }

    /// What is not as it should be.
    pub(super) fn faults(&self) -> Vec<String> {
        let blind = self.blind.iter();
        let blind = blind.map(|why| format!("uses of what is not bound were not judged: {why}"));
        let mut errors = self.findings.iter().filter(|finding| finding.severity == ERROR);
        let first = errors.next().map(|first| match errors.count() {
            0 => first.line(),
            more => format!("{} (and {more} more)", first.line()),
        });
        blind.chain(first).collect()
    }

    /// For people: one line, and the findings.
    pub(super) fn text(&self) -> Vec<String> {
        let Uses { judged, given_up, blind: _, findings } = self;
        let count = findings.len();
        let mut lines = vec![format!(
            "uses            {judged} pages judged by what was bound, {given_up} given up; {count} findings"
        )];
        let told = findings.iter().take(MOST_TOLD);
        lines.extend(told.flat_map(|finding| {
            let first = format!("  {}: {}", finding.severity, finding.line());
            [first].into_iter().chain(finding.facts())
        }));
        if count > MOST_TOLD {
            lines.push(format!("  {} more", count - MOST_TOLD));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn uses(findings: &[(&str, &str)]) -> Uses {
        let findings: Vec<_> = findings
            .iter()
            .map(|(name, severity)| {
                json!({"name": name, "severity": severity, "at_ns": 1, "what": "x",
                       "facts": [{"label": "used", "text": "then"}]})
            })
            .collect();
        let answer =
            json!({"judged": 9, "waiting": 0, "given_up": 1, "blind": null, "findings": findings});
        serde_json::from_value(answer).unwrap()
    }

    #[test]
    fn errors_are_faults_and_batches_that_reach_for_nothing_are_told_only() {
        let quiet = uses(&[("ScratchAccess", "note"), ("UseAfterUnmap", "warning")]);
        assert!(quiet.faults().is_empty() && quiet.found("ScratchAccess"));
        let text = quiet.text();
        assert!(text[0].ends_with("9 pages judged by what was bound, 1 given up; 2 findings"));
        assert_eq!(text[1..3], ["  note: ScratchAccess: x", "    used: then"]);
        let found = uses(&[("PageUsedAfterFree", "error"), ("PageNeverBound", "error")]);
        assert_eq!(found.faults(), ["PageUsedAfterFree: x (and 1 more)"]);
    }

    #[test]
    fn many_findings_are_counted() {
        let text = uses(&[("ScratchAccess", "note"); 20]).text();
        assert_eq!(text.last().unwrap(), "  12 more");
    }

    #[test]
    fn what_was_not_judged_is_a_fault() {
        let blind = Uses { blind: Some("incomplete".into()), ..uses(&[]) };
        assert_eq!(blind.faults(), ["uses of what is not bound were not judged: incomplete"]);
    }
}
