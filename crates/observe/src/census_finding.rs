//! What a census can find wrong.

use gen8_spec::engine::EngineId;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::finding::{Finding, Severity};

/// Something wrong with the address spaces, seen from the device.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error, Serialize)]
#[serde(tag = "name")]
#[non_exhaustive]
pub enum CensusFinding {
    /// An address space exists that no living context can reach: the signature of the VMA leak.
    #[error("VM {vm} has {pages} page-table pages and no living context")]
    OrphanVm {
        /// VM id.
        vm: u32,
        /// Its page-table pages.
        pages: usize,
    },
    /// An object is still mapped in an orphaned address space.
    #[error("orphaned VM {vm} still maps object {} at {va:#x}", known(*object))]
    OrphanMapping {
        /// VM id.
        vm: u32,
        /// Object id, if known.
        object: Option<u32>,
        /// First address.
        va: u64,
    },
    /// A table page was freed while an engine had the tree loaded that it belongs to.
    #[error("page {page:#x} of VM {vm} was freed while {} had it loaded", engine.name())]
    PtFreedWhileLoaded {
        /// Engine.
        #[serde(serialize_with = "engine_name")]
        engine: EngineId,
        /// VM id.
        vm: u32,
        /// The page.
        page: u64,
    },
    /// A PTE maps a page that it should not map.
    #[error("VM {} maps page {page:#x} at {va:#x}: {reason}", known(*vm))]
    StalePte {
        /// VM id, if known.
        vm: Option<u32>,
        /// First address.
        va: u64,
        /// First page.
        page: u64,
        /// Object that owns or last owned the page, if one did.
        object: Option<u32>,
        /// What is wrong with it.
        reason: StaleReason,
    },
    /// An engine used a TLB entry that the page tables no longer back.
    #[error("{} used a stale translation of {va:#x} to {used:#x}", engine.name())]
    StaleTlb {
        /// Engine.
        #[serde(serialize_with = "engine_name")]
        engine: EngineId,
        /// Virtual page.
        va: u64,
        /// Where it went.
        used: u64,
        /// Where the tables lead now, if anywhere.
        current: Option<u64>,
    },
    /// A page-table page still exists although its address space does not.
    #[error("page {page:#x} is a page-table page of VM {vm}, which does not exist")]
    TableOutlivesVm {
        /// VM id.
        vm: u32,
        /// The page.
        page: u64,
    },
    /// Hints and guest memory contradict each other.
    #[error("VM {}, page {page:#x}: {what}", known(*vm))]
    HintDisagreement {
        /// VM id, if one is concerned.
        vm: Option<u32>,
        /// The page.
        page: u64,
        /// The contradiction, in words.
        what: &'static str,
    },
    /// Tables lead outside RAM, to themselves, or are shared.
    #[error("VM {}: {problem}", known(*vm))]
    BadTables {
        /// VM id, if known.
        vm: Option<u32>,
        /// What is wrong, in words.
        problem: String,
    },
}

impl CensusFinding {
    /// The name of the finding, without its details.
    pub const fn name(&self) -> &'static str {
        match self {
            CensusFinding::OrphanVm { .. } => "OrphanVm",
            CensusFinding::OrphanMapping { .. } => "OrphanMapping",
            CensusFinding::PtFreedWhileLoaded { .. } => "PtFreedWhileLoaded",
            CensusFinding::StalePte { .. } => "StalePte",
            CensusFinding::StaleTlb { .. } => "StaleTlb",
            CensusFinding::TableOutlivesVm { .. } => "TableOutlivesVm",
            CensusFinding::HintDisagreement { .. } => "HintDisagreement",
            CensusFinding::BadTables { .. } => "BadTables",
        }
    }

    /// The finding in the form of all observers, found at device time `at_ns`.
    pub fn found_at(&self, at_ns: u64) -> Finding {
        Finding::new(self.name(), Severity::Error, at_ns, self.to_string())
    }
}

/// Why a PTE is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Error, Serialize)]
pub enum StaleReason {
    /// The page belongs to an object that has no VMA in this address space.
    #[error("its object has no VMA there")]
    NoVma,
    /// The page is free.
    #[error("the page is free")]
    PageFreed,
    /// The page belongs to something else than an object.
    #[error("the page is no object's")]
    NoObject,
}

fn engine_name<S: Serializer>(engine: &EngineId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(engine.name())
}

/// An id, or "?" for one that no hint gave.
fn known(id: Option<u32>) -> String {
    id.map_or_else(|| "?".to_owned(), |id| id.to_string())
}
