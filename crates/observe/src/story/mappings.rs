//! What one address space maps and mapped.
//!
//! A mapping begins when an owner says that an object was bound, or when a look at the tables meets
//! pages that no known mapping covers; it ends likewise. An owner's word is exact; a look knows only
//! that something changed since the look before.

use std::collections::BTreeMap;

use ppgtt::{Access, PageTableRoot, PhysicalMemory};

use super::model::{MappingStory, PageRange};
use gen8_spec::PAGE_SIZE;

/// Mappings of one address space that are kept; of more, those unbound first go.
const KEPT: usize = 4096;
/// Pages of one mapping that are looked up for [`MappingStory::reaches`].
const REACHED: u64 = 512;
/// Pieces of memory that are told of one mapping.
const PIECES: usize = 16;

/// Neighbouring present PTEs of one object, as a look met them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) va: u64,
    pub(super) len: u64,
    /// Owner of the pages, if one is known.
    pub(super) object: Option<u64>,
}

impl Run {
    fn end(&self) -> u64 {
        self.va.saturating_add(self.len)
    }
}

/// A binding as a kernel tells of it.
#[derive(Clone, Debug)]
pub(super) struct Adopted {
    pub(super) run: Run,
    pub(super) bound_ns: u64,
    /// Who bound it, in words.
    pub(super) by: String,
}

/// The parts of open mappings that a look met, by mapping.
type Covered = BTreeMap<u64, Vec<Run>>;

/// One mapping.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) story: MappingStory,
    /// The request for which it was bound.
    pub(super) request: Option<u64>,
    /// Whether its end is an owner's to tell.
    owned: bool,
}

/// The mappings of one address space.
#[derive(Clone, Debug, Default)]
pub(super) struct Mappings {
    /// By order of binding.
    all: BTreeMap<u64, Mapping>,
    /// Those not unbound, by address.
    open: BTreeMap<u64, u64>,
    /// Of those unbound, the last at each address.
    unbound: BTreeMap<u64, u64>,
    next: u64,
    /// Mappings that had no room.
    pub(super) dropped: u64,
}

impl Mappings {
    /// An owner bound an object.
    pub(super) fn bind<M: PhysicalMemory>(
        &mut self,
        tables: &Tables<'_, M>,
        now_ns: u64,
        run: Run,
    ) {
        if let Some(&before) = self.open.get(&run.va) {
            // What only a look knows is the same, without a name.
            if self.all.get(&before).is_some_and(|mapping| !mapping.owned) {
                self.open.remove(&run.va);
                self.all.remove(&before);
            } else {
                self.close(before, now_ns);
            }
        }
        self.begin(tables, now_ns, run, true);
    }

    /// A kernel says what is bound, all of it. Mappings that only looks know are forgotten: they are
    /// the same, without names.
    pub(super) fn adopt<M: PhysicalMemory>(
        &mut self,
        tables: &Tables<'_, M>,
        now_ns: u64,
        bound: &[Adopted],
    ) {
        let objects: BTreeMap<u64, Option<u64>> =
            bound.iter().map(|adopted| (adopted.run.va, adopted.run.object)).collect();
        for (va, serial) in self.open.clone() {
            let Some(mapping) = self.all.get(&serial) else { continue };
            if !mapping.owned {
                self.open.remove(&va);
                self.all.remove(&serial);
            } else if objects.get(&va) != Some(&mapping.story.object) {
                self.close(serial, now_ns);
            }
        }
        for Adopted { run, bound_ns, by } in bound {
            if !self.open.contains_key(&run.va) {
                self.begin(tables, *bound_ns, *run, true);
                let begun = self.open.get(&run.va).and_then(|serial| self.all.get_mut(serial));
                if let Some(mapping) = begun {
                    mapping.story.written_by = Some(by.clone());
                }
            }
        }
    }

    /// An owner unbound an object.
    pub(super) fn unbind(&mut self, now_ns: u64, object: u64) {
        let of = |serial: &&u64| {
            self.all.get(serial).is_some_and(|mapping| mapping.story.object == Some(object))
        };
        let found = self.open.values().find(of).copied();
        if let Some(serial) = found {
            self.close(serial, now_ns);
        }
    }

