//! Mappings in ranges: neighbours that map neighbours, or all the same page.

use gen8_spec::PAGE_SIZE;
use serde::{Deserialize, Serialize};

/// Ranges that are told.
const RANGES_TOLD: usize = 4096;

/// Neighbours that map neighbours, or all the same page.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Range {
    pub(crate) address: u64,
    pub(crate) bytes: u64,
    /// What the first page maps.
    pub(crate) physical: u64,
    /// Whether all of it maps that one page, as scratch is mapped.
    pub(crate) one_page: bool,
}

/// Ranges as they are put together.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    ranges: Vec<Range>,
    left_out: u64,
    last: Option<Range>,
}

impl Runs {
    /// Adds a page of `bytes` behind those that were added.
    pub(crate) fn add(&mut self, address: u64, physical: u64, bytes: u64) {
        let new = Range { address, bytes, physical, one_page: false };
        let grown = self.last.as_ref().and_then(|last| last.grown(&new));
        if let Some(whole) = self.last.replace(grown.unwrap_or(new)).filter(|_| grown.is_none()) {
            self.tell(whole);
        }
    }

    /// The first of them, and how many there are behind those.
    pub(crate) fn finish(mut self) -> (Vec<Range>, u64) {
        if let Some(last) = self.last.take() {
            self.tell(last);
        }
        (self.ranges, self.left_out)
    }

    fn tell(&mut self, range: Range) {
        if self.ranges.len() < RANGES_TOLD {
            self.ranges.push(range);
        } else {
            self.left_out += 1;
        }
    }
}

impl Range {
    /// With one page more, if that one belongs to it.
    fn grown(&self, page: &Range) -> Option<Range> {
        let joins = self.address + self.bytes == page.address;
        let of_one = self.one_page || self.bytes == PAGE_SIZE;
        let repeats = page.physical == self.physical && of_one && page.bytes == PAGE_SIZE;
        let follows = page.physical == self.physical + self.bytes && !self.one_page;
        let grown = Range { bytes: self.bytes + page.bytes, one_page: repeats, ..*self };
        (joins && (repeats || follows)).then_some(grown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_of_one_kind() {
        let range = |one_page| Range { address: 0, bytes: 0x2000, physical: 0x5000, one_page };
        for (one_page, physical, joins) in [
            (true, 0x5000, true),
            (true, 0x7000, false),
            (false, 0x7000, true),
            (false, 0x5000, false),
        ] {
            let page = Range { address: 0x2000, bytes: 0x1000, physical, one_page: false };
            assert_eq!(range(one_page).grown(&page).is_some(), joins, "{physical:#x}");
            let behind = Range { address: 0x3000, ..page };
            assert!(range(one_page).grown(&behind).is_none(), "there is a gap");
        }
    }

    #[test]
    fn no_more_ranges_are_told_than_fit() {
        let mut runs = Runs::default();
        for index in 0..RANGES_TOLD as u64 + 3 {
            runs.add(2 * PAGE_SIZE * index, 0, PAGE_SIZE);
        }
        let (ranges, left_out) = runs.finish();
        assert_eq!((ranges.len(), left_out), (RANGES_TOLD, 3));
    }
}
