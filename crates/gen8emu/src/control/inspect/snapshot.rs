//! `snapshot`: a moment of the device, to be compared with another one.

use ppgtt::{CensusLimits, PageTableRoot};
use serde::{Deserialize, Serialize};

use super::engines::EngineState;
use super::ggtt::Ggtt;
use super::ranges::Ranges;
use super::registers::{Register, Wanted};
use super::{Subject, copy, engines, ggtt, ranges, registers};

/// Version of a snapshot's form.
pub(crate) const VERSION: u32 = 1;
/// Tables that are looked at, and ranges that are told, of all address spaces together.
const BUDGET: CensusLimits = CensusLimits { tables: 1 << 17, ranges: 1 << 14 };

/// A moment.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Snapshot {
    /// [`VERSION`]. A file that begins otherwise is none.
    #[serde(rename = "gen8emu-snapshot")]
    pub(crate) version: u32,
    /// Device time, nanoseconds.
    pub(crate) now_ns: u64,
    /// Those that are not 0, by offset.
    pub(crate) registers: Vec<Register>,
    pub(crate) engines: Vec<EngineState>,
    /// Those that are not gone.
    pub(crate) spaces: Vec<Space>,
    pub(crate) ggtt: Ggtt,
}

/// One address space.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Space {
    /// As in `address-spaces`.
    pub(crate) number: u64,
    /// PML4, or the page directories.
    pub(crate) root: Vec<u64>,
    /// Page-table pages.
    pub(crate) pages: usize,
    pub(crate) mappings: Ranges,
}

/// Takes one. Registers and engines are of one moment; memory is read behind that, in pieces.
pub(in crate::control) fn snapshot(subject: &Subject) -> Snapshot {
    let mut device = copy(subject);
    let registers = registers::of(&Wanted::default(), &mut device);
    let memory = subject.memory();
    let mut budget = BUDGET;
    let space = |(number, root): (u64, PageTableRoot)| {
        let (pages, mappings) = ranges::under(&root, &memory, budget);
        budget.tables = budget.tables.saturating_sub(pages.max(1));
        budget.ranges = budget.ranges.saturating_sub(mappings.ranges.len());
        Space { number, root: root.tables().collect(), pages, mappings }
    };
    Snapshot {
        version: VERSION,
        now_ns: device.now_ns(),
        // Only a name could be wrong, and there is none.
        registers: registers.map_or_else(|_| Vec::new(), |registers| registers.registers),
        engines: engines::of(&mut device).engines,
        spaces: subject.watch.spaces.roots().into_iter().map(space).collect(),
        ggtt: ggtt::ggtt(subject),
    }
}
