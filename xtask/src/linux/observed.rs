//! What the observers of every event found (`serve --observe`), beside the rules that i915 broke, which are
//! judged by themselves, and the comparison of both views.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::control;
use super::finding::Finding;

/// Findings of one name that are told.
const MOST_TOLD: usize = 4;

/// What the server says, or why it says nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Observed {
    Told { events: u64, findings: Vec<Finding> },
    NotAsked { error: String },
}

/// The answer to `findings`.
#[derive(Deserialize)]
struct Answer {
    findings: Vec<Finding>,
}

/// As much of the answer to `events` as matters.
#[derive(Deserialize)]
struct Events {
    heard: u64,
}

impl Observed {
    /// Asks the server at the control socket; `told` says which findings are judged elsewhere.
    pub(super) fn ask(control: &Path, told: impl Fn(&Finding) -> bool) -> Observed {
        let ask = || -> anyhow::Result<(u64, Vec<Finding>)> {
            let Events { heard } = control::execute(control, "events")?;
            let Answer { mut findings } = control::execute(control, "findings")?;
            findings.retain(|finding| !told(finding));
            Ok((heard, findings))
        };
        match ask() {
            Ok((events, findings)) => Observed::Told { events, findings },
            Err(error) => Observed::NotAsked { error: format!("{error:#}") },
        }
    }

    /// How many there are of each name.
    fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        if let Observed::Told { findings, .. } = self {
            for finding in findings {
                *counts.entry(finding.name.as_str()).or_default() += 1;
            }
        }
        counts
    }

    /// What is not as it should be: each name once.
    pub(super) fn faults(&self) -> Vec<String> {
        match self {
            Observed::Told { findings, .. } => {
                let counts = self.counts().into_iter();
                let first = |name: &str| findings.iter().find(|finding| finding.name == name);
                let told = counts.filter_map(|(name, count)| Some((first(name)?, count)));
                told.map(|(first, count)| {
                    let more = if count > 1 {
                        format!(" (and {} more)", count - 1)
                    } else {
                        String::new()
                    };
                    format!("an observer found {}{more}", first.line())
                })
                .collect()
            }
            Observed::NotAsked { error } => {
                vec![format!("the observers were not asked: {error}")]
            }
        }
    }

    /// For people.
    pub(super) fn text(&self) -> Vec<String> {
        let Observed::Told { events, findings } = self else { return Vec::new() };
        let mut lines =
            vec![format!("observers       {} findings in {events} events", findings.len())];
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in findings {
            let count = told.entry(&finding.name).or_default();
            *count += 1;
            if *count <= MOST_TOLD {
                lines.push(format!("  {}", finding.line()));
                lines.extend(finding.facts());
            }
        }
        let more = told.into_iter().filter(|(_, count)| *count > MOST_TOLD);
        lines.extend(more.map(|(name, count)| format!("  {name}: {} more", count - MOST_TOLD)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn observed(names: &[&str]) -> Observed {
        let one = |name: &&str| json!({"name": name, "severity": "error", "at_ns": 1, "what": "x", "facts": [{"label": "l", "text": "t"}]});
        let all: Vec<_> = names.iter().map(one).collect();
        let Answer { findings } = serde_json::from_value(json!({ "findings": all })).unwrap();
        Observed::Told { events: 7, findings }
    }

    #[test]
    fn a_finding_is_a_fault_and_each_name_is_told_once() {
        assert!(observed(&[]).faults().is_empty());
        assert_eq!(observed(&[]).text(), ["observers       0 findings in 7 events"]);
        let found = observed(&["StaleTlb", "StaleTlb", "UseAfterUnmap"]);
        let faults =
            ["an observer found StaleTlb: x (and 1 more)", "an observer found UseAfterUnmap: x"];
        assert_eq!(found.faults(), faults);
        assert!(found.text().contains(&"    l: t".to_owned()));
    }

    #[test]
    fn many_findings_of_a_name_are_counted() {
        let text = observed(&["StaleTlb"; 3 * MOST_TOLD]).text();
        assert_eq!(text.last().map(String::as_str), Some("  StaleTlb: 8 more"));
        assert_eq!(text.len(), 2 + 2 * MOST_TOLD);
    }

    #[test]
    fn a_server_that_does_not_tell_is_a_fault() {
        let observed = Observed::ask(Path::new("/nowhere/at/all"), |_| false);
        assert_eq!((observed.faults().len(), observed.text().len()), (1, 0));
    }
}
