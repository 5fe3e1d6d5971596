//! Rows for what overlaps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The row of each period (begin and end), so that no two in a row overlap; as few rows as can be, if
/// the periods come by their beginning.
pub(super) fn pack(periods: impl Iterator<Item = (u64, u64)>) -> Vec<usize> {
    // The rows by when they are free again.
    let mut busy: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let place = |(begin, end): (u64, u64)| {
        let free = busy.peek().is_some_and(|Reverse((until, _))| *until <= begin);
        let row = match if free { busy.pop() } else { None } {
            Some(Reverse((_, row))) => row,
            None => busy.len(),
        };
        busy.push(Reverse((end.max(begin), row)));
        row
    };
    periods.map(place).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_row_is_used_again_when_it_is_free() {
        assert_eq!(pack([(0, 4), (1, 2), (2, 5), (4, 6)].into_iter()), [0, 1, 1, 0]);
    }

    proptest! {
        #[test]
        fn no_two_periods_of_a_row_overlap(mut periods: Vec<(u64, u64)>) {
            periods.sort_unstable();
            let rows = pack(periods.iter().copied());
            for (n, &(_, end)) in periods.iter().enumerate() {
                for later in n + 1..periods.len() {
                    let overlap = periods[later].0 < end;
                    prop_assert!(!(overlap && rows[n] == rows[later]));
                }
            }
        }
    }
}
