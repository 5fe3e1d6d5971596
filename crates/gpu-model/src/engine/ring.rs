//! The ring buffer registers and their arithmetic.

use gen8_spec::PAGE_SIZE;
use gen8_spec::mmio::ring as reg;

use crate::guest_rule::GuestRule;

/// Lowest bit of the wrap count in RING_HEAD (PRM Vol 2c).
const WRAP_COUNT_SHIFT: u32 = 21;
/// RING_START: page-aligned GGTT address.
const START_MASK: u32 = !(PAGE_SIZE as u32 - 1);

/// RING_HEAD, TAIL, START and CTL of one engine.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Ring {
    head: u32,
    tail: u32,
    start: u32,
    ctl: u32,
}

impl Ring {
    /// A ring with these register values.
    pub(crate) fn new(head: u32, tail: u32, start: u32, ctl: u32) -> Ring {
        let mut ring = Ring::default();
        ring.set_head(head);
        ring.set_tail(tail);
        ring.set_start(start);
        ring.set_ctl(ctl);
        ring
    }

    /// RING_HEAD with its wrap count.
    pub(crate) fn head(&self) -> u32 {
        self.head
    }
    /// RING_TAIL.
    pub(crate) fn tail(&self) -> u32 {
        self.tail
    }
    /// RING_START.
    pub(crate) fn start(&self) -> u32 {
        self.start
    }
    /// RING_CTL.
    pub(crate) fn ctl(&self) -> u32 {
        self.ctl
    }
    /// Sets RING_HEAD, wrap count included.
    pub(crate) fn set_head(&mut self, value: u32) {
        self.head = value & (reg::HEAD_ADDR | (u32::MAX << WRAP_COUNT_SHIFT));
    }
    /// Sets RING_TAIL.
    pub(crate) fn set_tail(&mut self, value: u32) {
        self.tail = value & reg::TAIL_ADDR;
    }
    /// Sets RING_START.
    pub(crate) fn set_start(&mut self, value: u32) {
        self.start = value & START_MASK;
    }
    /// Sets RING_CTL.
    pub(crate) fn set_ctl(&mut self, value: u32) {
        self.ctl = value;
    }

    /// Whether the ring is enabled.
    pub(crate) fn is_valid(&self) -> bool {
        self.ctl & reg::CTL_VALID != 0
    }

    /// Bytes in the ring.
    pub(crate) fn size(&self) -> u32 {
        (self.ctl & reg::CTL_SIZE_MASK) + PAGE_SIZE as u32
    }

    /// Byte offset of the next command.
    #[inline]
    pub(crate) fn head_offset(&self) -> u32 {
        self.head & reg::HEAD_ADDR
    }

    /// What is wrong with the registers, if anything: commands run only from a sound ring.
    pub(crate) fn defect(&self) -> Option<GuestRule> {
        if !self.is_valid() {
            Some(GuestRule::RingDisabled)
        } else if self.head_offset() >= self.size() {
            Some(GuestRule::RingHeadBeyond)
        } else if self.tail >= self.size() {
            Some(GuestRule::RingTailBeyond)
        } else {
            None
        }
    }

    /// Whether hardware has caught up with software.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head_offset() == self.tail
    }

    /// Bytes between HEAD and TAIL.
    #[inline]
    pub(crate) fn pending_bytes(&self) -> u32 {
        let head = self.head_offset();
        if self.tail >= head { self.tail - head } else { self.size() - head + self.tail }
    }

    /// GGTT address of the byte at `offset`.
    #[inline]
    pub(crate) fn address(&self, offset: u32) -> u64 {
        u64::from(self.start) + u64::from(offset)
    }

    /// Moves HEAD on by `bytes`; returns whether HEAD crossed an auto-report boundary.
    #[inline]
    pub(crate) fn advance(&mut self, bytes: u32) -> bool {
        let before = self.head_offset();
        let mut offset = before + bytes;
        let mut wraps = self.head >> WRAP_COUNT_SHIFT;
        if offset >= self.size() {
            offset -= self.size();
            wraps = wraps.wrapping_add(1);
        }
        self.head = (wraps << WRAP_COUNT_SHIFT) | (offset & reg::HEAD_ADDR);
        match self.report_interval() {
            Some(interval) => offset / interval != before / interval,
            None => false,
        }
    }

    /// Bytes between two head auto-reports (RING_CTL 2:1).
    fn report_interval(&self) -> Option<u32> {
        match self.ctl & reg::CTL_REPORT_MASK {
            reg::CTL_REPORT_64K => Some(64 << 10),
            reg::CTL_REPORT_128K => Some(128 << 10),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(head: u32, tail: u32, pages: u32) -> Ring {
        Ring::new(head, tail, 0x10_0000, (pages - 1) << 12 | reg::CTL_VALID)
    }

    #[test]
    fn head_wraps_and_counts() {
        let mut r = ring(0xff8, 0x10, 1);
        assert_eq!(r.pending_bytes(), 0x18);
        r.advance(8);
        assert_eq!(r.head(), 1 << WRAP_COUNT_SHIFT);
        r.advance(0x10);
        assert!(r.is_empty());
    }

    #[test]
    fn nonsense_registers_are_defects() {
        assert_eq!(ring(0, 8, 1).defect(), None);
        assert!(ring(0x1000, 8, 1).defect().is_some());
        assert!(ring(0, 0x1000, 1).defect().is_some());
        assert!(Ring::new(0, 8, 0, 0).defect().is_some());
    }

    #[test]
    fn tail_is_qword_aligned_and_head_keeps_its_wrap_count() {
        let r = Ring::new(0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 1);
        assert_eq!(r.tail(), reg::TAIL_ADDR);
        assert_eq!(r.head(), 0xffff_fffc);
        assert_eq!(r.start(), 0xffff_f000);
    }

    #[test]
    fn auto_report_comes_at_its_boundary_only() {
        let mut r = ring(0xfff8, 0x1_8000, 64);
        r.set_ctl(r.ctl() | reg::CTL_REPORT_64K);
        assert!(r.advance(8));
        assert!(!r.advance(8));
        let mut off = ring(0xfff8, 0x1_8000, 64);
        assert!(!off.advance(8));
    }
}
