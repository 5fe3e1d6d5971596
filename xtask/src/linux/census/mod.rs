//! Two judges of leaks: what the kernel's own trace says of its address spaces, beside what the
//! device saw of them. Marks that batches leave tie the one to the other.

mod device;
mod judge;
mod table;

use std::path::PathBuf;

use gen8_spec::commands::mi::NOOP_ID_MASK;
use serde::{Deserialize, Serialize};

use device::{Seen, Space};

use super::balance::Balances;

/// The checks that both judges look at: each of them settles at least once.
pub(super) const CHECKS: [&str; 4] = ["flink-exit", "flink-close", "context-census", "flink-leak"];

/// All that checks settled, and the device's side of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Census {
    pub(super) stages: Vec<Stage>,
    /// Where to ask the device.
    #[serde(skip)]
    control: Option<PathBuf>,
    /// Lines on address spaces since the last stage.
    #[serde(skip)]
    told: Vec<KernelVm>,
    /// Lines that cannot be understood.
    #[serde(skip)]
    garbled: usize,
}

/// One moment at which a check had let things settle.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Stage {
    check: String,
    stage: String,
    /// The kernel's counts since its driver took the GPU.
    kernel: Balances,
    device: Device,
    /// The address spaces that were told one by one.
    spaces: Vec<Row>,
    /// Others that the device saw: the kernel's own, and those of clients that mark nothing.
    unmarked: Vec<Space>,
    /// Where the two disagree, or something is not as it should be.
    faults: Vec<String>,
}

/// The device's side in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Device {
    /// Address spaces with the marks of this stage that the device saw.
    marked: usize,
    /// How many of these are gone for certain, since their root is another's.
    replaced: usize,
    /// Distinct root pages that they had.
    roots: usize,
}

/// One address space from both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Row {
    kernel: KernelVm,
    device: Option<Space>,
}

/// `gen8emu: vm {…}`: the kernel's side of one address space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KernelVm {
    mark: u32,
    expect: Fate,
    /// The kernel's pointer; none if the kernel told of no such address space.
    vm: Option<String>,
    created_us: Option<u64>,
    released_us: Option<u64>,
    bound: usize,
    contexts: u32,
}

/// What became, or should have become, of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fate {
    Released,
    Alive,
}

impl KernelVm {
    /// By the kernel's account.
    fn fate(&self) -> Fate {
        match self.released_us {
            Some(_) if self.bound == 0 && self.contexts == 0 => Fate::Released,
            _ => Fate::Alive,
        }
    }
}

/// `gen8emu: census {…}`: things have settled.
#[derive(Debug, Deserialize)]
struct Settled {
    check: String,
    stage: String,
    /// What was not told one by one is as expected.
    expected: Vec<Expected>,
    kernel: Balances,
}

#[derive(Debug, Deserialize)]
struct Expected {
    marks: Marks,
    expect: Fate,
}

/// First and last.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Marks {
    start: u32,
    end: u32,
}

impl Settled {
    /// Something is expected, and of no more marks than there are: the line comes from the guest.
    fn is_sound(&self) -> bool {
        let sound =
            |some: &Expected| some.marks.start <= some.marks.end && some.marks.end <= NOOP_ID_MASK;
        !self.expected.is_empty() && self.expected.iter().all(sound)
    }
}

impl Census {
    /// A census that asks the device at this socket.
    pub(super) fn asking(control: Option<PathBuf>) -> Census {
        Census { control, ..Census::default() }
    }

    /// Takes a line `vm …`.
    pub(super) fn vm(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(vm) => self.told.push(vm),
            Err(_) => self.garbled += 1,
        }
    }

    /// Takes a line `census …`, and asks the device: the guest waits for a second now.
    pub(super) fn settled(&mut self, line: &str) {
        let told = std::mem::take(&mut self.told);
        let settled = serde_json::from_str::<Settled>(line).ok().filter(Settled::is_sound);
        let Some(settled) = settled else {
            self.garbled += 1;
            return;
        };
        let seen = match &self.control {
            Some(socket) => device::ask(socket).map_err(|error| format!("{error:#}")),
            None => Err("nobody to ask".into()),
        };
        let stage = match seen {
            Ok(seen) => judge::stage(settled, told, &seen),
            Err(why) => {
                let mut stage = judge::stage(settled, told, &Seen::default());
                stage.faults = vec![format!("the device was not asked: {why}")];
                stage
            }
        };
        self.stages.push(stage);
    }

    /// Whether `check` settled at least once.
    pub(super) fn has(&self, check: &str) -> bool {
        self.stages.iter().any(|stage| stage.check == check)
    }

    /// What is wrong, for the verdict.
    pub(super) fn faults(&self) -> Vec<String> {
        let stages = self.stages.iter().filter(|stage| !stage.faults.is_empty());
        let mut faults: Vec<String> = stages
            .map(|Stage { check, stage, faults, .. }| {
                let more = if faults.len() > 1 { " (and more)" } else { "" };
                format!("census of {check} {stage}: {}{more}", faults[0])
            })
            .collect();
        if self.garbled > 0 {
            faults.push("a line of the census cannot be understood".into());
        }
        faults
    }

    /// For people: a table a stage.
    pub(super) fn text(&self) -> Vec<String> {
        self.stages.iter().flat_map(table::lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::balance::Balance;
    use super::*;

    fn settled(start: u32, end: u32) -> String {
        format!(
            r#"{{"check":"flink-exit","stage":"exit",
               "expected":[{{"marks":{{"start":{start},"end":{end}}},"expect":"released"}}],
               "kernel":{{"vms":{{"began":3,"ended":1}},"vmas":{{"began":0,"ended":0}},
               "contexts":{{"began":0,"ended":0}}}}}}"#
        )
    }

    #[test]
    fn a_stage_that_expects_nothing_or_more_than_there_can_be_is_a_fault() {
        for line in [settled(2, 1), settled(0, NOOP_ID_MASK + 1), settled(0, u32::MAX)] {
            let mut census = Census::asking(None);
            census.settled(&line);
            assert!(census.stages.is_empty() && census.faults().len() == 1, "{line}");
        }
    }

    #[test]
    fn a_stage_without_the_device_and_garbled_lines_are_faults() {
        let mut census = Census::asking(None);
        census.vm("{");
        census.settled(&settled(1, 2));
        let faults = census.faults();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("flink-exit exit: the device was not asked"), "{faults:?}");
        assert_eq!(census.stages[0].kernel.vms, Balance { began: 3, ended: 1 });
    }
}