    /// A request was submitted in this address space: what nothing was submitted with yet is its.
    pub(super) fn requested(&mut self, request: u64) {
        for serial in self.open.values() {
            if let Some(mapping) = self.all.get_mut(serial) {
                mapping.request.get_or_insert(request);
            }
        }
    }

    /// Everything that a look at the tables met, by address. What it did not meet is not there.
    pub(super) fn look<M: PhysicalMemory>(
        &mut self,
        tables: &Tables<'_, M>,
        now_ns: u64,
        runs: &[Run],
    ) {
        for mapping in self.all.values_mut() {
            mapping.story.present = false;
        }
        let mut covered = Covered::new();
        let mut fresh = Vec::new();
        for run in runs {
            self.cover(run, &mut covered, &mut fresh);
        }
        self.settle_open(tables, now_ns, &covered);
        for run in fresh {
            if !self.is_left_over(tables, &run) {
                self.begin(tables, now_ns, run, false);
            }
        }
    }

    /// Notes which part of each open mapping `run` covers; what lies between them is fresh.
    fn cover(&self, run: &Run, covered: &mut Covered, fresh: &mut Vec<Run>) {
        let mut from = run.va;
        let before = self.open.range(..run.va).next_back();
        for (&va, serial) in before.into_iter().chain(self.open.range(run.va..run.end())) {
            let Some(mapping) = self.all.get(serial) else { continue };
            let end = va.saturating_add(mapping.story.len);
            if end <= run.va {
                continue;
            }
            if va > from {
                fresh.push(Run { va: from, len: va - from, ..*run });
            }
            let first = va.max(run.va);
            let part = Run { va: first, len: end.min(run.end()) - first, ..*run };
            covered.entry(*serial).or_default().push(part);
            from = from.max(end);
        }
        if from < run.end() {
            fresh.push(Run { va: from, len: run.end() - from, ..*run });
        }
    }

    /// Refreshes the open mappings that were met, and ends those that only looks know and that were
    /// not met as they were.
    fn settle_open<M: PhysicalMemory>(
        &mut self,
        tables: &Tables<'_, M>,
        now_ns: u64,
        covered: &Covered,
    ) {
        for (va, serial) in self.open.clone() {
            let Some(mapping) = self.all.get_mut(&serial) else { continue };
            let parts = covered.get(&serial).map_or(&[][..], Vec::as_slice);
            let met: u64 = parts.iter().map(|part| part.len).sum();
            let whole = met == mapping.story.len;
            let entry = tables.entry(va);
            let same =
                mapping.story.pte == 0 || entry.is_some_and(|(_, pte)| pte == mapping.story.pte);
            if mapping.owned || (whole && same) {
                mapping.story.present = met > 0;
                if met > 0 {
                    tables.describe(&mut mapping.story);
                }
                continue;
            }
            self.close(serial, now_ns);
            // What is left of it, or what took its place.
            for &part in parts {
                self.begin(tables, now_ns, part, false);
            }
        }
    }

    /// Whether these pages are those of a mapping that was unbound, with the PTE that it had.
    fn is_left_over<M: PhysicalMemory>(&mut self, tables: &Tables<'_, M>, run: &Run) -> bool {
        let Some((_, pte)) = tables.entry(run.va) else { return false };
        let last = self.unbound.get(&run.va).and_then(|serial| self.all.get_mut(serial));
        let Some(mapping) = last.filter(|mapping| mapping.story.pte == pte) else { return false };
        mapping.story.present = true;
        true
    }

    fn begin<M: PhysicalMemory>(
        &mut self,
        tables: &Tables<'_, M>,
        now_ns: u64,
        run: Run,
        owned: bool,
    ) {
        if self.all.len() >= KEPT && !self.make_room() {
            self.dropped += 1;
            return;
        }
        let mut story = MappingStory {
            va: run.va,
            len: run.len,
            object: run.object,
            bound_ns: now_ns,
            present: true,
            ..MappingStory::default()
        };
        tables.describe(&mut story);
        self.all.insert(self.next, Mapping { story, request: None, owned });
        self.open.insert(run.va, self.next);
        self.next += 1;
    }

    /// Forgets the mapping that was bound first of those unbound.
    fn make_room(&mut self) -> bool {
        let mut all = self.all.iter();
        let unbound = all.find(|(_, mapping)| mapping.story.unbound_ns.is_some());
        let Some(serial) = unbound.map(|(&serial, _)| serial) else { return false };
        self.all.remove(&serial);
        self.dropped += 1;
        true
    }

