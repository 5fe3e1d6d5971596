//! What the server's observers find wrong, as its answers tell it (docs/control.md).

use serde::{Deserialize, Serialize};

/// Something that is wrong, with what proves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Finding {
    /// The same for all of its kind, as `StaleTlb`.
    pub(super) name: String,
    /// `note`, `warning` or `error`.
    pub(super) severity: String,
    /// One sentence.
    pub(super) what: String,
    facts: Vec<Fact>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Fact {
    label: String,
    text: String,
}

impl Finding {
    /// What is wrong, in a line.
    pub(super) fn line(&self) -> String {
        format!("{}: {}", self.name, self.what)
    }

    /// A line for each fact, to stand below that one.
    pub(super) fn facts(&self) -> impl Iterator<Item = String> {
        self.facts.iter().map(|Fact { label, text }| format!("    {label}: {text}"))
    }
}
