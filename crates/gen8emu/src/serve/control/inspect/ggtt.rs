//! `ggtt`: what the GGTT maps, in ranges.

use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};
use ppgtt::ggtt_page;
use serde::{Deserialize, Serialize};

use super::super::entries::each_entry;
use super::Facts;

/// Ranges that are told.
const RANGES_TOLD: usize = 4096;

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

/// Neighbours that map neighbours, or all the same page.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Range {
    pub(crate) address: u64,
    pub(crate) bytes: u64,
    /// What the first page maps.
    pub(crate) physical: u64,
    /// Whether all of it maps that one page, as scratch is mapped.
    pub(crate) one_page: bool,
}

/// Lists them.
pub(in crate::serve::control) fn ggtt(facts: &Facts) -> Ggtt {
    let mut found = Ggtt::default();
    let mut last = None;
    each_entry(&facts.device, |index, entry| {
        let address = index << PAGE_SHIFT;
        found.size = address + PAGE_SIZE;
        let Some(page) = ggtt_page(entry) else { return };
        found.ptes += 1;
        let new = Range { address, bytes: PAGE_SIZE, physical: page, one_page: false };
        let (range, whole) = match last.take().map(|last| grown(last, address, page)) {
            Some(Ok(range)) => (range, None),
            Some(Err(whole)) => (new, Some(whole)),
            None => (new, None),
        };
        last = Some(range);
        whole.into_iter().for_each(|whole| found.tell(whole));
    });
    last.into_iter().for_each(|range| found.tell(range));
    found
}

impl Ggtt {
    fn tell(&mut self, range: Range) {
        if self.ranges.len() < RANGES_TOLD {
            self.ranges.push(range);
        } else {
            self.left_out += 1;
        }
    }
}

/// The range with one page more, or as it was if that one does not belong to it.
fn grown(range: Range, address: u64, page: u64) -> Result<Range, Range> {
    let joins = range.address + range.bytes == address;
    let is_first = range.bytes == PAGE_SIZE;
    let repeats = page == range.physical && (range.one_page || is_first);
    let follows = page == range.physical + range.bytes && !range.one_page;
    if joins && (repeats || follows) {
        Ok(Range { bytes: range.bytes + PAGE_SIZE, one_page: repeats, ..range })
    } else {
        Err(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_of_one_kind() {
        let range = |one_page| Range { address: 0, bytes: 0x2000, physical: 0x5000, one_page };
        for (one_page, page, joins) in [
            (true, 0x5000, true),
            (true, 0x7000, false),
            (false, 0x7000, true),
            (false, 0x5000, false),
        ] {
            assert_eq!(grown(range(one_page), 0x2000, page).is_ok(), joins, "{page:#x}");
            assert!(grown(range(one_page), 0x3000, page).is_err(), "there is a gap");
        }
    }

    #[test]
    fn no_more_ranges_are_told_than_fit() {
        let mut found = Ggtt::default();
        for index in 0..RANGES_TOLD as u64 + 3 {
            let address = 2 * PAGE_SIZE * index;
            found.tell(Range { address, bytes: PAGE_SIZE, physical: 0, one_page: false });
        }
        assert_eq!((found.ranges.len(), found.left_out), (RANGES_TOLD, 3));
    }
}