    fn close(&mut self, serial: u64, now_ns: u64) {
        if let Some(mapping) = self.all.get_mut(&serial) {
            let va = mapping.story.va;
            mapping.story.unbound_ns = Some(now_ns);
            mapping.story.present = false;
            if self.open.get(&va) == Some(&serial) {
                self.open.remove(&va);
            }
            self.unbound.insert(va, serial);
        }
        if self.unbound.len() > KEPT {
            let all = &self.all;
            self.unbound.retain(|_, serial| all.contains_key(serial));
        }
    }

    /// Where the first PTE of what is mapped from `va` on lies, if a walk found it.
    pub(super) fn pte_address(&self, va: u64) -> Option<u64> {
        let mapping = self.open.get(&va).and_then(|serial| self.all.get(serial))?;
        Some(mapping.story.pte_address).filter(|&address| address != 0)
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Forgets what is unbound, or else everything; how many that were.
    pub(super) fn forget(&mut self) -> usize {
        let before = self.all.len();
        self.all.retain(|_, mapping| mapping.story.unbound_ns.is_none());
        if self.all.len() == before {
            self.all.clear();
            self.open.clear();
        }
        self.unbound.clear();
        let forgotten = before - self.all.len();
        self.dropped += forgotten as u64;
        forgotten
    }

    /// The address space is gone, and with it all that it mapped.
    pub(super) fn end(&mut self, now_ns: u64) {
        for serial in std::mem::take(&mut self.open).into_values() {
            if let Some(mapping) = self.all.get_mut(&serial) {
                mapping.story.unbound_ns = Some(now_ns);
            }
        }
        for mapping in self.all.values_mut() {
            mapping.story.present = false;
            mapping.story.leaked = false;
        }
    }

    /// Nobody can free what is mapped now.
    pub(super) fn leak(&mut self) {
        for mapping in self.all.values_mut() {
            mapping.story.leaked = mapping.story.present;
        }
    }

    /// Somebody can free what is mapped again.
    pub(super) fn end_leak(&mut self) {
        for mapping in self.all.values_mut() {
            mapping.story.leaked = false;
        }
    }

    /// Notes who wrote the first PTE, as `who` tells by its address and value.
    pub(super) fn attribute(&mut self, who: impl Fn(u64, u64) -> Option<String>) {
        for story in self.all.values_mut().map(|mapping| &mut mapping.story) {
            if story.written_by.is_none() && story.pte_address != 0 {
                story.written_by = who(story.pte_address, story.pte);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.all.values()
    }
}

/// The tables of one address space, to look an address up in.
pub(super) struct Tables<'a, M> {
    pub(super) memory: &'a M,
    /// `None` while no root is known.
    pub(super) root: Option<PageTableRoot>,
}

impl<M: PhysicalMemory> Tables<'_, M> {
    /// Address and value of the leaf entry that maps `va`.
    fn entry(&self, va: u64) -> Option<(u64, u64)> {
        let found = ppgtt::walk(self.memory, self.root.as_ref()?, va, Access::Read).ok()?;
        Some((found.pte_address, found.pte))
    }

    /// Fills in the first PTE of a mapping and the memory that it reaches.
    fn describe(&self, story: &mut MappingStory) {
        let Some(root) = &self.root else { return };
        let mut pieces: Vec<PageRange> = Vec::new();
        let pages = (story.len / PAGE_SIZE).min(REACHED);
        for number in 0..pages {
            let va = story.va.saturating_add(number * PAGE_SIZE);
            let Ok(found) = ppgtt::walk(self.memory, root, va, Access::Read) else { break };
            if number == 0 {
                (story.pte_address, story.pte) = (found.pte_address, found.pte);
            }
            let page = found.physical;
            let full = pieces.len() == PIECES;
            match pieces.last_mut() {
                Some(last) if last.page.saturating_add(last.len) == page => last.len += PAGE_SIZE,
                _ if full => break,
                _ => pieces.push(PageRange { page, len: PAGE_SIZE }),
            }
        }
        if !pieces.is_empty() {
            story.reaches = pieces;
        }
    }
}
