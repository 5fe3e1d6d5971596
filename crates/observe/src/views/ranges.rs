//! Ranges of addresses, ascending and apart.

use gen8_spec::PAGE_SIZE;
use ppgtt::VaRange;

use crate::kernel::KernelSpace;
use crate::spaces::MappedPage;

/// Ranges in ascending order of which no two touch.
pub(super) type Ranges = Vec<VaRange>;

/// Where something is bound by the kernel's account.
pub(super) fn of_kernel(space: &KernelSpace) -> Ranges {
    join(space.vmas.values().map(|vma| VaRange { va: vma.offset, len: vma.bytes }))
}

/// Where something is mapped by the page tables.
pub(super) fn of_device(pages: &[MappedPage]) -> Ranges {
    join(pages.iter().map(|page| VaRange { va: page.va, len: PAGE_SIZE }))
}

/// Joins ascending ranges that touch or lie over one another.
fn join(ascending: impl Iterator<Item = VaRange>) -> Ranges {
    let mut joined: Ranges = Vec::new();
    for range in ascending.filter(|range| range.len > 0) {
        match joined.last_mut() {
            Some(last) if range.va <= last.va + last.len => {
                last.len = last.len.max(range.va - last.va + range.len);
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// What of `all` lies outside of `without`.
pub(super) fn minus(all: &[VaRange], without: &[VaRange]) -> Ranges {
    let mut left = Ranges::new();
    let mut holes = without.iter().peekable();
    for range in all {
        let (mut from, end) = (range.va, range.va + range.len);
        while holes.next_if(|hole| hole.va + hole.len <= from).is_some() {}
        let mut inside = holes.clone();
        while let Some(hole) = inside.next_if(|hole| hole.va < end) {
            if hole.va > from {
                left.push(VaRange { va: from, len: hole.va - from });
            }
            from = from.max(hole.va + hole.len);
        }
        if from < end {
            left.push(VaRange { va: from, len: end - from });
        }
    }
    left
}

/// Bytes that lie in both.
pub(super) fn common(one: &[VaRange], other: &[VaRange]) -> u64 {
    let bytes = |ranges: &[VaRange]| -> u64 { ranges.iter().map(|range| range.len).sum() };
    bytes(one) - bytes(&minus(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(list: &[(u64, u64)]) -> Ranges {
        list.iter().map(|&(va, len)| VaRange { va, len }).collect()
    }

    #[test]
    fn neighbours_are_one_range() {
        let joined = join(ranges(&[(0, 2), (2, 3), (6, 1), (6, 4), (20, 0)]).into_iter());
        assert_eq!(joined, ranges(&[(0, 5), (6, 4)]));
    }

    #[test]
    fn what_lies_outside_is_left() {
        let all = ranges(&[(0, 10), (20, 10), (40, 5)]);
        assert_eq!(minus(&all, &[]), all);
        assert_eq!(minus(&all, &all), []);
        let holes = ranges(&[(2, 3), (8, 14), (29, 1)]);
        assert_eq!(minus(&all, &holes), ranges(&[(0, 2), (5, 3), (22, 7), (40, 5)]));
        // A hole over several ranges cuts each of them.
        assert_eq!(minus(&all, &ranges(&[(5, 37)])), ranges(&[(0, 5), (42, 3)]));
        assert_eq!(common(&all, &holes), 3 + 2 + 2 + 1);
    }
}
