//! What a run of a scenario reports: the guest's one JSON line.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::case::Case;

/// Checkpoint labels that every scenario uses, in this order. Higher labels are the scenario's own.
pub mod label {
    /// Before the importer (or the context in question) appears.
    pub const BEFORE: u32 = 0;
    /// While it is there and the object is bound.
    pub const DURING: u32 = 1;
    /// After it is gone and everything settled.
    pub const AFTER: u32 = 2;
}

/// The driver's own counters at a checkpoint: the second opinion beside the device's census.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverCounts {
    /// Address spaces alive.
    pub vms: u32,
    /// VMAs alive in them (GGTT VMAs not counted).
    pub vmas: u32,
    /// Those of them that are bound.
    pub vmas_bound: u32,
    /// Page-table pages, scratch included.
    pub pages: u32,
    /// GEM objects alive.
    pub objects: u32,
    /// Contexts alive.
    pub contexts: u32,
    /// Requests alive.
    pub requests: u32,
}

/// The state at one moment that the scenario chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// See [`label`].
    pub label: u32,
    /// The driver's counters then.
    pub counts: DriverCounts,
}

/// What a run of one case found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseReport {
    /// What was run.
    pub case: Case,
    /// In the order in which they were taken.
    pub checkpoints: Vec<Checkpoint>,
    /// Names of the driver's findings, each once, in the order of their first appearance.
    pub findings: Vec<String>,
    /// What the scenario observed, by name.
    pub facts: BTreeMap<String, bool>,
    /// Why the scenario could not be finished.
    pub error: Option<String>,
}

impl CaseReport {
    /// An empty report of `case`.
    pub fn new(case: Case) -> Self {
        CaseReport {
            case,
            checkpoints: Vec::new(),
            findings: Vec::new(),
            facts: BTreeMap::new(),
            error: None,
        }
    }

    /// The driver's counters at `label`.
    pub fn checkpoint(&self, label: u32) -> Option<&DriverCounts> {
        self.checkpoints.iter().find(|c| c.label == label).map(|c| &c.counts)
    }
}
