//! A ring buffer: the driver writes commands and moves TAIL, the engine reads and moves HEAD.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use gen8_spec::PAGE_SIZE;
use gen8_spec::commands::mi;
use gen8_spec::debug_page::PageKind;
use gen8_spec::mmio::ring::{CTL_SIZE_MASK, CTL_VALID};

use super::error::{OutOfMemory, SubmitError};
use super::ggtt::{Ggtt, Placement};
use super::hardware::Hardware;
use super::seqno::seqno_passed;
use super::types::GgttNode;
use crate::Platform;

/// Pages of a ring (i915 4.3 gives a context's ring four).
const PAGES: usize = 4;
/// HEAD and TAIL in one cache line would be ambiguous: full looks like empty (i915
/// `I915_RING_FREE_SPACE`).
const FREE_SPACE: u32 = 64;
/// MI_NOOP as a whole command.
pub(super) const NOOP: u32 = mi::header(mi::NOOP, 0);

/// A ring bound in the GGTT.
pub(super) struct Ring {
    pages: Vec<u64>,
    node: GgttNode,
    /// Where the next command goes.
    tail: u32,
    /// Commands before this offset are done.
    retired: u32,
    /// Seqno and start of the breadcrumb of the requests that may still be read.
    in_flight: VecDeque<(u32, u32)>,
}

impl Ring {
    pub(super) fn new<P: Platform>(
        hw: &mut Hardware<P>,
        ggtt: &mut Ggtt,
        owner: u32,
    ) -> Result<Self, OutOfMemory> {
        let pages = hw.alloc_pages(PAGES, PageKind::Ring, owner)?;
        match ggtt.bind(hw, &pages, 0, Placement::High) {
            Ok(node) => Ok(Ring { pages, node, tail: 0, retired: 0, in_flight: VecDeque::new() }),
            Err(no_space) => {
                hw.free_pages(&pages);
                Err(no_space.into())
            }
        }
    }

    pub(super) fn free<P: Platform>(self, hw: &mut Hardware<P>, ggtt: &mut Ggtt) {
        ggtt.unbind(hw, self.node);
        hw.free_pages(&self.pages);
    }

    /// GGTT address, for RING_START.
    pub(super) fn address(&self) -> u32 {
        self.node.address() as u32
    }

    /// Value of RING_CTL.
    pub(super) fn control(&self) -> u32 {
        ((self.size() - PAGE_SIZE as u32) & CTL_SIZE_MASK) | CTL_VALID
    }

    pub(super) fn size(&self) -> u32 {
        self.node.size() as u32
    }

    /// Where the next command goes: the value for TAIL.
    pub(super) fn tail(&self) -> u32 {
        self.tail
    }

    /// `offset + bytes`, wrapped.
    pub(super) fn advance(&self, offset: u32, bytes: u32) -> u32 {
        (offset + bytes) % self.size()
    }

    /// Makes room for `dwords` that will not be split by the end of the ring, given the seqno that
    /// the engine has completed. Pads with NOOPs to the start if need be. Returns the offset.
    pub(super) fn begin<P: Platform>(
        &mut self,
        hw: &Hardware<P>,
        dwords: usize,
        completed: u32,
    ) -> Result<u32, SubmitError> {
        self.retire(completed);
        let bytes = 4 * dwords as u32;
        // Half the ring always fits once the ring is empty, wherever TAIL is.
        if bytes > self.size() / 2 {
            return Err(SubmitError::TooLarge);
        }
        let rest = self.size() - self.tail;
        let padding = if bytes > rest { rest } else { 0 };
        if bytes + padding > self.space() {
            return Err(SubmitError::RingFull);
        }
        if padding > 0 {
            self.fill(hw, self.tail, padding);
            self.tail = 0;
        }
        Ok(self.tail)
    }

    /// Writes commands for which [`Ring::begin`] made room; returns the new tail.
    pub(super) fn emit<P: Platform>(&mut self, hw: &Hardware<P>, commands: &[u32]) -> u32 {
        for &dword in commands {
            self.write(hw, self.tail, dword);
            self.tail = self.advance(self.tail, 4);
        }
        self.tail
    }

