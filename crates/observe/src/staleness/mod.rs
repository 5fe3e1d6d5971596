//! Uses of TLB entries and page directories that are out of date.
//!
//! An engine goes on with a translation until something empties its TLB, whatever software writes to the page
//! tables meanwhile: a driver that gives a page back without an invalidation lets the GPU read and write what
//! is somebody else's then (the class of CVE-2022-0330). The device tells each use of such an entry; here it
//! is told once, with what proves it: both translations, when and for what the entry was filled, the write of
//! the page tables that made it stale, and the invalidation that was missing.

mod found;
mod words;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gen8_spec::context_image::{pdp_ldw, pdp_udw};
use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use gpu_model::{Event, GuestRam, Interests, Observer, Site};
use ppgtt::PhysicalMemory;

use crate::finding::{Finding, Findings, Severity};
use crate::provenance::{Place, Provenance, Write};
use crate::tlbs::{Fill, KnownTlbs};
use found::{Found, Key};

/// Finds uses of stale translations: an [`Observer`] of the device. Clones share what was found. It asks
/// a [`Provenance`] for who wrote; that one must hear the device as well, and before this one.
///
/// What is kept is bounded: as many entries as the TLBs have, and 256 findings.
#[derive(Clone, Debug)]
pub struct Staleness {
    provenance: Provenance,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Seen {
    tlbs: KnownTlbs,
    /// State page of the context that each engine loaded last.
    state_pages: [Option<u64>; ENGINE_COUNT],
    found: Found,
    ram: GuestRam,
}

/// An entry of the page tables that is not what it was.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// Level of its table: 0 for a PTE.
    level: usize,
    at: u64,
    old: u64,
    /// `None`: the table is not in RAM any more.
    new: Option<u64>,
}

/// A use of a stale entry.
#[derive(Clone, Copy, Debug)]
struct Use {
    engine: EngineId,
    address: u64,
    write: bool,
    used: u64,
    current: Option<u64>,
}

