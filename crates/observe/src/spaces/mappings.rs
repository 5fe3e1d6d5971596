//! Who maps these pages: every address space that was ever loaded is asked.

use std::collections::BTreeSet;

use gen8_spec::engine::EngineId;
use gen8_spec::pte::{ACCESSED, ENTRIES, PRESENT};
use ppgtt::{CensusLimits, Leaf, PageTableRoot, PhysicalMemory};
use serde::Serialize;

use super::AddressSpaces;
use super::report::{RANGES, WALK_BUDGET};

/// The address spaces whose tables map some of a set of pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PageMappings {
    /// Address spaces that were looked at: all whose root is not another's by now.
    pub walked: usize,
    /// Those that are gone, as a CPU's page tables lie at their root by now.
    pub reused: usize,
    /// Whether that was all: no list that was too long, no tables that were too many.
    pub complete: bool,
    /// Those that map at least one of the pages, in the order in which they were loaded first.
    pub spaces: Vec<SpaceMapping>,
}

/// One address space that maps some of the pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpaceMapping {
    /// Its number, as in the list of address spaces.
    pub number: u64,
    /// 3 or 4.
    pub levels: u32,
    /// The PML4, or the page directories.
    pub root: Vec<u64>,
    /// Engines that have it loaded and are at work.
    pub live_on: Vec<&'static str>,
    /// Present PTEs that map one of the pages (a big one may map several).
    pub ptes: u64,
    /// The lowest address at which one is mapped.
    pub first: u64,
}

impl AddressSpaces {
    /// Which address spaces map any of `pages` (physical addresses), by the tables that `memory`
    /// holds now. Takes the list's lock for short times only, and reads memory without it.
    ///
    /// A driver that frees an address space need not clear its tables: until their pages are used
    /// for something else, or cleared when they are freed, it is still found here. A CPU's page table in
    /// the place of a root is noticed: it would map every page of the guest.
    pub fn mappings<M: PhysicalMemory>(&self, memory: &M, pages: &BTreeSet<u64>) -> PageMappings {
        let (records, forgotten) = self.read();
        let mut budget = WALK_BUDGET;
        let mut found =
            PageMappings { walked: 0, reused: 0, complete: forgotten == 0, spaces: Vec::new() };
        for (number, record, live_on) in records {
            if record.replaced_ns.is_some() {
                continue;
            }
            if budget == 0 {
                found.complete = false;
                break;
            }
            if is_of_a_cpu(memory, &record.root) {
                found.reused += 1;
                continue;
            }
            let mut hits = Hits::default();
            let limits = CensusLimits { tables: budget, ranges: RANGES };
            let census = ppgtt::census_within(memory, &record.root, limits, |leaf| {
                if maps_any(leaf, pages) {
                    hits.add(leaf.va);
                }
            });
            budget = budget.saturating_sub(census.named_tables.max(1));
            found.walked += 1;
            found.complete &= !census.truncated;
            let live_on = live_on.into_iter().map(EngineId::name).collect();
            found.spaces.extend(hits.first.map(|first| SpaceMapping {
                number,
                levels: record.root.levels().number(),
                root: record.root.tables().collect(),
                live_on,
                ptes: hits.ptes,
                first,
            }));
        }
        found
    }
}

/// What was found in one address space.
#[derive(Default)]
struct Hits {
    ptes: u64,
    first: Option<u64>,
}

impl Hits {
    /// Leaves of large pages do not come in order.
    fn add(&mut self, va: u64) {
        self.ptes += 1;
        self.first = Some(self.first.map_or(va, |first| first.min(va)));
    }
}

/// Whether a table that the root names holds what only a CPU's page tables do.
pub(super) fn is_of_a_cpu<M: PhysicalMemory>(memory: &M, root: &PageTableRoot) -> bool {
    let both = PRESENT | ACCESSED;
    root.tables().any(|table| {
        let mut entries = (0..ENTRIES as u64).map(|index| memory.read_u64(table + 8 * index));
        entries.any(|entry| entry.is_some_and(|entry| entry & both == both))
    })
}

fn maps_any(leaf: Leaf, pages: &BTreeSet<u64>) -> bool {
    let end = leaf.page.saturating_add(1 << leaf.page_shift);
    pages.range(leaf.page..end).next().is_some()
}