    /// Remembers that the ring is in use up to `postfix` until `seqno` has passed. The breadcrumb
    /// itself stays in use: the engine still reads it when the seqno is visible.
    pub(super) fn track(&mut self, seqno: u32, postfix: u32) {
        self.in_flight.push_back((seqno, postfix));
    }

    /// Replaces commands by NOOPs.
    pub(super) fn fill<P: Platform>(&self, hw: &Hardware<P>, from: u32, bytes: u32) {
        for offset in (from..from + bytes).step_by(4) {
            self.write(hw, offset % self.size(), NOOP);
        }
    }

    fn write<P: Platform>(&self, hw: &Hardware<P>, offset: u32, dword: u32) {
        let page_size = PAGE_SIZE as u32;
        if let Some(page) = self.pages.get((offset / page_size) as usize) {
            hw.write_memory(page + u64::from(offset % page_size), dword);
        }
    }

    /// All requests are complete, and their seqnos are about to lose their meaning.
    pub(super) fn retire_all(&mut self) {
        if let Some((_, postfix)) = self.in_flight.drain(..).next_back() {
            self.retired = postfix;
        }
    }

    fn retire(&mut self, completed: u32) {
        while let Some(&(seqno, postfix)) = self.in_flight.front()
            && seqno_passed(completed, seqno)
        {
            self.retired = postfix;
            self.in_flight.pop_front();
        }
    }

    /// Bytes that can be written (i915 `__intel_ring_space`).
    fn space(&self) -> u32 {
        let used = (self.tail + self.size() - self.retired) % self.size();
        (self.size() - used).saturating_sub(FREE_SPACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gt::testing::FakeMachine;

    fn ring() -> (Hardware<FakeMachine>, Ring) {
        let mut hw = Hardware::new(FakeMachine::new());
        let mut ggtt = Ggtt::new(64, 0);
        let ring = Ring::new(&mut hw, &mut ggtt, 1).unwrap();
        (hw, ring)
    }

    #[test]
    fn control_is_size_less_a_page_and_valid() {
        assert_eq!(ring().1.control(), 0x3001);
    }

    #[test]
    fn full_ring_refuses_until_a_seqno_passes() {
        let (hw, mut ring) = ring();
        let request = [NOOP; 1000];
        for seqno in 1..=4 {
            let start = ring.begin(&hw, request.len(), 0).unwrap();
            let tail = ring.emit(&hw, &request);
            ring.track(seqno, tail);
            assert_eq!(tail, start + 4000);
        }
        assert_eq!(ring.begin(&hw, request.len(), 0), Err(SubmitError::RingFull));
        assert_eq!(ring.begin(&hw, 10, 0), Ok(16_000), "a small one still fits");
        // Two of 4000 bytes are needed: the padding at the end uses the rest of the ring.
        assert_eq!(ring.begin(&hw, request.len(), 1), Err(SubmitError::RingFull));
        assert_eq!(ring.begin(&hw, request.len(), 2), Ok(0));
    }

    #[test]
    fn wrap_pads_the_end_with_noops() {
        let (hw, mut ring) = ring();
        for seqno in 1..=8 {
            let size = ring.size();
            ring.begin(&hw, 500, seqno - 1).unwrap();
            ring.emit(&hw, &[0xdead_beef; 500]);
            ring.track(seqno, ring.tail());
            assert!(ring.tail() < size);
        }
        assert_eq!(ring.begin(&hw, 500, 8), Ok(0));
        let last_page = ring.pages[3];
        assert_eq!(hw.read_memory(last_page + 16_000 - 12_288 - 4), 0xdead_beef);
        assert_eq!(hw.read_memory(last_page + 16_000 - 12_288), NOOP);
        assert_eq!(hw.read_memory(last_page + 4092), NOOP);
    }

    #[test]
    fn a_request_larger_than_half_the_ring_never_fits() {
        let (hw, mut ring) = ring();
        assert_eq!(ring.begin(&hw, 2049, 0), Err(SubmitError::TooLarge));
    }

    #[test]
    fn failed_bind_frees_the_pages() {
        let mut hw = Hardware::new(FakeMachine::new());
        let mut ggtt = Ggtt::new(3, 0);
        assert!(Ring::new(&mut hw, &mut ggtt, 1).is_err());
        assert_eq!(hw.platform.pages_allocated(), 0);
    }
}
