//! The findings, each once.

use std::collections::BTreeSet;

use gpu_model::Site;

use crate::finding::Finding;

/// Findings that are kept. One defect can show at every access.
const KEPT: usize = 1024;

/// The findings, and what they are about.
#[derive(Debug, Default)]
pub(super) struct Found {
    seen: BTreeSet<(&'static str, u64, u64)>,
    findings: Vec<Finding>,
}

impl Found {
    /// Whether a finding of this kind on this subject is the first, and there is room for it. Asked
    /// before the finding is made: an access can come again without end.
    pub(super) fn is_new(&mut self, kind: &'static str, subject: (u64, u64)) -> bool {
        self.findings.len() < KEPT && self.seen.insert((kind, subject.0, subject.1))
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// What was told may be told again.
    pub(super) fn forget_subjects(&mut self) {
        self.seen.clear();
    }

    pub(super) fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    pub(super) fn all(&self) -> Vec<Finding> {
        self.findings.clone()
    }
}

/// Where an engine was, in words.
pub(super) fn place(site: &Site) -> String {
    let Site { engine, context, address, in_batch } = *site;
    let what = if in_batch { "the batch" } else { "the ring" };
    format!("{}, context {context:#x}, at {address:#x} in {what}", engine.name())
}

/// Device time in words.
pub(super) fn time(ns: u64) -> String {
    format!("{}.{:03} ms", ns / 1_000_000, ns / 1_000 % 1_000)
}
