//! The census: from a root alone, which table pages exist and what they map.
//!
//! It believes nobody: tables may point outside RAM or at themselves, and the scratch tree is
//! found from the tables. A scratch table is one whose 512 entries are equal and present; a page
//! table must besides be named by more than one entry, since a real page table whose mappings are
//! all gone looks just the same but hangs on one entry.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use gen8_spec::PAGE_SIZE;
use gen8_spec::pte::{ADDRESS_MASK, ENTRIES, PRESENT};

use crate::allocator::TableCounts;
use crate::levels::{Level, PageTableRoot};
use crate::memory::PhysicalMemory;
use crate::walk::{is_leaf, leaf_page};

/// Problems kept in a [`TableCensus`]; hostile tables could have a million.
const PROBLEMS_KEPT: usize = 64;

/// A present entry that maps memory and not scratch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// First virtual address that it maps.
    pub va: u64,
    /// Physical address of the page.
    pub page: u64,
    /// log2 of the page: 12, 21 or 30.
    pub page_shift: u32,
    /// The entry as read.
    pub entry: u64,
}

/// A range of virtual addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VaRange {
    /// First address.
    pub va: u64,
    /// Bytes.
    pub len: u64,
}

/// A table that the walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TablePage {
    /// Physical address.
    pub page: u64,
    /// Level.
    pub level: Level,
    /// First virtual address that it spans; for scratch, the first place where it was met.
    pub va: u64,
    /// Whether it is a scratch table.
    pub scratch: bool,
}

/// Something in the tables that no driver should write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CensusProblem {
    /// A table lies outside RAM.
    #[error("{} at {table:#x} is outside RAM", level.name())]
    TableOutsideRam {
        /// Its level.
        level: Level,
        /// Its address.
        table: u64,
    },
    /// Two entries name the same table, and it is not scratch.
    #[error("{} at {table:#x} hangs on more than one entry", level.name())]
    SharedTable {
        /// Its level.
        level: Level,
        /// Its address.
        table: u64,
    },
    /// The same page is a table of two levels: a cycle, or garbage.
    #[error("page {table:#x} is a table of two levels, {} and {}", first.name(), second.name())]
    TwoLevels {
        /// The page.
        table: u64,
        /// The level at which it was met first; only as such it was followed.
        first: Level,
        /// The other level.
        second: Level,
    },
}

/// How much a census may find. What it costs, in time and memory, is bounded by these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CensusLimits {
    /// Distinct pages that entries name as tables.
    pub tables: usize,
    /// Ranges, before those that were not found one after the other are joined.
    pub ranges: usize,
}

impl CensusLimits {
    /// Only the pages of RAM and what can be written into them.
    pub const NONE: CensusLimits = CensusLimits { tables: usize::MAX, ranges: usize::MAX };
}

/// What a census found under one root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableCensus {
    /// Tables in RAM, each page once, root first.
    pub tables: Vec<TablePage>,
    /// Scratch data pages.
    pub scratch_pages: Vec<u64>,
    /// Ranges that map something else than scratch, ascending; neighbours are one range.
    pub ranges: Vec<VaRange>,
    /// Problems, at most 64 of them.
    pub problems: Vec<CensusProblem>,
    /// Number of problems, including those that were not kept.
    pub problem_count: usize,
    /// Distinct pages that entries name as tables, whether they lie in RAM or not.
    pub named_tables: usize,
    /// There is more than the limits allow: the rest is as if it did not exist.
    pub truncated: bool,
}

impl TableCensus {
    /// Page-table pages that exist: tables and scratch, each once.
    pub fn page_count(&self) -> usize {
        self.counts().total()
    }

    /// Pages by kind.
    pub fn counts(&self) -> TableCounts {
        let mut counts =
            TableCounts { scratch_pages: self.scratch_pages.len(), ..TableCounts::default() };
        for table in &self.tables {
            if table.scratch {
                counts.scratch_tables += 1;
            } else {
                counts.add(table.level.kind());
            }
        }
        counts
    }

    /// Bytes that are mapped to something else than scratch.
    pub fn mapped_bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.len).sum()
    }

    /// The pages of all tables and scratch pages.
    pub fn pages(&self) -> impl Iterator<Item = u64> + '_ {
        self.tables.iter().map(|table| table.page).chain(self.scratch_pages.iter().copied())
    }
}

