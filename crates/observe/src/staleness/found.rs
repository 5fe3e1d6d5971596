//! What was found, each thing once.

use gen8_spec::engine::EngineId;

use crate::finding::{Fact, Finding};

/// Findings that are kept: the first ones.
const KEPT: usize = 256;

/// What makes a finding the same as another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Engine, virtual page, when its entry was filled, and where it should lead.
    Entry(EngineId, u64, Option<u64>, Option<u64>),
    /// Engine, context, the page directories that it has, and those of the image.
    Pdps(EngineId, u32, [u64; 4], [u64; 4]),
}

#[derive(Debug, Default)]
pub(super) struct Found {
    list: Vec<Entry>,
    left_out: u64,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    finding: Finding,
    /// How often it happened, and when last.
    count: u64,
    last_ns: u64,
}

impl Found {
    /// Counts what was found before; `false` if it is new.
    pub(super) fn again(&mut self, key: &Key, now_ns: u64) -> bool {
        let known = self.list.iter_mut().rev().find(|entry| entry.key == *key);
        if let Some(entry) = known {
            entry.count += 1;
            entry.last_ns = now_ns;
            return true;
        }
        let full = self.list.len() >= KEPT;
        self.left_out += u64::from(full);
        full
    }

    pub(super) fn push(&mut self, key: Key, finding: Finding) {
        let last_ns = finding.at_ns;
        self.list.push(Entry { key, finding, count: 1, last_ns });
    }

    /// All findings, with how often they happened.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let told = |entry: &Entry| match entry.count {
            1 => entry.finding.clone(),
            count => {
                let text = format!("{count} uses, the last at {} ns", entry.last_ns);
                entry.finding.clone().fact("happened", text)
            }
        };
        let mut findings: Vec<Finding> = self.list.iter().map(told).collect();
        if let Some(last) = findings.last_mut()
            && self.left_out != 0
        {
            let text = format!("{} more uses of stale translations", self.left_out);
            last.facts.push(Fact { label: "left out".to_owned(), text });
        }
        findings
    }
}
