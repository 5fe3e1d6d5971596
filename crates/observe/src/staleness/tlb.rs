//! What the TLB of one engine holds, from the device's events.

use gpu_model::tlb::{ENTRIES, Tlb};
use gpu_model::{Invalidation, Site};

/// A translation that was put in a TLB.
#[derive(Clone, Debug)]
pub(super) struct Fill {
    /// Virtual page.
    pub(super) address: u64,
    /// Physical page.
    pub(super) page: u64,
    pub(super) writable: bool,
    /// Filled for a write.
    pub(super) write: bool,
    pub(super) at_ns: u64,
    /// What the engine ran.
    pub(super) site: Site,
    /// Address and value of each entry on the way, from the root on.
    pub(super) path: Vec<(u64, u64)>,
}

/// What empties a TLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emptied {
    By(Invalidation),
    Reset,
}

/// The TLB of one engine.
#[derive(Debug)]
pub(super) struct KnownTlb {
    slots: Vec<Option<Fill>>,
    /// What it held when it was emptied last: a device that keeps such an entry is broken.
    emptied: Vec<Option<Fill>>,
    /// When and by what it was emptied last.
    pub(super) last: Option<(u64, Emptied)>,
}

impl Default for KnownTlb {
    fn default() -> Self {
        KnownTlb { slots: vec![None; ENTRIES], emptied: vec![None; ENTRIES], last: None }
    }
}

impl KnownTlb {
    pub(super) fn fill(&mut self, fill: Fill) {
        let slot = Tlb::slot(fill.address);
        self.slots[slot] = Some(fill);
    }

    pub(super) fn empty(&mut self, now_ns: u64, by: Emptied) {
        // Of two in a row the first one found the entries.
        if self.slots.iter().any(Option::is_some) {
            self.emptied = core::mem::replace(&mut self.slots, vec![None; ENTRIES]);
        }
        self.last = Some((now_ns, by));
    }

    /// The entry for a virtual page, if its fill was seen.
    pub(super) fn entry(&self, address: u64) -> Option<&Fill> {
        of(&self.slots, address)
    }

    /// The entry for a virtual page that was there when the TLB was emptied last.
    pub(super) fn emptied_entry(&self, address: u64) -> Option<&Fill> {
        of(&self.emptied, address)
    }
}

fn of(slots: &[Option<Fill>], address: u64) -> Option<&Fill> {
    slots.get(Tlb::slot(address))?.as_ref().filter(|fill| fill.address == address)
}
