//! What a census says: plain data, made to be compared, printed and written as JSON.

use serde::{Deserialize, Serialize};

use crate::census_finding::CensusFinding;

/// The state at one checkpoint, as seen from the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CensusSnapshot {
    /// How many driver instances had started (`Hint::DriverStart`); 0 without hints.
    pub run: u32,
    /// Label that the guest gave (`Hint::Checkpoint`).
    pub label: u32,
    /// Address spaces that exist: hinted and not released, and loaded roots that no hint names.
    pub vms: usize,
    /// VMAs that exist: hinted and not destroyed, and (VM, object) pairs that are mapped.
    /// Bindings in the GGTT (VM 0) are not counted.
    pub vmas: usize,
    /// (VM, object) pairs with a present PTE that is not scratch, found by walking guest memory.
    /// In an address space without hints each contiguous mapped range counts as one; VM 0 is not
    /// counted.
    pub vmas_bound: usize,
    /// Page-table pages that exist, scratch included, each once: reached from the roots, or hinted
    /// as such and not freed.
    pub pages: usize,
    /// Contexts that exist, from hints.
    pub contexts: usize,
    /// The address spaces, by id; those that no hint names last.
    pub address_spaces: Vec<AddressSpaceCensus>,
    /// What is wrong: found now, or by an event since the last checkpoint.
    pub findings: Vec<CensusFinding>,
}

impl CensusSnapshot {
    /// Whether there is a finding of this name ([`CensusFinding::name`]).
    pub fn has_finding(&self, name: &str) -> bool {
        self.findings.iter().any(|finding| finding.name() == name)
    }

    /// Address spaces that no living context can reach.
    pub fn orphans(&self) -> impl Iterator<Item = &AddressSpaceCensus> {
        self.address_spaces.iter().filter(|space| space.orphan)
    }
}

/// One address space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressSpaceCensus {
    /// VM id from the hints; `None` for a loaded root that no hint names.
    pub vm: Option<u32>,
    /// 3 or 4.
    pub levels: u32,
    /// PML4, or the PDP registers' values as far as they are known (0 = unknown or unused).
    pub root: Vec<u64>,
    /// Living contexts that use it.
    pub contexts: Vec<u32>,
    /// Whether it is hinted and no living context uses it. VM 0, the driver's own, never is.
    pub orphan: bool,
    /// Page-table pages of this address space, by kind.
    pub tables: TableTotals,
    /// Page-table pages of this address space.
    pub pages: usize,
    /// Objects with a VMA in it or mapped in it.
    pub objects: Vec<ObjectCensus>,
}

/// Page-table pages by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TableTotals {
    /// PML4 pages.
    pub pml4: usize,
    /// Page-directory pointer tables.
    pub pdp: usize,
    /// Page directories.
    pub pd: usize,
    /// Page tables.
    pub pt: usize,
    /// Scratch tables of any level.
    pub scratch_tables: usize,
    /// Scratch data pages.
    pub scratch_pages: usize,
}

impl TableTotals {
    /// Pages of all kinds.
    pub const fn total(&self) -> usize {
        let TableTotals { pml4, pdp, pd, pt, scratch_tables, scratch_pages } = *self;
        pml4 + pdp + pd + pt + scratch_tables + scratch_pages
    }
}

impl From<ppgtt::TableCounts> for TableTotals {
    fn from(counts: ppgtt::TableCounts) -> Self {
        let ppgtt::TableCounts { pt, pd, pdp, pml4, scratch_tables, scratch_pages } = counts;
        TableTotals { pml4, pdp, pd, pt, scratch_tables, scratch_pages }
    }
}

/// One object in one address space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectCensus {
    /// Object id from the hints; `None` if no hint names the owner of the mapped pages.
    pub object: Option<u32>,
    /// Whether hints say that a VMA exists.
    pub vma: bool,
    /// Where it is mapped; empty if it is not bound.
    pub ranges: Vec<MappedRange>,
}

/// A range of virtual addresses that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MappedRange {
    /// First address.
    pub va: u64,
    /// Bytes.
    pub len: u64,
}
