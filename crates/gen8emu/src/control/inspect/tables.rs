//! `tables`: the page tables of an address space, as a tree.

use std::cmp::Reverse;

use gen8_spec::pte::{ENTRIES, PRESENT};
use ppgtt::{PhysicalMemory, TableCounts, TablePage};
use serde::{Deserialize, Serialize};

use super::Subject;
use super::place::{Place, PlaceError};
use super::ranges::LIMITS;

/// Tables that are told.
const TABLES_TOLD: usize = 4096;
/// Bytes of an entry.
const ENTRY_SIZE: u64 = 8;

/// The answer.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Tables {
    /// 3 or 4.
    pub(crate) levels: u32,
    /// Each table before those that it names, by address; then scratch.
    pub(crate) tables: Vec<Table>,
    /// Tables behind those.
    pub(crate) left_out: usize,
    /// Pages of each kind that exist, each page once.
    pub(crate) totals: Totals,
    /// PTEs that are present and do not map scratch.
    pub(crate) ptes: u64,
    /// The first things in the tables that no driver should write, in words.
    pub(crate) problems: Vec<String>,
    /// How many there are of those.
    pub(crate) problem_count: usize,
    /// There is more than is looked at.
    pub(crate) truncated: bool,
}

/// One table.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Table {
    /// `PML4`, `PDP`, `PD` or `PT`.
    pub(crate) level: String,
    /// First virtual address that it spans.
    pub(crate) address: u64,
    /// Where it lies in memory.
    pub(crate) page: u64,
    /// Entries that are present.
    pub(crate) present: usize,
    /// Whether it only leads to scratch.
    pub(crate) scratch: bool,
}

/// Pages by kind.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Totals {
    pub(crate) pml4: usize,
    pub(crate) pdp: usize,
    pub(crate) pd: usize,
    pub(crate) pt: usize,
    pub(crate) scratch_tables: usize,
    pub(crate) scratch_pages: usize,
}

impl From<TableCounts> for Totals {
    fn from(counts: TableCounts) -> Self {
        let TableCounts { pt, pd, pdp, pml4, scratch_tables, scratch_pages } = counts;
        Totals { pml4, pdp, pd, pt, scratch_tables, scratch_pages }
    }
}

impl Totals {
    /// All pages.
    pub(crate) const fn pages(&self) -> usize {
        let tables = self.pml4 + self.pdp + self.pd + self.pt;
        tables + self.scratch_tables + self.scratch_pages
    }
}

/// Lists them.
pub(in crate::control) fn tables(place: &Place, subject: &Subject) -> Result<Tables, PlaceError> {
    let root = place.root(subject)?;
    let memory = subject.memory();
    let mut ptes = 0;
    let mut census = ppgtt::census_within(&memory, &root, LIMITS, |_| ptes += 1);
    let totals = census.counts().into();
    census.tables.sort_by_key(|table| (table.scratch, table.va, Reverse(table.level.number())));
    let told = census.tables.iter().take(TABLES_TOLD);
    Ok(Tables {
        levels: root.levels().number(),
        tables: told.map(|table| told_of(table, &memory)).collect(),
        left_out: census.tables.len().saturating_sub(TABLES_TOLD),
        totals,
        ptes,
        problems: census.problems.iter().map(ToString::to_string).collect(),
        problem_count: census.problem_count,
        truncated: census.truncated,
    })
}

fn told_of<M: PhysicalMemory>(table: &TablePage, memory: &M) -> Table {
    let entry = |index| memory.read_u64(table.page + ENTRY_SIZE * index).unwrap_or(0);
    Table {
        level: table.level.name().to_owned(),
        address: table.va,
        page: table.page,
        present: (0..ENTRIES as u64).filter(|&index| entry(index) & PRESENT != 0).count(),
        scratch: table.scratch,
    }
}
