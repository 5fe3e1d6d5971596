//! `ranges`: what an address space maps, and the pages that are reached.

use ppgtt::{CensusLimits, PageTableRoot, PhysicalMemory};
use serde::{Deserialize, Serialize};

use super::Subject;
use super::place::{Place, PlaceError};
use super::runs::{Range, Runs};

/// How much is looked at: an address space of 16 GiB fits, and one that a hostile guest makes up ends there.
pub(super) const LIMITS: CensusLimits = CensusLimits { tables: 1 << 14, ranges: 1 << 16 };

/// The answer.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Ranges {
    /// PTEs (and entries of larger pages) that are present and do not map scratch.
    pub(crate) ptes: u64,
    /// Bytes that they map.
    pub(crate) bytes: u64,
    /// The first of them.
    pub(crate) ranges: Vec<Range>,
    /// Ranges behind those.
    pub(crate) left_out: u64,
    /// There is more than is looked at.
    pub(crate) truncated: bool,
}

/// Lists them.
pub(in crate::control) fn ranges(place: &Place, subject: &Subject) -> Result<Ranges, PlaceError> {
    let root = place.root(subject)?;
    Ok(under(&root, &subject.memory(), LIMITS).1)
}

/// The pages of the tables from `root` on, and what they map.
pub(super) fn under<M: PhysicalMemory>(
    root: &PageTableRoot,
    memory: &M,
    limits: CensusLimits,
) -> (usize, Ranges) {
    let (mut ptes, mut bytes) = (0, 0);
    let mut runs = Runs::default();
    let census = ppgtt::census_within(memory, root, limits, |leaf| {
        let size = 1 << leaf.page_shift;
        ptes += 1;
        bytes += size;
        runs.add(leaf.va, leaf.page, size);
    });
    let (ranges, left_out) = runs.finish();
    let truncated = census.truncated;
    (census.page_count(), Ranges { ptes, bytes, ranges, left_out, truncated })
}
