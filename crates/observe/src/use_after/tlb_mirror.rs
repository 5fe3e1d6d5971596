//! What one engine's TLB holds, from its fills.

use std::collections::BTreeMap;

use gpu_model::Site;
use gpu_model::tlb::Tlb;

/// One translation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    pub(super) address: u64,
    pub(super) page: u64,
    pub(super) at_ns: u64,
    pub(super) site: Site,
}

/// The translations, by their place in the TLB.
#[derive(Debug, Default)]
pub(super) struct TlbMirror(BTreeMap<usize, Filled>);

impl TlbMirror {
    pub(super) fn fill(&mut self, at_ns: u64, site: Site, address: u64, page: u64) {
        self.0.insert(Tlb::slot(address), Filled { address, page, at_ns, site });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// A translation that leads to this page.
    pub(super) fn leading_to(&self, page: u64) -> Option<Filled> {
        self.0.values().find(|filled| filled.page == page).copied()
    }
}
