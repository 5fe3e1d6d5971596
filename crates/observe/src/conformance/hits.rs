//! How often a rule was broken, and where.

use std::collections::BTreeMap;

use gpu_model::Origin;
use serde::{Deserialize, Serialize};

use super::check::{Block, Check, Rule};
use super::explained::{Explained, Judgement, StockGuest};
use super::table;
use crate::names::register_name;
use crate::{Finding, Severity};

/// Different places that are kept of a rule; of more, only the number is.
const PLACES: usize = 64;
/// Places that a finding tells.
const TOLD: usize = 8;

/// Whose work broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Culprit {
    /// The driver's: an access by a CPU, a context, a command in a ring.
    Driver,
    /// A client's: a command in a batch without privilege.
    Client,
}

impl From<Origin> for Culprit {
    fn from(origin: Origin) -> Culprit {
        match origin {
            Origin::Cpu | Origin::Engine(_) => Culprit::Driver,
            Origin::UserBatch(_) => Culprit::Client,
        }
    }
}

/// One time that a rule was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Device time, nanoseconds.
    pub at_ns: u64,
    /// `CPU`, or the engine.
    pub by: String,
    /// The register, address or value that the rule's event names.
    pub detail: u64,
    /// Name of the register, if the rule names one that has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<String>,
}

/// What became of one rule, by the driver or by clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// Name of the rule.
    pub id: String,
    /// The part of the hardware that it is about.
    pub block: Block,
    /// How bad it is.
    pub severity: Severity,
    /// What happened.
    pub what: String,
    /// Where the rule is from.
    pub source: String,
    /// Who broke it.
    pub culprit: Culprit,
    /// How often.
    pub count: u64,
    /// The first time.
    pub first: Hit,
    /// The last time.
    pub last: Hit,
    /// The first 64 different places, with how often each.
    pub places: Vec<(Hit, u64)>,
}

/// A hit, as it is kept.
#[derive(Clone, Copy, Debug)]
struct Raw {
    at_ns: u64,
    origin: Origin,
    detail: u64,
}

#[derive(Clone, Debug)]
struct Counted {
    count: u64,
    first: Raw,
    last: Raw,
    places: Vec<(Raw, u64)>,
}

/// All hits. As large as the table at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Hits(BTreeMap<(Rule, Culprit), Counted>);

impl Hits {
    /// Counts one.
    pub(super) fn add(&mut self, at_ns: u64, rule: Rule, origin: Origin, detail: u64) {
        let hit = Raw { at_ns, origin, detail };
        let none = Counted { count: 0, first: hit, last: hit, places: Vec::new() };
        let counted = self.0.entry((rule, origin.into())).or_insert(none);
        counted.count += 1;
        counted.last = hit;
        let same = |(place, _): &(Raw, u64)| (place.origin, place.detail) == (origin, detail);
        let known = counted.places.iter().position(same);
        if let Some((_, count)) = known.and_then(|place| counted.places.get_mut(place)) {
            *count += 1;
        } else if counted.places.len() < PLACES {
            counted.places.push((hit, 1));
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// One report for each rule that was broken, in the order of the table.
    pub(super) fn reports(&self) -> Vec<RuleReport> {
        let culprits = [Culprit::Driver, Culprit::Client];
        table::checks()
            .flat_map(|check| culprits.map(|culprit| (check, culprit)))
            .filter_map(|(check, culprit)| {
                let Counted { count, first, last, places } = self.0.get(&(check.rule, culprit))?;
                Some(RuleReport {
                    id: check.rule.id().to_owned(),
                    block: check.block,
                    severity: check.severity,
                    what: check.what.to_owned(),
                    source: check.source.to_owned(),
                    culprit,
                    count: *count,
                    first: first.hit(check),
                    last: last.hit(check),
                    places: places.iter().map(|(place, n)| (place.hit(check), *n)).collect(),
                })
            })
            .collect()
    }
}

impl Raw {
    fn hit(self, check: &Check) -> Hit {
        let by = self.origin.engine().map_or("CPU", |engine| engine.name());
        let Raw { at_ns, detail, .. } = self;
        let register = check.rule.names_register().then(|| register_name(detail)).flatten();
        Hit { at_ns, by: by.to_owned(), detail, register }
    }
}

impl RuleReport {
    /// The report as a finding. What a client's batch does wrong is no driver's mistake: a note.
    pub(super) fn finding(&self) -> Finding {
        let severity = match self.culprit {
            Culprit::Driver => self.severity,
            Culprit::Client => Severity::Note,
        };
        self.told(severity, self.count)
            .fact("first", self.first.text())
            .fact("last", self.last.text())
            .fact("rule from", self.source.clone())
    }

    /// The report as findings, if the driver is the stock i915 of `guest`: a note for each reason that is known,
    /// and whatever has none.
    pub(super) fn findings(&self, guest: &StockGuest) -> Vec<Finding> {
        let Judgement { explained, open, places } = self.judge(guest);
        if explained.is_empty() {
            return vec![self.finding()];
        }
        let known = explained.into_iter().map(|Explained { count, why }| {
            self.told(Severity::Note, count).fact("known of stock i915", why)
        });
        let mut findings: Vec<Finding> = known.collect();
        if open > 0 {
            let places: Vec<String> = places.iter().take(TOLD).map(Hit::text).collect();
            let finding =
                self.told(self.severity, open).fact("without explanation", places.join("; "));
            findings.push(finding.fact("rule from", self.source.clone()));
        }
        findings
    }

    fn told(&self, severity: Severity, count: u64) -> Finding {
        let who = match self.culprit {
            Culprit::Driver => "the driver",
            Culprit::Client => "a client's batch",
        };
        Finding::new(&self.id, severity, self.first.at_ns, self.what.clone())
            .fact("by", who)
            .fact("times", count.to_string())
    }
}

impl Hit {
    /// Where and when, for people.
    pub fn text(&self) -> String {
        let Hit { at_ns, by, detail, register } = self;
        let name = register.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{detail:#x}{name} by {by} at {at_ns} ns")
    }
}
