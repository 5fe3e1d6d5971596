//! The driver's view beside the device's: what the kernel's tracepoints say is bound, and what page
//! tables in memory map ([docs/agent.md]).
//!
//! They are compared at settle points: when nothing is under way. The kernel tells of a binding
//! ahead of its PTEs, so at other times differences are no faults.

mod difference;
mod judge;
mod owners;
mod pairs;
mod ranges;

use std::collections::HashMap;

use serde::Serialize;

pub use pairs::Tie;

use crate::finding::Finding;
use crate::kernel::{KernelCounts, KernelSnapshot, KernelSpace};
use crate::spaces::{SpaceContent, SpaceContents};
use difference::Kind;
use owners::Owners;

/// Findings of one comparison that are told; the rest is counted.
const MOST_FINDINGS: usize = 64;
/// Address spaces of one comparison that are told.
const MOST_SPACES: usize = 1024;

/// The device's view at one moment.
#[derive(Clone, Debug, Default)]
pub struct DeviceSnapshot {
    /// What every address space maps.
    pub contents: SpaceContents,
    /// The GGTT's entries, all of them.
    pub ggtt: Vec<u64>,
}

/// Compares views, and remembers which root was which address space.
#[derive(Debug, Default)]
pub struct Views {
    /// The device's number of each of the kernel's, when they were compared last.
    before: HashMap<u64, u64>,
}

/// What a comparison showed.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Device time, nanoseconds.
    pub at_ns: u64,
    /// Both views are the same, and nothing was lost on the way.
    pub equal: bool,
    /// Roots that engines loaded and whose tables map memory, of which no address space of the
    /// kernel's lives.
    pub orphaned: usize,
    /// The device's numbers of these.
    pub orphans: Vec<u64>,
    /// Address spaces that live by the kernel's account.
    pub spaces: Vec<ComparedSpace>,
    /// More of them than are told.
    pub more_spaces: usize,
    /// VMAs that are bound: in address spaces of the kernel's, and in the GGTT.
    pub vmas: [usize; 2],
    /// Pages that tables of address spaces map, by the device's account.
    pub pages: usize,
    /// Table pages of those address spaces.
    pub table_pages: usize,
    /// The kernel's counts since its trace began.
    pub kernel: KernelCounts,
    /// The differences.
    pub findings: Vec<Finding>,
    /// More of them than are told.
    pub more_findings: usize,
}

/// One address space from both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComparedSpace {
    /// The kernel's pointer.
    pub vm: String,
    /// Who made it.
    pub maker: String,
    /// Its living contexts.
    pub contexts: u32,
    /// VMAs that are bound in it, by the kernel's account.
    pub vmas: usize,
    /// The device's number; `None` where there is none.
    pub device: Option<u64>,
    /// What ties both.
    pub by: Option<Tie>,
    /// Pages that its tables map.
    pub pages: usize,
}

impl Views {
    /// No comparison yet.
    pub fn new() -> Views {
        Views::default()
    }

    /// Compares both views as they are at device time `at_ns`.
    pub fn compare(
        &mut self,
        kernel: &KernelSnapshot,
        device: &DeviceSnapshot,
        at_ns: u64,
    ) -> Comparison {
        let living: Vec<&KernelSpace> = kernel.living().collect();
        let contents = &device.contents.spaces;
        let pairs = pairs::find(&living, contents, &self.before);
        let mut findings = incomplete(kernel, device, at_ns);
        let mut owners = Owners::new(kernel, at_ns);
        let mut spaces = Vec::new();
        for (index, &space) in living.iter().enumerate() {
            let partner = pairs.device_of.get(&index).map(|&(at, tie)| (&contents[at], tie));
            match partner {
                Some((tables, _)) => {
                    findings.extend(judge::pair(space, tables, at_ns));
                    owners.space(space, tables);
                }
                None if !space.vmas.is_empty() => {
                    findings.push(judge::never_loaded(space, at_ns));
                }
                None => {}
            }
            spaces.push(compared(space, partner));
        }
        for space in kernel.ggtt() {
            findings.extend(judge::ggtt(space, &device.ggtt, at_ns));
            owners.ggtt(space, &device.ggtt);
        }
        findings.append(&mut owners.findings);
        let orphans: Vec<&SpaceContent> = (0..)
            .zip(contents)
            .filter(|&(index, tables)| !pairs.has(index) && is_alive(tables))
            .map(|(_, tables)| tables)
            .collect();
        findings.extend(
            orphans
                .iter()
                .map(|tables| judge::orphan(tables, self.owner_before(kernel, tables), at_ns)),
        );
        self.remember(&living, contents, &pairs);
        let comparison = Comparison {
            at_ns,
            equal: findings.is_empty(),
            orphaned: orphans.len(),
            orphans: orphans.iter().map(|tables| tables.number).collect(),
            more_spaces: spaces.len().saturating_sub(MOST_SPACES),
            vmas: [
                living.iter().map(|space| space.vmas.len()).sum(),
                kernel.ggtt().map(|space| space.vmas.len()).sum(),
            ],
            pages: spaces.iter().map(|space| space.pages).sum(),
            table_pages: table_pages(contents, &pairs),
            spaces,
            kernel: kernel.counts,
            more_findings: findings.len().saturating_sub(MOST_FINDINGS),
            findings,
        };
        comparison.shortened()
    }