impl Staleness {
    /// Nothing was found yet. `provenance` hears the device as well.
    pub fn new(provenance: Provenance) -> Self {
        let seen = Seen {
            tlbs: Default::default(),
            state_pages: [None; ENGINE_COUNT],
            found: Found::default(),
            ram: GuestRam::empty(),
        };
        Staleness { provenance, seen: Arc::new(Mutex::new(seen)) }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Events leave it whole; a panic elsewhere is no reason to stop.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Findings for Staleness {
    fn findings(&self) -> Vec<Finding> {
        self.lock().found.findings()
    }
}

impl Observer for Staleness {
    fn interests(&self) -> Interests {
        Interests::STALE_TLB | Interests::TLB | Interests::CONTEXTS | Interests::BASICS
    }

    fn memory(&mut self, memory: &GuestRam) {
        self.lock().ram = memory.clone();
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.event(&self.provenance, now_ns, event);
    }
}

impl Seen {
    fn event(&mut self, provenance: &Provenance, now_ns: u64, event: &Event) {
        self.tlbs.event(&self.ram, now_ns, event);
        match *event {
            Event::ContextLoaded { engine, page, .. } => {
                self.state_pages[engine.index()] = Some(page);
            }
            Event::StaleTlb { engine, address, write, used, current } => {
                let stale = Use { engine, address, write, used, current };
                self.stale_entry(provenance, now_ns, stale);
            }
            Event::StalePdps { site, loaded, image } => {
                self.stale_pdps(provenance, now_ns, site, [loaded, image]);
            }
            _ => {}
        }
    }

    fn stale_entry(&mut self, provenance: &Provenance, now_ns: u64, stale: Use) {
        let tlb = self.tlbs.of(stale.engine);
        let entry = tlb.entry(stale.address);
        let emptied = tlb.emptied_entry(stale.address).filter(|_| entry.is_none());
        let fill = entry.or(emptied);
        let filled_ns = fill.map(|fill| fill.at_ns);
        let key = Key::Entry(stale.engine, stale.address, filled_ns, stale.current);
        if self.found.again(&key, now_ns) {
            return;
        }
        let kept = emptied.is_some();
        let name = if kept { "TlbEntryKept" } else { "StaleTlb" };
        let what = words::entry(&stale, kept);
        let mut finding = Finding::new(name, Severity::Error, now_ns, what)
            .fact("used", words::page(Some(stale.used)))
            .fact("page tables say", words::page(stale.current))
            .fact("entry filled", words::fill(fill));
        let mut since_ns = filled_ns.unwrap_or_default();
        if let Some(change) = fill.and_then(|fill| self.changed_entry(fill)) {
            let write = self.write_of(provenance, &change, since_ns, now_ns);
            since_ns = write.as_ref().map_or(since_ns, |write| write.when.latest_ns());
            finding = finding.fact("made stale by", words::made_stale(&change, write.as_ref()));
        }
        finding = finding.fact("missing", words::missing(stale.engine, kept, tlb.last));
        let finding = self.invalidated_since(stale.engine, since_ns, finding);
        self.found.push(key, finding);
    }

    /// Adds the engines other than this one that were invalidated since a moment.
    fn invalidated_since(&self, engine: EngineId, since_ns: u64, finding: Finding) -> Finding {
        let others = EngineId::ALL.into_iter().filter(|&other| other != engine);
        others.fold(finding, |finding, other| match self.tlbs.of(other).last {
            Some((at_ns, by)) if at_ns >= since_ns => {
                finding.fact("invalidated meanwhile", words::emptied(other, at_ns, by))
            }
            _ => finding,
        })
    }

    /// The first entry on the way to a translation that is not what it was. What lies below is not on the
    /// way any more.
    fn changed_entry(&self, fill: &Fill) -> Option<Change> {
        let levels = fill.path.len();
        fill.path.iter().zip((0..levels).rev()).find_map(|(&(at, old), level)| {
            let new = self.ram.read_u64(at);
            (new != Some(old)).then_some(Change { level, at, old, new })
        })
    }

    /// The first write since `since_ns` that made a change, as far as is known.
    fn write_of(
        &self,
        provenance: &Provenance,
        change: &Change,
        since_ns: u64,
        now_ns: u64,
    ) -> Option<Write> {
        provenance.look(&self.ram, change.at, now_ns);
        let mut writes = provenance.who_wrote(Place::Memory(change.at, 8)).into_iter();
        writes.find(|w| w.when.latest_ns() >= since_ns && w.old == Some(change.old))
    }

    fn stale_pdps(
        &mut self,
        provenance: &Provenance,
        now_ns: u64,
        site: Site,
        [loaded, image]: [[u64; 4]; 2],
    ) {
        let key = Key::Pdps(site.engine, site.context, loaded, image);
        if self.found.again(&key, now_ns) {
            return;
        }
        let mut finding = Finding::new("StalePdps", Severity::Error, now_ns, words::pdps(&site))
            .fact("engine has", words::four(loaded))
            .fact("image says", words::four(image));
        if let Some(page) = self.state_pages[site.engine.index()] {
            let changed = (0..loaded.len()).filter(|&n| loaded[n] != image[n]);
            for n in changed {
                for index in [pdp_udw(n), pdp_ldw(n)] {
                    let at = page + 4 * (index as u64 + 1);
                    provenance.look(&self.ram, at, now_ns);
                    let write = provenance.last_write(Place::Memory(at, 4));
                    if let Some(write) = write.filter(|write| write.old.is_some()) {
                        finding =
                            finding.fact("image written", format!("PDP{n}, {at:#x}: {write}"));
                    }
                }
            }
        }
        let finding = finding.fact("missing", words::MISSING_PDP_LOAD);
        self.found.push(key, finding);
    }
}
