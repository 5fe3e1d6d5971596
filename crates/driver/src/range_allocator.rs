//! Address ranges of one address space: a small `drm_mm`, first fit.

use alloc::collections::BTreeMap;

/// Which ranges are taken.
#[derive(Clone, Debug)]
pub(crate) struct RangeAllocator {
    total: u64,
    /// Start and size of every range taken.
    taken: BTreeMap<u64, u64>,
}

impl RangeAllocator {
    /// All of `[0, total)` is free.
    pub(crate) const fn new(total: u64) -> Self {
        RangeAllocator { total, taken: BTreeMap::new() }
    }

    /// The lowest hole of `size` bytes from `bias` on. Not yet taken.
    pub(crate) fn find(&self, size: u64, bias: u64) -> Option<u64> {
        let mut start = bias;
        for (&taken, &length) in &self.taken {
            if taken.checked_sub(start).is_some_and(|hole| hole >= size) {
                break;
            }
            start = start.max(taken + length);
        }
        start.checked_add(size).is_some_and(|end| end <= self.total).then_some(start)
    }

    /// Takes the lowest hole of `size` bytes from `bias` on.
    pub(crate) fn insert(&mut self, size: u64, bias: u64) -> Option<u64> {
        let start = self.find(size, bias)?;
        self.taken.insert(start, size);
        Some(start)
    }

    /// Whether `[start, start + size)` lies in the address space.
    pub(crate) fn in_range(&self, start: u64, size: u64) -> bool {
        start.checked_add(size).is_some_and(|end| end <= self.total)
    }

    /// Starts of the ranges that overlap `[start, start + size)`.
    pub(crate) fn overlapping(&self, start: u64, size: u64) -> impl Iterator<Item = u64> + '_ {
        let end = start.saturating_add(size);
        let below = self.taken.range(..start).next_back().filter(move |&(s, l)| s + l > start);
        below.into_iter().chain(self.taken.range(start..end)).map(|(&s, _)| s)
    }

    /// Takes exactly `[start, start + size)`; `false` if it is not free.
    pub(crate) fn insert_at(&mut self, start: u64, size: u64) -> bool {
        let free = self.in_range(start, size) && self.overlapping(start, size).next().is_none();
        if free {
            self.taken.insert(start, size);
        }
        free
    }

    /// Frees the range that starts at `start`.
    pub(crate) fn remove(&mut self, start: u64) -> bool {
        self.taken.remove(&start).is_some()
    }

    /// Whether nothing is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: u64 = 4096;

    #[test]
    fn first_fit_takes_the_lowest_hole_above_the_bias() {
        let mut ranges = RangeAllocator::new(10 * P);
        assert_eq!(ranges.insert(2 * P, P), Some(P));
        assert_eq!(ranges.insert(P, P), Some(3 * P));
        assert_eq!(ranges.insert(P, P), Some(4 * P));
        assert!(ranges.remove(3 * P));
        assert_eq!(ranges.insert(2 * P, P), Some(5 * P));
        assert_eq!(ranges.insert(P, P), Some(3 * P));
        assert_eq!(ranges.insert(P, 0), Some(0));
    }

    #[test]
    fn a_full_space_gives_nothing_and_keeps_its_ranges() {
        let mut ranges = RangeAllocator::new(4 * P);
        assert_eq!(ranges.insert(4 * P, 0), Some(0));
        assert_eq!(ranges.insert(P, 0), None);
        assert_eq!(ranges.insert(u64::MAX, P), None);
        assert!(!ranges.is_empty());
        assert!(ranges.remove(0) && ranges.is_empty());
    }

    #[test]
    fn fixed_ranges_refuse_any_overlap() {
        let mut ranges = RangeAllocator::new(100 * P);
        assert!(ranges.insert_at(10 * P, 4 * P));
        assert!(!ranges.insert_at(9 * P, 2 * P));
        assert!(!ranges.insert_at(13 * P, 2 * P));
        assert!(!ranges.insert_at(11 * P, P));
        assert!(!ranges.insert_at(99 * P, 2 * P));
        assert!(ranges.insert_at(14 * P, P));
        assert_eq!(
            ranges.overlapping(12 * P, 3 * P).collect::<alloc::vec::Vec<_>>(),
            [10 * P, 14 * P]
        );
    }
}
