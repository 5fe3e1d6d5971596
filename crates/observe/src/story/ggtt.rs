//! What the GGTT maps, from the writes of its entries.

use std::collections::BTreeSet;

use gen8_spec::PAGE_SIZE;
use gen8_spec::debug_page::PageKind;
use gen8_spec::pte::{ADDRESS_MASK, PRESENT};

use super::model::GgttRange;

/// Entries that a GGTT can have (4 GiB).
const ENTRIES: u64 = 1 << 20;
/// Ranges that are told.
const RANGES: usize = 4096;
/// An entry that so many neighbours equal anywhere is scratch.
const SCRATCH: usize = 16;

/// The entries as they were written, up to the last one that was.
#[derive(Clone, Debug, Default)]
pub(super) struct Ggtt(Vec<u64>);

impl Ggtt {
    /// Entry `index` is `entry` now.
    pub(super) fn write(&mut self, index: u64, entry: u64) {
        if index >= ENTRIES {
            return;
        }
        let index = index as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] = entry;
    }

    /// Ranges of present entries that are not scratch; `owner` tells whose a page is.
    pub(super) fn ranges(&self, owner: impl Fn(u64) -> Option<(PageKind, u32)>) -> Vec<GgttRange> {
        let mut ranges: Vec<GgttRange> = Vec::new();
        let scratch: BTreeSet<u64> =
            self.runs().filter(|run| run.len() >= SCRATCH).map(|run| run[0]).collect();
        let mut start = 0_u64;
        for same in self.runs() {
            let first = start;
            start += same.len() as u64;
            if same[0] & PRESENT == 0 || scratch.contains(&same[0]) {
                continue;
            }
            let page = same[0] & ADDRESS_MASK;
            let next = GgttRange {
                start: first * PAGE_SIZE,
                len: same.len() as u64 * PAGE_SIZE,
                page,
                what: owner(page).map_or_else(String::new, words),
            };
            let full = ranges.len() == RANGES;
            match ranges.last_mut() {
                Some(last) if last.start + last.len == next.start && last.what == next.what => {
                    last.len += next.len;
                }
                _ if full => break,
                _ => ranges.push(next),
            }
        }
        ranges
    }

    /// Neighbours that are equal.
    fn runs(&self) -> impl Iterator<Item = &[u64]> {
        self.0.chunk_by(|a, b| a == b)
    }
}

fn words((kind, owner): (PageKind, u32)) -> String {
    match kind {
        PageKind::Object => format!("object {owner}"),
        PageKind::ContextImage => format!("image of context {owner}"),
        PageKind::Ring => format!("ring of context {owner}"),
        PageKind::Global => "the driver's".to_owned(),
        _ => format!("page table of VM {owner}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_owner_are_one_range_and_scratch_is_none() {
        let mut ggtt = Ggtt::default();
        (0..100).for_each(|index| ggtt.write(index, 0x9000 | PRESENT));
        ggtt.write(10, 0x20_0000 | PRESENT);
        ggtt.write(11, 0x30_0000 | PRESENT);
        ggtt.write(12, 0x40_0000 | PRESENT);
        ggtt.write(13, 0);
        let owner =
            |page| (page >= 0x20_0000).then_some((PageKind::Ring, (page >= 0x40_0000) as u32));
        let ranges = ggtt.ranges(owner);
        let told: Vec<_> = ranges.iter().map(|r| (r.start, r.len, r.page, &*r.what)).collect();
        assert_eq!(
            told,
            [
                (0xa000, 0x2000, 0x20_0000, "ring of context 0"),
                (0xc000, 0x1000, 0x40_0000, "ring of context 1")
            ]
        );
    }

    #[test]
    fn an_entry_beyond_any_ggtt_is_passed_over() {
        let mut ggtt = Ggtt::default();
        ggtt.write(u64::MAX, PRESENT);
        assert!(ggtt.ranges(|_| None).is_empty());
    }
}
