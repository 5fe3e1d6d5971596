//! The global GTT: who has which addresses, and the PTEs.

use alloc::collections::BTreeMap;

use gen8_spec::PAGE_SIZE;
use gen8_spec::mmio::{GFX_FLSH_CNTL, GFX_FLSH_CNTL_EN};
use gen8_spec::pci::BAR0_GGTT_OFFSET;
use gen8_spec::pte::encode_ggtt_pte;

use super::error::NoSpace;
use super::hardware::Hardware;
use super::types::GgttNode;
use crate::Platform;

/// From which end holes are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Low addresses, which the aperture reaches: objects.
    Low,
    /// High addresses: status pages, contexts and rings, which the CPU reaches through memory.
    High,
}

/// The GGTT's address space and its scratch page.
///
/// PTEs of addresses never bound keep what they hold (i915 6.1 does the same with full PPGTT:
/// clearing a 4 GiB GGTT costs half a million register writes). Unbinding points them at scratch.
pub(super) struct Ggtt {
    /// Free page ranges: first page → number of pages.
    holes: BTreeMap<u64, u64>,
    scratch: u64,
}

impl Ggtt {
    /// A GGTT with `entries` PTEs. The last page stays free, since the command streamer prefetches
    /// beyond the end of what it runs (i915 keeps a guard page there).
    pub(super) fn new(entries: u64, scratch: u64) -> Self {
        let mut holes = BTreeMap::new();
        if entries > 1 {
            holes.insert(0, entries - 1);
        }
        Ggtt { holes, scratch }
    }

    /// The scratch page.
    pub(super) fn scratch(&self) -> u64 {
        self.scratch
    }

    pub(super) fn bind<P: Platform>(
        &mut self,
        hw: &mut Hardware<P>,
        pages: &[u64],
        align: u64,
        placement: Placement,
    ) -> Result<GgttNode, NoSpace> {
        let count = pages.len() as u64;
        let align_pages = (align / PAGE_SIZE).max(1);
        let first = self.find(count, align_pages, placement).ok_or(NoSpace)?;
        self.take(first, count);
        for (index, &page) in (first..).zip(pages) {
            write_pte(hw, index, encode_ggtt_pte(page));
        }
        flush(hw);
        Ok(GgttNode { start: first * PAGE_SIZE, pages: count })
    }

    pub(super) fn unbind<P: Platform>(&mut self, hw: &mut Hardware<P>, node: GgttNode) {
        let first = node.start / PAGE_SIZE;
        for index in first..first + node.pages {
            write_pte(hw, index, encode_ggtt_pte(self.scratch));
        }
        flush(hw);
        self.give_back(first, node.pages);
    }

    /// First page of a hole that fits, aligned.
    fn find(&self, count: u64, align: u64, placement: Placement) -> Option<u64> {
        if count == 0 {
            return None;
        }
        let lowest = |(&start, &len): (&u64, &u64)| {
            let first = start.next_multiple_of(align);
            (first + count <= start + len).then_some(first)
        };
        let highest = |(&start, &len): (&u64, &u64)| {
            let first = (start + len).checked_sub(count)? / align * align;
            (first >= start).then_some(first)
        };
        match placement {
            Placement::Low => self.holes.iter().find_map(lowest),
            Placement::High => self.holes.iter().rev().find_map(highest),
        }
    }

    /// Cuts `count` pages from `first` out of the hole that holds them.
    fn take(&mut self, first: u64, count: u64) {
        let Some((start, len)) =
            self.holes.range(..=first).next_back().map(|(&start, &len)| (start, len))
        else {
            return;
        };
        self.holes.remove(&start);
        if first > start {
            self.holes.insert(start, first - start);
        }
        let (end, hole_end) = (first + count, start + len);
        if hole_end > end {
            self.holes.insert(end, hole_end - end);
        }
    }

