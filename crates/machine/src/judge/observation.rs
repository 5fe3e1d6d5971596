//! What a run gave, from both sides.

use observe::{CensusSnapshot, Finding};
use scenarios::{CaseReport, DriverCounts, Excess, label};
use serde::Serialize;

/// What the device's census counted at one checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeviceCounts {
    /// Address spaces alive.
    pub vms: u32,
    /// VMAs alive: hinted ones and those found mapped.
    pub vmas: u32,
    /// (VM, object) pairs with a present, non-scratch PTE, found by walking guest memory.
    pub vmas_bound: u32,
    /// Page-table pages that exist, scratch included.
    pub pages: u32,
}

/// One census in the form that the judge needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceMoment {
    /// The guest's label of the checkpoint.
    pub label: u32,
    /// What was counted.
    pub counts: DeviceCounts,
    /// Names of the census's findings since the checkpoint before.
    pub findings: Vec<String>,
    /// The same with all details, in words.
    pub details: Vec<String>,
    /// The census in words.
    pub explanation: Vec<String>,
}

impl From<&CensusSnapshot> for DeviceMoment {
    fn from(snapshot: &CensusSnapshot) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        DeviceMoment {
            label: snapshot.label,
            counts: DeviceCounts {
                vms: count(snapshot.vms),
                vmas: count(snapshot.vmas),
                vmas_bound: count(snapshot.vmas_bound),
                pages: count(snapshot.pages),
            },
            findings: snapshot.findings.iter().map(|finding| finding.name().to_owned()).collect(),
            details: snapshot.findings.iter().map(ToString::to_string).collect(),
            explanation: snapshot.explain(),
        }
    }
}

/// What a run of one case gave, from both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// From the driver's side.
    pub report: CaseReport,
    /// From the device's side, in order.
    pub census: Vec<DeviceMoment>,
    /// What the machine itself noticed, such as DMA pages that nobody freed.
    pub machine_findings: Vec<String>,
    /// What observers beside the census found, if there were any.
    pub observed: Vec<Finding>,
}

/// Both opinions at one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// "before", "during", "after", or the scenario's own number.
    pub label: String,
    /// The device's census.
    pub device: DeviceCounts,
    /// The driver's counters.
    pub driver: DriverCounts,
}

impl Observation {
    fn device_counts(&self, label: u32) -> Option<DeviceCounts> {
        self.census.iter().find(|moment| moment.label == label).map(|moment| moment.counts)
    }

    /// The device's census at `label`, less the one before the importer appeared.
    pub(super) fn excess(&self, at: u32) -> Option<Excess> {
        let before = self.device_counts(label::BEFORE)?;
        let after = self.device_counts(at)?;
        let more = |a: u32, b: u32| i64::from(a) - i64::from(b);
        Some(Excess {
            vms: more(after.vms, before.vms),
            vmas: more(after.vmas, before.vmas),
            pages: more(after.pages, before.pages),
        })
    }

    /// All findings of both sides, each once.
    pub(super) fn findings(&self) -> Vec<String> {
        let device = self.census.iter().flat_map(|moment| &moment.findings);
        let mut all: Vec<String> = Vec::new();
        for name in self.report.findings.iter().chain(device) {
            if !all.contains(name) {
                all.push(name.clone());
            }
        }
        all
    }

    /// The checkpoints, with both opinions.
    pub(super) fn timeline(&self) -> Vec<Moment> {
        self.report
            .checkpoints
            .iter()
            .zip(&self.census)
            .map(|(checkpoint, moment)| Moment {
                label: label_name(checkpoint.label),
                device: moment.counts,
                driver: checkpoint.counts,
            })
            .collect()
    }
}

/// The name of a checkpoint.
pub(crate) fn label_name(number: u32) -> String {
    match number {
        label::BEFORE => "before".into(),
        label::DURING => "during".into(),
        label::AFTER => "after".into(),
        other => other.to_string(),
    }
}
