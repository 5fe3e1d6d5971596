//! What each scenario must show under each policy.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::case::Case;

/// How much more there is than before the importer appeared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excess {
    /// Address spaces.
    pub vms: i64,
    /// VMAs, bound or not.
    pub vmas: i64,
    /// Page-table pages, scratch included.
    pub pages: i64,
}

/// What a case must show. Finding names are those of `driver::Finding::name` and of the census.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Excess at `label::AFTER` over `label::BEFORE`.
    pub after: Excess,
    /// Excess at `label::DURING`; `None` where the table says nothing.
    pub during: Option<Excess>,
    /// Findings that must appear.
    pub required: Vec<&'static str>,
    /// Findings that may appear besides; any other is a difference.
    pub allowed: Vec<&'static str>,
    /// What the scenario must have observed.
    pub facts: BTreeMap<&'static str, bool>,
    /// Why the result is what it is, where that is not obvious.
    pub note: &'static str,
}

/// The expected result of `case`.
pub fn expected(_case: &Case) -> Expected {
    Expected::default()
}
