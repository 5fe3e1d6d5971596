//! `tlbs`: the translations that each engine has cached.

use serde::{Deserialize, Serialize};

use super::{Subject, copy};

/// The answer.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Tlbs {
    pub(crate) tlbs: Vec<EngineTlb>,
}

/// The TLB of one engine.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct EngineTlb {
    pub(crate) engine: String,
    /// By address.
    pub(crate) entries: Vec<Entry>,
}

/// One cached translation of a page.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Entry {
    /// In the PPGTT that was loaded when it was cached.
    pub(crate) address: u64,
    /// Physical.
    pub(crate) page: u64,
    pub(crate) writable: bool,
}

/// Lists them.
pub(in crate::control) fn tlbs(subject: &Subject) -> Tlbs {
    let device = copy(subject);
    let tlb = |engine: &gpu_model::Engine| {
        let entries = engine.tlb().entries();
        let mut entries: Vec<Entry> = entries
            .map(|(address, entry)| Entry { address, page: entry.page, writable: entry.writable })
            .collect();
        entries.sort_by_key(|entry| entry.address);
        EngineTlb { engine: engine.id().name().to_owned(), entries }
    };
    Tlbs { tlbs: device.engines().iter().map(tlb).collect() }
}
