//! What the engines' TLBs hold, from the device's events.

use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use gen8_spec::mmio::GDRST_FULL;
use gpu_model::tlb::{ENTRIES, Tlb};
use gpu_model::{Event, Invalidation, Site};
use ppgtt::{PhysicalMemory, trace};

/// A translation that was put in a TLB.
#[derive(Clone, Debug)]
pub(crate) struct Fill {
    /// Virtual page.
    pub(crate) address: u64,
    /// Physical page.
    pub(crate) page: u64,
    pub(crate) writable: bool,
    /// Filled for a write.
    pub(crate) write: bool,
    pub(crate) at_ns: u64,
    /// What the engine ran.
    pub(crate) site: Site,
    /// Address and value of each entry on the way, from the root on.
    pub(crate) path: Vec<(u64, u64)>,
}

/// What empties a TLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emptied {
    By(Invalidation),
    Reset,
}

/// The TLBs of all engines.
#[derive(Debug, Default)]
pub(crate) struct KnownTlbs([KnownTlb; ENGINE_COUNT]);

impl KnownTlbs {
    /// Takes an event in; gives the entry that it put in a TLB. The way to its page is read from `memory`,
    /// which the device reaches.
    pub(crate) fn event<M: PhysicalMemory>(
        &mut self,
        memory: &M,
        now_ns: u64,
        event: &Event,
    ) -> Option<&Fill> {
        match *event {
            Event::TlbFilled { site, address, page, writable, write, root, .. } => {
                let entries = trace(memory, &root, address).entries.into_iter();
                let path = entries.filter_map(|(at, entry)| Some((at, entry?))).collect();
                let fill = Fill { address, page, writable, write, at_ns: now_ns, site, path };
                return Some(self.0[site.engine.index()].fill(fill));
            }
            Event::TlbInvalidated { site, by } => {
                self.0[site.engine.index()].empty(now_ns, Emptied::By(by));
            }
            Event::Reset { domains } => {
                let reset = |engine: &EngineId| domains & (GDRST_FULL | engine.reset_domain()) != 0;
                for engine in EngineId::ALL.into_iter().filter(reset) {
                    self.0[engine.index()].empty(now_ns, Emptied::Reset);
                }
            }
            Event::FunctionReset => {
                self.0.iter_mut().for_each(|tlb| tlb.empty(now_ns, Emptied::Reset));
            }
            _ => {}
        }
        None
    }

    /// That of one engine.
    pub(crate) fn of(&self, engine: EngineId) -> &KnownTlb {
        &self.0[engine.index()]
    }
}

/// The TLB of one engine.
#[derive(Debug)]
pub(crate) struct KnownTlb {
    slots: Vec<Option<Fill>>,
    /// What it held when it was emptied last: a device that keeps such an entry is broken.
    emptied: Vec<Option<Fill>>,
    /// When and by what it was emptied last.
    pub(crate) last: Option<(u64, Emptied)>,
}

impl Default for KnownTlb {
    fn default() -> Self {
        KnownTlb { slots: vec![None; ENTRIES], emptied: vec![None; ENTRIES], last: None }
    }
}

impl KnownTlb {
    fn fill(&mut self, fill: Fill) -> &Fill {
        let slot = Tlb::slot(fill.address);
        self.slots[slot].insert(fill)
    }

    fn empty(&mut self, now_ns: u64, by: Emptied) {
        // Of two in a row the first one found the entries.
        if self.slots.iter().any(Option::is_some) {
            self.emptied = core::mem::replace(&mut self.slots, vec![None; ENTRIES]);
        }
        self.last = Some((now_ns, by));
    }

    /// The entry for a virtual page, if its fill was seen.
    pub(crate) fn entry(&self, address: u64) -> Option<&Fill> {
        of(&self.slots, address)
    }

    /// The entry for a virtual page that was there when the TLB was emptied last.
    pub(crate) fn emptied_entry(&self, address: u64) -> Option<&Fill> {
        of(&self.emptied, address)
    }

    /// An entry that leads to a physical page.
    pub(crate) fn leading_to(&self, page: u64) -> Option<&Fill> {
        self.slots.iter().flatten().find(|fill| fill.page == page)
    }
}

fn of(slots: &[Option<Fill>], address: u64) -> Option<&Fill> {
    slots.get(Tlb::slot(address))?.as_ref().filter(|fill| fill.address == address)
}