/// Takes the census under `root`; `visit` sees every leaf that maps something else than scratch,
/// those of page tables in ascending order.
///
/// The work is bounded by the pages of RAM: each is read once, or twice if it is shared.
pub fn census<M: PhysicalMemory + ?Sized>(
    memory: &M,
    root: &PageTableRoot,
    visit: impl FnMut(Leaf),
) -> TableCensus {
    census_within(memory, root, CensusLimits::NONE, visit)
}

/// As [`census()`], of no more than `limits` allow: for tables that are a stranger's.
pub fn census_within<M: PhysicalMemory + ?Sized>(
    memory: &M,
    root: &PageTableRoot,
    limits: CensusLimits,
    visit: impl FnMut(Leaf),
) -> TableCensus {
    let mut survey = Survey {
        memory,
        visit,
        limits,
        entries: [0; ENTRIES],
        found: BTreeMap::new(),
        scratch_pages: BTreeSet::new(),
        census: TableCensus {
            tables: Vec::new(),
            scratch_pages: Vec::new(),
            ranges: Vec::new(),
            problems: Vec::new(),
            problem_count: 0,
            named_tables: 0,
            truncated: false,
        },
    };
    survey.run(root);
    survey.census.named_tables = survey.found.len();
    survey.census
}

/// Where a table was met, and how often.
struct Found {
    level: Level,
    references: usize,
}

/// A table to be read: its page and the first address that it spans.
type Pending = (u64, u64);

struct Survey<'m, M: ?Sized, V> {
    memory: &'m M,
    visit: V,
    limits: CensusLimits,
    /// Copy of the table in hand.
    entries: [u64; ENTRIES],
    found: BTreeMap<u64, Found>,
    /// Those of `census`, to be looked up.
    scratch_pages: BTreeSet<u64>,
    census: TableCensus,
}

