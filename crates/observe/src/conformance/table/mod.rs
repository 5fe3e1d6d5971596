//! The table of checks, block by block.

mod accesses;
mod commands;
mod memory;
mod submission;

use super::check::Check;

/// The parts of the table.
const PARTS: [&[Check]; 4] =
    [accesses::CHECKS, submission::CHECKS, memory::CHECKS, commands::CHECKS];

/// All checks, in the order of [`Block::ALL`](super::Block::ALL).
pub fn checks() -> impl Iterator<Item = &'static Check> {
    PARTS.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gpu_model::GuestRule;

    use super::super::{Block, Rule};
    use super::*;

    #[test]
    fn every_rule_that_the_device_tells_has_one_entry() {
        for &rule in GuestRule::ALL {
            let entries = checks().filter(|check| check.rule == Rule::Device(rule));
            assert_eq!(entries.count(), 1, "{rule}");
        }
    }

    #[test]
    fn no_two_entries_share_a_name_and_each_tells_its_source_in_whole_sentences() {
        let mut ids = BTreeSet::new();
        for check in checks() {
            let id = check.rule.id();
            assert!(ids.insert(id), "{id}");
            assert!(check.what.ends_with('.') && check.what.len() > 20, "{id}: {}", check.what);
            assert!(check.source.len() > 10 && !check.source.ends_with('.'), "{id}");
            assert!(!check.what.contains('|') && !check.source.contains('|'), "{id}");
        }
    }

    #[test]
    fn entries_stand_in_the_order_of_the_blocks() {
        let place = |check: &Check| Block::ALL.iter().position(|&block| block == check.block);
        assert!(checks().map(place).is_sorted());
    }
}
