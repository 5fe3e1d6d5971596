//! The rules that i915 broke, by the device's account. The server knows what is known of stock kernels, and why
//! that is no reason to worry (docs/rules.md).

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::control;

/// Places of one rule that are told.
const PLACES: usize = 8;

/// What the server says, or why it says nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Rules {
    Judged(Judged),
    NotAsked { error: String },
}

/// What ran in the guest, on which explanations depend: the arguments of `rules`.
#[derive(Clone, Debug, Default, Serialize)]
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
    why: String,
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
    judgement: Judgement,
}

/// What its breaches come to.
#[derive(Clone, Debug, Deserialize)]
struct Judgement {
    explained: Vec<Reason>,
    /// How many have no explanation, and where they were.
    open: u64,
    places: Vec<Hit>,
}

/// Breaches that are known.
#[derive(Clone, Debug, Deserialize)]
struct Reason {
    count: u64,
    why: String,
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
        match control::execute_with::<Answer>(control, "rules", json!(ran)) {
            Ok(answer) => Rules::Judged(answer.judged()),
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
    fn judged(self) -> Judged {
        let mut judged = Judged { checks: self.checks, ..Judged::default() };
        for Report { id: rule, culprit, judgement } in self.rules {
            let Judgement { explained, open, places } = judgement;
            let known = explained.into_iter().map(|Reason { count, why }| Explained {
                rule: rule.clone(),
                count,
                why,
            });
            judged.explained.extend(known);
            if open > 0 {
                let broken = Broken { rule, count: open, place: in_words(&places) };
                let by_client = culprit == "client";
                let list = if by_client { &mut judged.by_clients } else { &mut judged.unexplained };
                list.push(broken);
            }
        }
        judged
    }
}

/// Some of the places of a rule.
fn in_words(places: &[Hit]) -> String {
    let some: Vec<String> = places.iter().take(PLACES).map(Hit::text).collect();
    if some.is_empty() { "places not kept".to_owned() } else { some.join(", ") }
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
    use super::*;

    /// The answer on one rule that was broken at this place, and so often with a reason.
    fn judged(rule: &str, culprit: &str, open: u64, explained: u64) -> Judged {
        let reasons = if explained > 0 {
            json!([{"count": explained, "why": "so it is"}])
        } else {
            json!([])
        };
        let hit = json!({"at_ns": 1, "by": "CPU", "detail": 5});
        let judgement = json!({"explained": reasons, "open": open, "places": [hit]});
        let report = json!({"id": rule, "culprit": culprit, "count": 9, "judgement": judgement});
        let answer = json!({"rules": [report], "checks": 60});
        serde_json::from_value::<Answer>(answer).unwrap().judged()
    }

    #[test]
    fn what_is_not_explained_is_a_fault_and_what_a_client_did_is_none() {
        let bad = Rules::Judged(judged("elsp-two-pending", "driver", 1, 0));
        let fault = "the rule elsp-two-pending was broken 1 times: 0x5 by CPU";
        assert_eq!(bad.faults(), [fault]);
        assert!(bad.text()[0].contains("60 rules: 1 broken, 0 broken and explained"));
        let client = Rules::Judged(judged("ggtt-in-user-batch", "client", 1, 0));
        assert!(client.faults().is_empty());
        assert!(client.text()[0].ends_with("1 broken by clients' batches"));
        assert!(client.tell("ggtt-in-user-batch") && !client.tell("StaleTlb"));
    }

    #[test]
    fn what_is_explained_is_told_and_no_fault() {
        let both = Rules::Judged(judged("elsp-descriptor-reserved", "driver", 2, 3));
        assert_eq!(
            both.faults(),
            ["the rule elsp-descriptor-reserved was broken 2 times: 0x5 by CPU"]
        );
        assert!(
            both.text()
                .contains(&"  elsp-descriptor-reserved: 3 times, explained: so it is".into())
        );
        assert!(
            Rules::Judged(judged("elsp-descriptor-reserved", "driver", 0, 3)).faults().is_empty()
        );
    }

    #[test]
    fn a_server_that_does_not_tell_is_a_fault() {
        let rules = Rules::ask(Path::new("/nowhere/at/all"), &Ran::default());
        assert_eq!((rules.faults().len(), rules.text().len()), (1, 0));
    }
}