impl<M: PhysicalMemory + ?Sized, V: FnMut(Leaf)> Survey<'_, M, V> {
    fn run(&mut self, root: &PageTableRoot) {
        let mut level = match root {
            PageTableRoot::FourLevel(_) => Level::Pml4,
            PageTableRoot::ThreeLevel(_) => Level::Pd,
        };
        let mut pending = Vec::new();
        for (slot, pdp) in (0u64..).zip(root.pdps()) {
            // A register that was never written names no table.
            if pdp & ADDRESS_MASK != 0 {
                self.meet(pdp & ADDRESS_MASK, level, slot << level.table_shift(), &mut pending);
            }
        }
        while level != Level::Pt {
            let below = Level::from_number(level.number() - 1);
            let mut next = Vec::new();
            for table in pending {
                self.read_directory(table, level, below, &mut next);
            }
            pending = next;
            level = below;
        }
        self.read_page_tables(&pending);
        self.report_shared_tables();
        merge(&mut self.census.ranges);
    }

    /// Notes that an entry names `page` as a table of `level`; new ones are added to `pending`.
    fn meet(&mut self, page: u64, level: Level, va: u64, pending: &mut Vec<Pending>) {
        let full = self.found.len() >= self.limits.tables;
        match self.found.entry(page) {
            Entry::Vacant(_) if full => self.census.truncated = true,
            Entry::Vacant(vacant) => {
                vacant.insert(Found { level, references: 1 });
                pending.push((page, va));
            }
            Entry::Occupied(mut occupied) if occupied.get().level == level => {
                occupied.get_mut().references += 1;
            }
            Entry::Occupied(occupied) => {
                let first = occupied.get().level;
                self.problem(CensusProblem::TwoLevels { table: page, first, second: level });
            }
        }
    }

    fn read_directory(
        &mut self,
        (page, va): Pending,
        level: Level,
        below: Level,
        next: &mut Vec<Pending>,
    ) {
        if !self.read(page, level) {
            return;
        }
        let scratch = level != Level::Pml4 && self.is_uniform();
        self.census.tables.push(TablePage { page, level, va, scratch });
        for index in 0..ENTRIES {
            let entry = self.entries[index];
            if entry & PRESENT == 0 {
                continue;
            }
            let va = va + ((index as u64) << level.entry_shift());
            if is_leaf(level.number(), entry) {
                let page = leaf_page(level.number(), entry);
                let page_shift = level.entry_shift();
                (self.visit)(Leaf { va, page, page_shift, entry });
                self.add_range(VaRange { va, len: 1 << page_shift });
            } else {
                self.meet(entry & ADDRESS_MASK, below, va, next);
            }
        }
    }

    /// Scratch page tables first, since only they tell which page is scratch.
    fn read_page_tables(&mut self, tables: &[Pending]) {
        let level = Level::Pt;
        let (shared, single): (Vec<_>, Vec<_>) =
            tables.iter().partition::<Vec<Pending>, _>(|(page, _)| self.is_shared(*page));
        let mut mapping = single;
        for (page, va) in shared {
            if !self.read(page, level) {
                continue;
            }
            if !self.is_uniform() {
                mapping.push((page, va));
                continue;
            }
            self.census.tables.push(TablePage { page, level, va, scratch: true });
            let scratch = self.entries[0] & ADDRESS_MASK;
            if self.scratch_pages.insert(scratch) {
                self.census.scratch_pages.push(scratch);
            }
        }
        mapping.sort_unstable_by_key(|&(_, va)| va);
        for (page, va) in mapping {
            if self.read(page, level) {
                self.census.tables.push(TablePage { page, level, va, scratch: false });
                self.visit_mappings(va);
            }
        }
    }

    fn visit_mappings(&mut self, table_va: u64) {
        // No entry with a present bit masks to `u64::MAX`.
        let scratch = self.census.scratch_pages.first().copied().unwrap_or(u64::MAX);
        let several = self.scratch_pages.len() > 1;
        let mut open: Option<VaRange> = None;
        let mut va = table_va;
        for index in 0..ENTRIES {
            let entry = self.entries[index];
            let page = entry & ADDRESS_MASK;
            let is_scratch = page == scratch || (several && self.scratch_pages.contains(&page));
            if entry & PRESENT != 0 && !is_scratch {
                let page_shift = Level::Pt.entry_shift();
                (self.visit)(Leaf { va, page, page_shift, entry });
                open.get_or_insert(VaRange { va, len: 0 }).len += PAGE_SIZE;
            } else if let Some(range) = open.take() {
                self.add_range(range);
            }
            va += PAGE_SIZE;
        }
        if let Some(range) = open {
            self.add_range(range);
        }
    }

    fn add_range(&mut self, range: VaRange) {
        let full = self.census.ranges.len() >= self.limits.ranges;
        match self.census.ranges.last_mut() {
            Some(last) if last.va + last.len == range.va => last.len += range.len,
            _ if full => self.census.truncated = true,
            _ => self.census.ranges.push(range),
        }
    }

    fn report_shared_tables(&mut self) {
        for index in 0..self.census.tables.len() {
            let TablePage { page: table, level, scratch, .. } = self.census.tables[index];
            if !scratch && self.is_shared(table) {
                self.problem(CensusProblem::SharedTable { level, table });
            }
        }
    }

    fn is_shared(&self, page: u64) -> bool {
        self.found.get(&page).is_some_and(|found| found.references > 1)
    }

    fn read(&mut self, page: u64, level: Level) -> bool {
        let readable = self.memory.read_table(page, &mut self.entries);
        if !readable {
            self.problem(CensusProblem::TableOutsideRam { level, table: page });
        }
        readable
    }

    /// Whether all entries of the table in hand are equal and present.
    fn is_uniform(&self) -> bool {
        let first = self.entries[0];
        first & PRESENT != 0 && self.entries.iter().all(|&entry| entry == first)
    }

    fn problem(&mut self, problem: CensusProblem) {
        self.census.problem_count += 1;
        if self.census.problems.len() < PROBLEMS_KEPT {
            self.census.problems.push(problem);
        }
    }
}

/// Sorts ranges and joins neighbours.
fn merge(ranges: &mut Vec<VaRange>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let joins = kept.va + kept.len == next.va;
        if joins {
            kept.len += next.len;
        }
        joins
    });
}
