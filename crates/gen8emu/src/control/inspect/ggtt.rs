//! `ggtt`: what the GGTT maps, in ranges.

use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};
use ppgtt::ggtt_page;
use serde::{Deserialize, Serialize};

use super::super::entries::each_entry;
use super::Subject;
use super::runs::{Range, Runs};

/// The answer.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Ggtt {
    /// Bytes of address space.
    pub(crate) size: u64,
    /// PTEs that are present.
    pub(crate) ptes: u64,
    /// The first of them, by address.
    pub(crate) ranges: Vec<Range>,
    /// Ranges behind those.
    pub(crate) left_out: u64,
}

/// Lists them.
pub(in crate::control) fn ggtt(subject: &Subject) -> Ggtt {
    let (mut size, mut ptes) = (0, 0);
    let mut runs = Runs::default();
    each_entry(&subject.device, |index, entry| {
        let address = index << PAGE_SHIFT;
        size = address + PAGE_SIZE;
        if let Some(page) = ggtt_page(entry) {
            ptes += 1;
            runs.add(address, page, PAGE_SIZE);
        }
    });
    let (ranges, left_out) = runs.finish();
    Ggtt { size, ptes, ranges, left_out }
}
