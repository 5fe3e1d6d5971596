//! Address spaces over time.

use std::collections::{BTreeMap, BTreeSet};

use ppgtt::{CensusLimits, Leaf, Levels, PageTableRoot, PhysicalMemory};

use super::kernel::Told;
use super::mappings::{Mappings, Run, Tables};
use super::samples::Samples;
use crate::snapshot::TableTotals;

/// Address spaces that are kept; of more, those released first go.
const KEPT: usize = 4096;
/// Mappings of all address spaces. Of more, those of the one released first go, else of the oldest.
const MAPPINGS: usize = 1 << 16;
/// Pages named as tables that one look reads.
const TABLES: usize = 1 << 14;
/// Ranges that one look tells apart.
const RANGES: usize = 1 << 12;
/// Tables that a submission pays for: a look at an address space with more of them waits until enough
/// was submitted, so that looks cost a bounded share of the work.
const TABLES_PER_SUBMISSION: usize = 64;

/// By what an address space is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// An owner's number.
    Owned(u64),
    /// A number of [`crate::AddressSpaces`]: no owner tells of it.
    Loaded(u64),
}

/// One address space.
#[derive(Clone, Debug)]
pub(super) struct Space {
    pub(super) key: Key,
    /// What a guest's kernel says of it.
    pub(super) told: Option<Told>,
    pub(super) root: Option<PageTableRoot>,
    /// As an owner told; 0 if none did.
    told_levels: u32,
    pub(super) first_ns: u64,
    pub(super) last_ns: Option<u64>,
    pub(super) released_ns: Option<u64>,
    /// Since when no context is left that could use it.
    pub(super) orphaned_ns: Option<u64>,
    /// When it was found orphaned although everything had settled: it is leaked.
    pub(super) leaked_ns: Option<u64>,
    pub(super) samples: Samples,
    pub(super) mappings: Mappings,
    /// What a look would cost, as far as is known, and what was paid.
    cost: usize,
    paid: usize,
}

/// What a look at the tables of an address space found.
pub(super) struct Found {
    pub(super) tables: TableTotals,
    pub(super) runs: Vec<Run>,
    pub(super) named_tables: usize,
}

impl Space {
    fn new(key: Key, now_ns: u64) -> Space {
        Space {
            key,
            told: None,
            root: None,
            told_levels: 0,
            first_ns: now_ns,
            last_ns: None,
            released_ns: None,
            orphaned_ns: None,
            leaked_ns: None,
            samples: Samples::default(),
            mappings: Mappings::default(),
            cost: 0,
            paid: 0,
        }
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        if let Some(told) = &self.told {
            return told.name.clone();
        }
        match self.key {
            Key::Owned(0) => "the driver's VM".to_owned(),
            Key::Owned(number) => format!("VM {number}"),
            Key::Loaded(number) => format!("address space {number}"),
        }
    }

    /// What an owner tells of its tables; no root is known of three levels without a directory.
    pub(super) fn set_tables(&mut self, levels: Levels, root: Option<PageTableRoot>) {
        (self.told_levels, self.root) = (levels.number(), root);
    }

    /// 3 or 4; 0 if nobody told and no engine loaded it.
    pub(super) fn levels(&self) -> u32 {
        self.root.map_or(self.told_levels, |root| root.levels().number())
    }

    /// Its number.
    pub(super) fn number(&self) -> u64 {
        match self.key {
            Key::Owned(number) | Key::Loaded(number) => number,
        }
    }

    /// Whether it is the driver's own.
    pub(super) fn is_drivers(&self) -> bool {
        self.key == Key::Owned(0)
    }

    /// Something was submitted in it: whether that pays for a look at its tables.
    pub(super) fn pays(&mut self) -> bool {
        self.paid += TABLES_PER_SUBMISSION;
        self.paid >= self.cost
    }

    /// Nobody can free it, and that is not for a moment only.
    pub(super) fn leak(&mut self, now_ns: u64) {
        self.leaked_ns.get_or_insert(now_ns);
        self.mappings.leak();
    }

    /// Somebody can use it again, or nothing is left of it: it is no leak, or no more.
    pub(super) fn end_orphaned(&mut self) {
        if self.released_ns.is_none() {
            (self.orphaned_ns, self.leaked_ns) = (None, None);
            self.mappings.end_leak();
        }
    }

    /// Takes in what a look found.
    pub(super) fn look<M: PhysicalMemory>(&mut self, memory: &M, now_ns: u64, found: &Found) {
        self.paid = 0;
        self.cost = found.named_tables;
        self.samples.note(now_ns, found.tables);
        self.mappings.look(&self.tables(memory), now_ns, &found.runs);
    }