    /// Returns pages, joined with the holes beside them.
    fn give_back(&mut self, first: u64, count: u64) {
        let (mut start, mut end) = (first, first + count);
        if let Some((&before, &len)) = self.holes.range(..first).next_back()
            && before + len == first
        {
            self.holes.remove(&before);
            start = before;
        }
        if let Some(len) = self.holes.remove(&end) {
            end += len;
        }
        self.holes.insert(start, end - start);
    }
}

fn write_pte<P: Platform>(hw: &mut Hardware<P>, index: u64, pte: u64) {
    // The offset fits: BAR0 is 16 MiB and the allocator never leaves the PTE array.
    hw.platform.mmio_write64((BAR0_GGTT_OFFSET + 8 * index) as u32, pte);
}

fn flush<P: Platform>(hw: &mut Hardware<P>) {
    hw.write(GFX_FLSH_CNTL, GFX_FLSH_CNTL_EN);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gt::testing::FakeMachine;
    use alloc::vec::Vec;

    const SCRATCH: u64 = 0x5000;

    fn ggtt(entries: u64) -> (Hardware<FakeMachine>, Ggtt) {
        (Hardware::new(FakeMachine::new()), Ggtt::new(entries, SCRATCH))
    }

    #[test]
    fn bind_writes_ptes_then_flushes_and_unbind_points_at_scratch() {
        let (mut hw, mut ggtt) = ggtt(16);
        let node = ggtt.bind(&mut hw, &[0x1000, 0x9000], 0, Placement::Low).unwrap();
        assert_eq!((node.address(), node.size()), (0, 8192));
        assert_eq!(
            hw.platform.take_writes(),
            [(0x80_0000, 0x1001), (0x80_0008, 0x9001), (0x10_1008, 1)]
        );
        ggtt.unbind(&mut hw, node);
        assert_eq!(
            hw.platform.take_writes(),
            [(0x80_0000, SCRATCH | 1), (0x80_0008, SCRATCH | 1), (0x10_1008, 1)]
        );
    }

    #[test]
    fn high_placement_leaves_the_guard_page() {
        let (mut hw, mut ggtt) = ggtt(16);
        let node = ggtt.bind(&mut hw, &[0x1000], 0, Placement::High).unwrap();
        assert_eq!(node.address(), 14 * PAGE_SIZE);
    }

    #[test]
    fn alignment_is_kept_from_both_ends() {
        let (mut hw, mut ggtt) = ggtt(32);
        let _first = ggtt.bind(&mut hw, &[0x1000], 0, Placement::Low).unwrap();
        let low = ggtt.bind(&mut hw, &[0x2000], 4 * PAGE_SIZE, Placement::Low).unwrap();
        let high = ggtt.bind(&mut hw, &[0x3000], 4 * PAGE_SIZE, Placement::High).unwrap();
        assert_eq!(low.address(), 4 * PAGE_SIZE);
        assert_eq!(high.address(), 28 * PAGE_SIZE);
    }

    #[test]
    fn freed_space_joins_and_is_given_out_again() {
        let (mut hw, mut ggtt) = ggtt(9);
        let nodes: Vec<_> =
            (0..4).map(|_| ggtt.bind(&mut hw, &[0, 0], 0, Placement::Low).unwrap()).collect();
        assert_eq!(ggtt.bind(&mut hw, &[0], 0, Placement::Low), Err(NoSpace));
        // Odd ones first, so that every way of joining is met.
        let (odd, even): (Vec<_>, Vec<_>) =
            nodes.into_iter().partition(|node| node.address() / 8192 % 2 == 1);
        for node in odd.into_iter().chain(even) {
            ggtt.unbind(&mut hw, node);
        }
        assert_eq!(ggtt.holes.into_iter().collect::<Vec<_>>(), [(0, 8)]);
    }

    #[test]
    fn nothing_to_bind_is_refused() {
        let (mut hw, mut ggtt) = ggtt(16);
        assert_eq!(ggtt.bind(&mut hw, &[], 0, Placement::Low), Err(NoSpace));
    }
}
