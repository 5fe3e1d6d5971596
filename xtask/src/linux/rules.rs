//! The rules that i915 broke, by the device's account, and why those that are known are no reason to
//! worry (docs/rules.md).

mod explained;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::control;
use explained::{Explanation, explanation};

/// Places of one rule that are told.
const PLACES: usize = 8;

/// What the server says, or why it says nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Rules {
    Judged(Judged),
    NotAsked { error: String },
}

/// What ran in the guest, on which explanations depend.
#[derive(Clone, Debug, Default)]
pub(super) struct Ran<'a> {
    /// The kernel's release.
    pub(super) kernel: &'a str,
    /// The checks that answered.
    pub(super) checks: Vec<&'a str>,
}

/// What the driver broke, explained or not, and how many rules clients' batches broke.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Judged {
    /// Rules of the table.
    checks: usize,
    unexplained: Vec<Broken>,
    explained: Vec<Explained>,
    /// By batches without privilege, which a driver cannot prevent.
    by_clients: Vec<Broken>,
}

/// A rule, how often it was broken, and where.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Broken {
    rule: String,
    count: u64,
    place: String,
}

/// A rule whose breaches are known, and why they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Explained {
    rule: String,
    count: u64,
    why: &'static str,
}

/// The answer to `rules`.
#[derive(Clone, Debug, Default, Deserialize)]
struct Answer {
    rules: Vec<Report>,
    checks: usize,
}

/// One rule that was broken.
#[derive(Clone, Debug, Deserialize)]
struct Report {
    id: String,
    culprit: String,
    count: u64,
    places: Vec<(Hit, u64)>,
}

/// A place where it was.
#[derive(Clone, Debug, Deserialize)]
struct Hit {
    by: String,
    detail: u64,
    register: Option<String>,
}

impl Rules {
    /// Asks the server at the control socket.
    pub(super) fn ask(control: &Path, ran: &Ran<'_>) -> Rules {
        match control::execute::<Answer>(control, "rules") {
            Ok(answer) => Rules::Judged(answer.judge(ran)),
            Err(error) => Rules::NotAsked { error: format!("{error:#}") },
        }
    }

    /// Whether this is the name of a rule that was broken, explained or not.
    pub(super) fn tell(&self, name: &str) -> bool {
        let Rules::Judged(Judged { unexplained, explained, by_clients, .. }) = self else {
            return false;
        };
        let broken = unexplained.iter().chain(by_clients).map(|broken| &broken.rule);
        broken.chain(explained.iter().map(|known| &known.rule)).any(|rule| rule == name)
    }

    /// What is not as it should be.
    pub(super) fn faults(&self) -> Vec<String> {
        match self {
            Rules::Judged(judged) => judged.unexplained.iter().map(Broken::fault).collect(),
            Rules::NotAsked { error } => vec![format!("the rules were not asked for: {error}")],
        }
    }

    /// For people.
    pub(super) fn text(&self) -> Vec<String> {
        let Rules::Judged(Judged { checks, unexplained, explained, by_clients }) = self else {
            return Vec::new();
        };
        let (bad, known, clients) = (unexplained.len(), explained.len(), by_clients.len());
        let mut lines = vec![format!(
            "conformance     {checks} rules: {bad} broken, {known} broken and explained; {clients} broken by clients' batches"
        )];
        lines.extend(unexplained.iter().map(|broken| format!("  {}", broken.fault())));
        let known = explained.iter().map(|Explained { rule, count, why }| {
            format!("  {rule}: {count} times, explained: {why}")
        });
        lines.extend(known);
        lines
    }
}

impl Answer {
    fn judge(self, ran: &Ran<'_>) -> Judged {
        let mut judged = Judged { checks: self.checks, ..Judged::default() };
        for report in self.rules {
            if report.culprit == "client" {
                judged.by_clients.push(report.broken(&report.places, report.count));
                continue;
            }
            let (mut open, mut left) = (Vec::new(), report.count);
            for (hit, count) in &report.places {
                let Some(Explanation { why, .. }) = explanation(&report.id, hit, ran) else {
                    open.push((hit.clone(), *count));
                    continue;
                };
                left = left.saturating_sub(*count);
                judged.explain(&report.id, *count, why);
            }
            if left > 0 {
                judged.unexplained.push(report.broken(&open, left));
            }
        }
        judged
    }
}