    /// Its tables, to look addresses up in.
    pub(super) fn tables<'a, M>(&self, memory: &'a M) -> Tables<'a, M> {
        Tables { memory, root: self.root }
    }

    /// It is gone.
    pub(super) fn end(&mut self, now_ns: u64) {
        self.released_ns.get_or_insert(now_ns);
        self.samples.note(now_ns, TableTotals::default());
        self.mappings.end(now_ns);
        if self.leaked_ns.take().is_none() {
            // Its last context went a little earlier: the order in which drivers let go.
            self.orphaned_ns = None;
        }
    }
}

/// Walks tables; `totals` counts their pages, `object` says whose a page is (`None`: scratch).
pub(super) fn walk<M: PhysicalMemory>(
    memory: &M,
    root: Option<&PageTableRoot>,
    totals: impl FnOnce(Option<&ppgtt::TableCensus>) -> TableTotals,
    mut object: impl FnMut(&Leaf) -> Option<Option<u64>>,
) -> Found {
    let Some(root) = root else {
        return Found { tables: totals(None), runs: Vec::new(), named_tables: 0 };
    };
    let mut runs: Vec<Run> = Vec::new();
    let limits = CensusLimits { tables: TABLES, ranges: RANGES };
    let census = ppgtt::census_within(memory, root, limits, |leaf| {
        let Some(object) = object(&leaf) else { return };
        let next = Run { va: leaf.va, len: 1 << leaf.page_shift, object };
        let full = runs.len() == RANGES;
        match runs.last_mut() {
            Some(last) if last.va.wrapping_add(last.len) == next.va && last.object == object => {
                last.len += next.len;
            }
            _ if full => {}
            _ => runs.push(next),
        }
    });
    // Leaves of large pages come out of order.
    runs.sort_unstable_by_key(|run| run.va);
    Found { tables: totals(Some(&census)), runs, named_tables: census.named_tables }
}

/// All address spaces.
#[derive(Clone, Debug, Default)]
pub(super) struct Spaces {
    all: BTreeMap<u64, Space>,
    /// Those that were not released.
    living: BTreeMap<Key, u64>,
    /// The others.
    released: BTreeSet<u64>,
    /// Mappings of all of them.
    mappings: usize,
    next: u64,
    pub(super) dropped: u64,
}

impl Spaces {
    /// The living address space of this key; a new one if there is none.
    pub(super) fn of(&mut self, key: Key, now_ns: u64) -> u64 {
        match self.living.get(&key) {
            Some(&serial) => serial,
            None => self.begin(key, now_ns),
        }
    }

    /// The living address space of this key.
    pub(super) fn find(&self, key: Key) -> Option<u64> {
        self.living.get(&key).copied()
    }

    fn begin(&mut self, key: Key, now_ns: u64) -> u64 {
        if self.all.len() >= KEPT {
            self.forget_one();
        }
        let serial = self.next;
        self.next += 1;
        self.all.insert(serial, Space::new(key, now_ns));
        self.living.insert(key, serial);
        serial
    }

    /// Makes room: the one released first goes, else the oldest.
    fn forget_one(&mut self) {
        let first = self.released.pop_first();
        let first = first.or_else(|| self.all.first_key_value().map(|(&serial, _)| serial));
        if let Some((serial, space)) = first.and_then(|serial| self.all.remove_entry(&serial)) {
            self.mappings -= space.mappings.len();
            if self.living.get(&space.key) == Some(&serial) {
                self.living.remove(&space.key);
            }
            self.dropped += 1;
        }
    }

    /// The address space is gone.
    pub(super) fn end(&mut self, key: Key, now_ns: u64) {
        let Some(serial) = self.living.remove(&key) else { return };
        if let Some(space) = self.all.get_mut(&serial) {
            space.end(now_ns);
            self.released.insert(serial);
        }
    }

    /// Lets mappings of an address space begin, and sees to it that there are not too many of all.
    pub(super) fn map(&mut self, serial: u64, work: impl FnOnce(&mut Space)) {
        let Some(space) = self.all.get_mut(&serial) else { return };
        let before = space.mappings.len();
        work(space);
        self.mappings = self.mappings - before + space.mappings.len();
        while self.mappings > MAPPINGS {
            let has_some =
                |serial: &&u64| self.all.get(serial).is_some_and(|space| space.mappings.len() > 0);
            let first = self.released.iter().find(has_some);
            let first = first.or_else(|| self.all.keys().find(has_some)).copied();
            let Some(space) = first.and_then(|first| self.all.get_mut(&first)) else { return };
            self.mappings -= space.mappings.forget();
        }
    }

    pub(super) fn get(&self, serial: u64) -> Option<&Space> {
        self.all.get(&serial)
    }

    pub(super) fn get_mut(&mut self, serial: u64) -> Option<&mut Space> {
        self.all.get_mut(&serial)
    }

    /// The living ones.
    pub(super) fn living(&self) -> Vec<u64> {
        let mut living: Vec<u64> = self.living.values().copied().collect();
        living.sort_unstable();
        living
    }

    /// All.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Space> {
        self.all.values_mut()
    }

    /// All, by order of their beginning.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Space)> {
        self.all.iter().map(|(&serial, space)| (serial, space))
    }
}
