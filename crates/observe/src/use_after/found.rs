//! The findings, each once.

use std::collections::BTreeSet;

use gpu_model::Site;

use crate::finding::Finding;

/// Findings that are kept. One defect can show at every access.
const KEPT: usize = 1024;

/// Findings by what they are about: the name, and a number or two of what was used.
#[derive(Debug, Default)]
pub(super) struct Found {
    seen: BTreeSet<(String, u64, u64)>,
    findings: Vec<Finding>,
}

impl Found {
    /// Keeps a finding unless one of this name on the same subject is there.
    pub(super) fn add(&mut self, subject: (u64, u64), finding: Finding) {
        if self.findings.len() < KEPT
            && self.seen.insert((finding.name.clone(), subject.0, subject.1))
        {
            self.findings.push(finding);
        }
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
