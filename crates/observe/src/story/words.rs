//! How times and sizes are written.

use super::model::{SpaceStory, Story};
use crate::finding::Finding;
use crate::provenance::{When, Write};

/// Device time in the largest unit that leaves digits before the point: `105.000 µs`.
pub fn time(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{}.{:03} µs", ns / 1_000, ns % 1_000),
        1_000_000..1_000_000_000 => format!("{}.{:03} ms", ns / 1_000_000, ns / 1_000 % 1_000),
        _ => format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1_000),
    }
}

/// Bytes in the largest unit of which they are a whole number: `4 KiB`.
pub fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let whole = units.iter().find(|&&(_, shift)| bytes != 0 && bytes.is_multiple_of(1 << shift));
    match whole {
        Some((unit, shift)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

/// Who made a write, and when: `a CPU at 105.000 µs`.
pub(super) fn who(write: &Write) -> String {
    match write.when {
        When::At(at) => format!("{} at {}", write.by, time(at)),
        When::Between(0, to) => format!("{} before {}", write.by, time(to)),
        When::Between(from, to) => {
            format!("{} between {} and {}", write.by, time(from), time(to))
        }
    }
}

impl Story {
    /// Whether the driver told whose contexts are whose. No stock driver does.
    pub fn is_hinted(&self) -> bool {
        self.contexts.iter().any(|context| context.created_ns.is_some())
    }

    /// The address spaces that are leaked.
    pub fn leaks(&self) -> impl Iterator<Item = &SpaceStory> {
        self.spaces.iter().filter(|space| space.leaked)
    }

    /// The findings on leaks: the address space, what it maps and by which PTE, for which request that
    /// was bound, and since when nobody can free it.
    pub fn leak_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.name == super::LEAK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_the_unit_that_suits_them() {
        assert_eq!(time(0), "0.000 µs");
        assert_eq!(time(105_000), "105.000 µs");
        assert_eq!(time(1_234_567), "1.234 ms");
        assert_eq!(time(61_000_000_000), "61.000 s");
        assert_eq!((size(4096), size(3 << 30)), ("4 KiB".to_owned(), "3 GiB".to_owned()));
        assert_eq!((size(0), size(100)), ("0 bytes".to_owned(), "100 bytes".to_owned()));
    }
}
