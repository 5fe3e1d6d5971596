//! The findings, each once.

use core::ops::RangeInclusive;
use std::collections::{BTreeMap, BTreeSet};

use gpu_model::Site;

use crate::finding::Finding;

/// Findings of one kind that are kept. One defect can show at every access, and must not hide another.
const KEPT: usize = 128;
/// Accesses that end in scratch, of whatever name: their subject is an address space and a page of it.
pub(super) const SCRATCH: &str = "scratch";
/// Kinds whose subject begins with a page of memory.
const OF_A_PAGE: [&str; 4] =
    ["StaleTlbAtFree", "PageFreedWhileMapped", "PageUsedAfterFree", "TableUsedAfterFree"];

/// The findings, and what they are about.
#[derive(Debug, Default)]
pub(super) struct Found {
    seen: BTreeSet<(&'static str, u64, u64)>,
    /// How many of each kind there are.
    counts: BTreeMap<&'static str, usize>,
    findings: Vec<Finding>,
}

impl Found {
    /// Whether a finding of this kind on this subject is the first, and there is room for it. Asked
    /// before the finding is made: an access can come again without end.
    pub(super) fn is_new(&mut self, kind: &'static str, subject: (u64, u64)) -> bool {
        let count = self.counts.entry(kind).or_default();
        let is_new = *count < KEPT && self.seen.insert((kind, subject.0, subject.1));
        *count += usize::from(is_new);
        is_new
    }

    /// A page gets another use: what is found of that is another finding.
    pub(super) fn forget_page(&mut self, page: u64) {
        for kind in OF_A_PAGE {
            self.forget((kind, page, 0)..=(kind, page, u64::MAX));
        }
    }

    /// Something is bound or unbound in an address space: what is found there from now on is another finding.
    pub(super) fn forget_range(&mut self, vm: u32, start: u64, len: u64) {
        let (vm, last) = (u64::from(vm), start.saturating_add(len.saturating_sub(1)));
        self.forget((SCRATCH, vm, start)..=(SCRATCH, vm, last));
    }

    fn forget(&mut self, range: RangeInclusive<(&'static str, u64, u64)>) {
        let known: Vec<_> = self.seen.range(range).copied().collect();
        for subject in known {
            self.seen.remove(&subject);
        }
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// What was told may be told again.
    pub(super) fn forget_subjects(&mut self) {
        self.seen.clear();
    }

    pub(super) fn take(&mut self) -> Vec<Finding> {
        self.counts.clear();
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
