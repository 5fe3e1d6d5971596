//! What observers find wrong, in one form for all of them.

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Wrong, but hardware forgives it.
    Warning,
    /// Wrong, and hardware would do something else than the driver means.
    Error,
}

/// Something that an observer found, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// Which finding: the same for all of its kind, as `StaleTlb`.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// Device time at which it was found, nanoseconds.
    pub at_ns: u64,
    /// What happened, as one sentence.
    pub what: String,
    /// What proves it: who wrote, what was bound, what was missing.
    pub facts: Vec<Fact>,
}

/// One fact of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fact {
    /// What the text tells, in a few words.
    pub label: String,
    /// The fact.
    pub text: String,
}

impl Finding {
    /// A finding without facts.
    pub fn new(name: &str, severity: Severity, at_ns: u64, what: impl Into<String>) -> Finding {
        Finding { name: name.to_owned(), severity, at_ns, what: what.into(), facts: Vec::new() }
    }

    /// The same with one more fact.
    #[must_use]
    pub fn fact(mut self, label: &str, text: impl Into<String>) -> Finding {
        self.facts.push(Fact { label: label.to_owned(), text: text.into() });
        self
    }
}

/// Whoever finds something.
pub trait Findings {
    /// All findings up to now, oldest first.
    fn findings(&self) -> Vec<Finding>;
}
