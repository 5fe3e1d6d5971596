//! Page-table pages of one address space over time.

use super::model::TableSample;
use crate::snapshot::TableTotals;

/// Samples of one address space. Of more, every second one goes.
const KEPT: usize = 256;

/// A count of table pages at each moment when it was found changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    samples: Vec<TableSample>,
    /// Samples that went to make room.
    pub(super) dropped: u64,
}

impl Samples {
    /// Notes a count. The first of several at one moment is as good as none.
    pub(super) fn note(&mut self, at_ns: u64, tables: TableTotals) {
        if self.samples.last().is_some_and(|last| last.tables == tables) {
            return;
        }
        if let Some(last) = self.samples.last_mut().filter(|last| last.at_ns == at_ns) {
            last.tables = tables;
            return;
        }
        if self.samples.len() == KEPT {
            // The first one stays, and so does the newest.
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1 || index == KEPT
            });
            self.dropped += (KEPT - self.samples.len()) as u64;
        }
        self.samples.push(TableSample { at_ns, tables });
    }

    pub(super) fn last(&self) -> Option<&TableSample> {
        self.samples.last()
    }

    pub(super) fn to_vec(&self) -> Vec<TableSample> {
        self.samples.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(pt: usize) -> TableTotals {
        TableTotals { pt, ..TableTotals::default() }
    }

    #[test]
    fn only_changes_are_kept() {
        let mut samples = Samples::default();
        for (at, pt) in [(1, 3), (2, 3), (3, 4), (3, 5), (4, 5)] {
            samples.note(at, pages(pt));
        }
        let kept: Vec<_> = samples.to_vec().iter().map(|s| (s.at_ns, s.tables.pt)).collect();
        assert_eq!(kept, [(1, 3), (3, 5)]);
    }

    #[test]
    fn a_long_history_gets_coarser_and_keeps_its_ends() {
        let mut samples = Samples::default();
        (0..10_000).for_each(|at| samples.note(at, pages(at as usize)));
        let kept = samples.to_vec();
        assert!(kept.len() <= KEPT);
        assert_eq!((kept[0].at_ns, kept.last().unwrap().at_ns), (0, 9_999));
        assert!(kept.is_sorted_by_key(|sample| sample.at_ns));
        assert_eq!(samples.dropped + kept.len() as u64, 10_000);
    }
}