    /// The kernel's address space that these tables were the last time, or which had their mark.
    fn owner_before<'a>(
        &self,
        kernel: &'a KernelSnapshot,
        tables: &SpaceContent,
    ) -> Option<&'a KernelSpace> {
        let mut released = kernel.spaces.iter().rev().filter(|space| space.released.is_some());
        released.find(|space| {
            let marked = space.mark.is_some() && space.mark == tables.mark;
            marked || self.before.get(&space.number) == Some(&tables.number)
        })
    }

    /// Those that were released since stay known: what is left of them has a name.
    fn remember(
        &mut self,
        living: &[&KernelSpace],
        contents: &[SpaceContent],
        pairs: &pairs::Pairs,
    ) {
        let there: std::collections::HashSet<u64> =
            contents.iter().filter(|tables| is_alive(tables)).map(|tables| tables.number).collect();
        self.before.retain(|_, number| there.contains(number));
        for (index, (device, _)) in &pairs.device_of {
            let number = contents[*device].number;
            self.before.retain(|_, known| *known != number);
            self.before.insert(living[*index].number, number);
        }
    }
}

impl Comparison {
    fn shortened(mut self) -> Comparison {
        self.spaces.truncate(MOST_SPACES);
        self.orphans.truncate(MOST_SPACES);
        self.findings.truncate(MOST_FINDINGS);
        self
    }
}

/// Whether there is something that somebody must own. What leads nowhere is a root page that was
/// freed and is something else by now, unless an engine would walk it.
fn is_alive(tables: &SpaceContent) -> bool {
    !tables.loaded_on.is_empty() || tables.problems == 0 && !tables.pages.is_empty()
}

fn table_pages(contents: &[SpaceContent], pairs: &pairs::Pairs) -> usize {
    let paired = pairs.device_of.values().map(|&(device, _)| contents[device].tables);
    paired.map(|tables| tables.pml4 + tables.pdp + tables.pd + tables.pt).sum()
}

fn compared(space: &KernelSpace, partner: Option<(&SpaceContent, Tie)>) -> ComparedSpace {
    ComparedSpace {
        vm: format!("{:x}", space.vm),
        maker: space.maker.to_string(),
        contexts: space.contexts,
        vmas: space.vmas.len(),
        device: partner.map(|(tables, _)| tables.number),
        by: partner.map(|(_, tie)| tie),
        pages: partner.map_or(0, |(tables, _)| tables.pages.len()),
    }
}

/// What is not known of either view.
fn incomplete(kernel: &KernelSnapshot, device: &DeviceSnapshot, at_ns: u64) -> Vec<Finding> {
    let finding = |what: String| Kind::Incomplete.finding(at_ns, what);
    let mut findings = Vec::new();
    let stream = &kernel.stream;
    if stream.kernel.is_none() {
        findings.push(finding("the guest's agent has not come".into()));
    }
    if stream.lost > 0 {
        findings.push(finding(format!("the kernel's trace lost {} events", stream.lost)));
    }
    if let Some(error) = &stream.first_error {
        let (count, offset) = (stream.errors, error.offset);
        let what = &error.what;
        findings.push(finding(format!(
            "{count} lines of the agent cannot be read, the first at offset {offset}: {what}"
        )));
    }
    if kernel.counts.dropped > 0 {
        let count = kernel.counts.dropped;
        findings.push(finding(format!("{count} things of the kernel's were too many to be kept")));
    }
    if !device.contents.complete {
        findings.push(finding("there is more in the address spaces than is looked at".into()));
    }
    findings
}

#[cfg(test)]
mod tests;
