//! Writes by place, the last ones of each, in bounded memory.

use core::hash::Hash;
use core::mem;
use std::collections::{HashMap, VecDeque};

/// Writes that are kept of one place.
pub(super) const KEPT_OF_A_PLACE: usize = 8;

/// Writes by place. Two generations: when the young one is full it becomes the old one, and the old one
/// is forgotten. So what was written long ago goes first, and at most twice the limit is kept.
#[derive(Debug)]
pub(super) struct History<K, W> {
    young: HashMap<K, VecDeque<W>>,
    old: HashMap<K, VecDeque<W>>,
    /// Writes in `young`.
    count: usize,
    limit: usize,
}

impl<K: Eq + Hash + Copy, W> History<K, W> {
    /// Generations of `limit` writes.
    pub(super) fn new(limit: usize) -> Self {
        History { young: HashMap::new(), old: HashMap::new(), count: 0, limit }
    }

    pub(super) fn push(&mut self, place: K, write: W) {
        if self.count >= self.limit {
            self.old = mem::take(&mut self.young);
            self.count = 0;
        }
        let writes = self.young.entry(place).or_default();
        writes.push_back(write);
        if writes.len() > KEPT_OF_A_PLACE {
            writes.pop_front();
        } else {
            self.count += 1;
        }
    }

    /// The writes of a place, oldest first.
    pub(super) fn of(&self, place: K) -> impl Iterator<Item = &W> {
        let generations = [&self.old, &self.young].map(|writes| writes.get(&place));
        generations.into_iter().flatten().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(history: &History<u32, u32>, place: u32) -> Vec<u32> {
        history.of(place).copied().collect()
    }

    #[test]
    fn the_last_writes_of_a_place_are_kept() {
        let mut history = History::new(1000);
        (0..20).for_each(|n| history.push(1, n));
        assert_eq!(values(&history, 1), (12..20).collect::<Vec<_>>());
        assert!(values(&history, 2).is_empty());
    }

    #[test]
    fn what_was_written_long_ago_is_forgotten_and_no_more_than_twice_the_limit_is_kept() {
        let mut history = History::new(4);
        for n in 0..100 {
            history.push(n, n);
            assert!(history.young.len() + history.old.len() <= 8);
        }
        assert_eq!(values(&history, 99), [99]);
        assert_eq!(values(&history, 95), [95]);
        assert!(values(&history, 50).is_empty());
    }

    #[test]
    fn both_generations_answer_in_order() {
        let mut history = History::new(2);
        for (place, value) in [(1, 1), (2, 2), (1, 3)] {
            history.push(place, value);
        }
        assert_eq!(values(&history, 1), [1, 3]);
    }
}
