//! The list as plain data, with the page tables that are there now.

use gen8_spec::engine::EngineId;
use ppgtt::{CensusLimits, PhysicalMemory};
use serde::Serialize;

use super::record::Record;
use super::{AddressSpaces, READ_AT_ONCE};
use crate::snapshot::TableTotals;

/// Pages named as tables that one report looks at; it leaves the rest unwalked. More than 16384
/// address spaces of a small client have, and tables that a hostile guest makes up end there.
pub(super) const WALK_BUDGET: usize = 1 << 17;
/// Ranges of one address space.
pub(super) const RANGES: usize = 1 << 20;

/// Every address space that engines loaded since the function was reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressSpaceReports {
    /// Distinct root pages among those kept: no more can be alive.
    pub roots: usize,
    /// Oldest ones of which nothing is known any more, since there were too many.
    pub forgotten: u64,
    /// In the order in which they were loaded first.
    pub spaces: Vec<AddressSpaceReport>,
}

/// One address space that was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressSpaceReport {
    /// Counts from 0 in order of the first load.
    pub number: u64,
    /// 3 or 4.
    pub levels: u32,
    /// The tables that its PDPs named at the last load: the PML4, or the page directories.
    pub root: Vec<u64>,
    /// The identification number with which a batch marked it, if one did.
    pub mark: Option<u32>,
    /// Engines that loaded it.
    pub engines: Vec<&'static str>,
    /// Engines that have it loaded and are at work.
    pub live_on: Vec<&'static str>,
    /// The first few context ids (CCID with legacy rings) with which it was loaded.
    pub contexts: Vec<u32>,
    /// How often it was loaded.
    pub loads: u64,
    /// Device time of the first load, nanoseconds.
    pub first_ns: u64,
    /// Device time of the last load, nanoseconds.
    pub last_ns: u64,
    /// Device time at which its root page was loaded as another address space: it is gone.
    pub replaced_ns: Option<u64>,
    /// What a walk finds at its root now. The driver may have freed it: then it says nothing.
    /// `None` for one whose root is another's now.
    pub walk: Option<TableWalk>,
}

/// Page tables as they are in memory now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TableWalk {
    /// Table pages by level.
    pub tables: TableTotals,
    /// Present PTEs that map something else than scratch.
    pub ptes: u64,
    /// Entries that lead nowhere or in circles: it is no page table any more.
    pub problems: usize,
    /// There is more than one report looks at.
    pub truncated: bool,
}

impl AddressSpaces {
    /// The list, with the tables that `memory` holds now. Takes the list's lock for short times
    /// only, and reads memory without it.
    pub fn report<M: PhysicalMemory>(&self, memory: &M) -> AddressSpaceReports {
        let (records, forgotten) = self.read();
        let mut budget = WALK_BUDGET;
        let mut spaces = Vec::with_capacity(records.len());
        let mut roots = 0;
        for (number, record, live_on) in records {
            let walk = match record.replaced_ns {
                None if budget > 0 => Some(walk(memory, &record, &mut budget)),
                _ => None,
            };
            roots += usize::from(record.replaced_ns.is_none());
            spaces.push(report(number, &record, live_on, walk));
        }
        AddressSpaceReports { roots, forgotten, spaces }
    }

    /// The records, some at a time. What is loaded meanwhile may be in or not.
    pub(super) fn read(&self) -> (Vec<(u64, Record, Vec<EngineId>)>, u64) {
        let mut read = Vec::new();
        let mut from = 0;
        loop {
            let seen = self.lock();
            let before = read.len();
            for (&number, &record) in seen.records.range(from..).take(READ_AT_ONCE) {
                let live = seen.engines.loaded().filter(|(engine, loaded)| {
                    let last = seen.last[engine.index()];
                    loaded.live && last.is_some_and(|last| last.number == number)
                });
                read.push((number, record, live.map(|(engine, _)| engine).collect()));
                from = number + 1;
            }
            if read.len() == before {
                return (read, seen.forgotten);
            }
        }
    }
}

fn walk<M: PhysicalMemory>(memory: &M, record: &Record, budget: &mut usize) -> TableWalk {
    let mut ptes = 0;
    let limits = CensusLimits { tables: *budget, ranges: RANGES };
    let census = ppgtt::census_within(memory, &record.root, limits, |_| ptes += 1);
    *budget = budget.saturating_sub(census.named_tables.max(1));
    TableWalk {
        tables: census.counts().into(),
        ptes,
        problems: census.problem_count,
        truncated: census.truncated,
    }
}

fn report(
    number: u64,
    record: &Record,
    live_on: Vec<EngineId>,
    walk: Option<TableWalk>,
) -> AddressSpaceReport {
    let loaded_by = |engine: &EngineId| record.engines & 1 << engine.index() != 0;
    AddressSpaceReport {
        number,
        levels: record.root.levels().number(),
        root: record.root.tables().collect(),
        mark: record.mark,
        engines: EngineId::ALL.iter().filter(|id| loaded_by(id)).map(|id| id.name()).collect(),
        live_on: live_on.into_iter().map(EngineId::name).collect(),
        contexts: record.contexts(),
        loads: record.loads,
        first_ns: record.first_ns,
        last_ns: record.last_ns,
        replaced_ns: record.replaced_ns,
        walk,
    }
}
