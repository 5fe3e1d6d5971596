//! What every address space maps now, page by page.

use gen8_spec::PAGE_SHIFT;
use gen8_spec::engine::EngineId;
use ppgtt::{CensusLimits, Leaf, PhysicalMemory};

use super::AddressSpaces;
use super::mappings::is_of_a_cpu;
use super::report::{RANGES, WALK_BUDGET};
use crate::snapshot::TableTotals;

/// Pages that one look lists.
const PAGE_BUDGET: usize = 1 << 21;

/// Every address space whose root is not another's by now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceContents {
    /// In the order in which they were loaded first.
    pub spaces: Vec<SpaceContent>,
    /// Whether that is all: none was forgotten, no tables and no pages were too many. What is no address space any
    /// more does not count.
    pub complete: bool,
}

/// One address space, by its tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceContent {
    /// Its number, as in the list of address spaces.
    pub number: u64,
    /// 3 or 4.
    pub levels: u32,
    /// The PML4, or the page directories.
    pub root: Vec<u64>,
    /// The number with which a batch marked it.
    pub mark: Option<u32>,
    /// Engines that have it loaded and are at work.
    pub live_on: Vec<&'static str>,
    /// Engines that loaded it last, whether they are at work or not.
    pub loaded_on: Vec<&'static str>,
    /// Device time of its last load, nanoseconds.
    pub last_ns: u64,
    /// Table pages by level.
    pub tables: TableTotals,
    /// Pages of memory that are mapped, by virtual address; none where there are problems.
    pub pages: Vec<MappedPage>,
    /// Entries that lead nowhere or in circles or that no driver writes, or a CPU's page tables: it is something
    /// else by now.
    pub problems: usize,
}

/// A page of 4 KiB that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MappedPage {
    /// Virtual address.
    pub va: u64,
    /// Physical address.
    pub page: u64,
}

impl AddressSpaces {
    /// What every address space maps by the tables that `memory` holds now. Takes the list's lock for
    /// short times only, and reads memory without it.
    pub fn contents<M: PhysicalMemory>(&self, memory: &M) -> SpaceContents {
        let (records, forgotten) = self.read();
        let loaded = self.loaded();
        let mut contents = SpaceContents { spaces: Vec::new(), complete: forgotten == 0 };
        let (mut tables, mut room) = (WALK_BUDGET, PAGE_BUDGET);
        for (number, record, live_on) in records {
            if record.replaced_ns.is_some() {
                continue;
            }
            if tables == 0 {
                contents.complete = false;
                break;
            }
            let (mut pages, mut strange, mut full) = (Vec::new(), 0, false);
            let limits = CensusLimits { tables, ranges: RANGES };
            let census = ppgtt::census_within(memory, &record.root, limits, |leaf| {
                if is_strange(memory, &leaf) {
                    strange += 1;
                } else if pages.len() < room {
                    pages.push(MappedPage { va: leaf.va, page: leaf.page });
                } else {
                    full = true;
                }
            });
            tables = tables.saturating_sub(census.named_tables.max(1));
            let of_a_cpu = usize::from(is_of_a_cpu(memory, &record.root));
            let problems = census.problem_count + strange + of_a_cpu;
            if problems > 0 {
                // It is something else by now: what that seems to map means nothing, however much it is.
                pages = Vec::new();
            } else {
                contents.complete &= !census.truncated && !full;
            }
            room -= pages.len();
            pages.sort_unstable();
            contents.spaces.push(SpaceContent {
                number,
                levels: record.root.levels().number(),
                root: record.root.tables().collect(),
                mark: record.mark,
                live_on: live_on.into_iter().map(EngineId::name).collect(),
                loaded_on: loaded.iter().filter(|one| one.0 == number).map(|one| one.1).collect(),
                last_ns: record.last_ns,
                tables: census.counts().into(),
                pages,
                problems,
            });
        }
        contents
    }

    /// The address space that each engine loaded last, with the engine's name.
    fn loaded(&self) -> Vec<(u64, &'static str)> {
        let seen = self.lock();
        let loaded = seen
            .engines
            .loaded()
            .filter_map(|(engine, _)| Some((seen.last[engine.index()]?.number, engine.name())));
        loaded.collect()
    }
}

/// Whether no driver wrote this entry: i915 maps nothing but pages of 4 KiB on Gen8 (`i915_pci.c`:
/// GEN_DEFAULT_PAGE_SIZES), and of RAM.
fn is_strange<M: PhysicalMemory>(memory: &M, leaf: &Leaf) -> bool {
    leaf.page_shift != PAGE_SHIFT || memory.read_u64(leaf.page).is_none()
}