impl Judged {
    fn explain(&mut self, rule: &str, count: u64, why: &'static str) {
        match self.explained.iter_mut().find(|known| known.rule == rule && known.why == why) {
            Some(known) => known.count += count,
            None => self.explained.push(Explained { rule: rule.to_owned(), count, why }),
        }
    }
}

impl Report {
    /// The rule, broken so often at these places, and maybe at others that were not kept.
    fn broken(&self, places: &[(Hit, u64)], count: u64) -> Broken {
        let all: Vec<String> = places.iter().take(PLACES).map(|(hit, _)| hit.text()).collect();
        let place = if all.is_empty() { "places not kept".to_owned() } else { all.join(", ") };
        Broken { rule: self.id.clone(), count, place }
    }
}

impl Hit {
    fn text(&self) -> String {
        let name = self.register.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{:#x}{name} by {}", self.detail, self.by)
    }
}

impl Broken {
    fn fault(&self) -> String {
        let Broken { rule, count, place } = self;
        format!("the rule {rule} was broken {count} times: {place}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ran(kernel: &str) -> Ran<'_> {
        Ran { kernel, checks: vec!["page-faults"] }
    }

    /// One rule, broken at these details.
    fn judged(rule: &str, culprit: &str, details: &[u64], kernel: &str) -> Judged {
        let hit = |detail: &u64| json!([{"at_ns": 1, "by": "CPU", "detail": detail}, 1]);
        let places: Vec<_> = details.iter().map(hit).collect();
        let count = details.len();
        let report = json!({"id": rule, "culprit": culprit, "count": count, "places": places});
        let answer = json!({"rules": [report], "checks": 60});
        serde_json::from_value::<Answer>(answer).unwrap().judge(&ran(kernel))
    }

    #[test]
    fn what_is_not_explained_is_a_fault_and_what_a_client_did_is_none() {
        let bad = Rules::Judged(judged("elsp-two-pending", "driver", &[5], "6.1.0-50-amd64"));
        let fault = "the rule elsp-two-pending was broken 1 times: 0x5 by CPU";
        assert_eq!(bad.faults(), [fault]);
        assert!(bad.text()[0].contains("60 rules: 1 broken, 0 broken and explained"));
        let client = Rules::Judged(judged("ggtt-in-user-batch", "client", &[5], "6.1.0"));
        assert!(client.faults().is_empty());
        assert!(client.text()[0].ends_with("1 broken by clients' batches"));
        assert!(client.tell("ggtt-in-user-batch") && !client.tell("StaleTlb"));
    }

    #[test]
    fn an_explanation_holds_for_its_places_and_kernels_only() {
        let priority = |details: &[u64], kernel: &str| {
            let judged = judged("elsp-descriptor-reserved", "driver", details, kernel);
            (judged.explained.len(), judged.unexplained.len())
        };
        assert_eq!(priority(&[0x53d], "6.1.0-50-amd64"), (1, 0));
        assert_eq!(priority(&[0x53d, 0x93d], "6.1.0-50-amd64"), (1, 1));
        assert_eq!(priority(&[0x53d], "5.10.0-32-amd64"), (0, 1));
        let known = Hit { by: "CPU".into(), detail: 0x400, register: None };
        assert!(explanation("ppgtt-fault", &known, &ran("6.1.0")).is_some());
        let other = Ran { kernel: "6.1.0", checks: vec!["engines"] };
        assert!(explanation("ppgtt-fault", &known, &other).is_none(), "no check faults on purpose");
    }

    #[test]
    fn places_that_were_not_kept_are_not_explained() {
        let hit = json!({"at_ns": 1, "by": "CPU", "detail": 0x53d});
        let report = json!({
            "id": "elsp-descriptor-reserved", "culprit": "driver", "count": 5, "places": [[hit, 3]],
        });
        let answer = json!({"rules": [report], "checks": 60});
        let judged = serde_json::from_value::<Answer>(answer).unwrap().judge(&ran("6.1.0"));
        assert_eq!((judged.explained[0].count, judged.unexplained[0].count), (3, 2));
    }

    #[test]
    fn a_server_that_does_not_tell_is_a_fault() {
        let rules = Rules::ask(Path::new("/nowhere/at/all"), &ran("6.1.0"));
        assert_eq!((rules.faults().len(), rules.text().len()), (1, 0));
    }
}
