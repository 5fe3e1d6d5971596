//! Copies inside guest memory: what the blitter does all day, besides fills.
//!
//! Volatile accesses one after the other, in ascending order, so nothing is assumed about bytes that
//! the guest changes meanwhile. All but the ends are aligned on both sides: qwords, and where both
//! allow it cache lines in vector registers, which is as fast as `memcpy`.

use core::ops::Range;

use super::streaming::{BulkAccess, Streaming};

/// Bytes in a qword.
pub(super) const QWORD: usize = size_of::<u64>();

/// The widest access: SSE2, which every x86-64 has. Elsewhere qwords have to do.
#[cfg(target_arch = "x86_64")]
pub(super) type Wide = core::arch::x86_64::__m128i;
#[cfg(not(target_arch = "x86_64"))]
pub(super) type Wide = u64;
/// Bytes in a cache line.
pub(super) const LINE_BYTES: usize = 64;
/// Wide accesses in a cache line.
const LINE: usize = LINE_BYTES / size_of::<Wide>();

/// What a copy lacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The source is not all in one region.
    Source,
    /// The destination is not all in one region that the device may write.
    Destination,
}

impl BulkAccess<'_> {
    /// Copies `len` bytes inside guest memory, in ascending order: an overlapping copy to a lower
    /// address moves the bytes as they were.
    pub fn copy(&self, to: u64, from: u64, len: u64) -> Result<(), Missing> {
        let source = self.memory.pointer(from, len).ok_or(Missing::Source)?;
        let write = |target| {
            // SAFETY: `pointer` and `write_with` checked that both sides cover `len` bytes of live
            // mappings, which are whole pages.
            unsafe { copy_pages(target, source, len as usize, self.streaming) };
        };
        self.memory.write_with(to, len, write).then_some(()).ok_or(Missing::Destination)
    }
}

/// As [`copy_from_pages`], with the target's whole lines around the caches if `streaming` can.
///
/// # Safety
///
/// As of [`copy_from_pages`].
unsafe fn copy_pages(target: *mut u8, source: *const u8, len: usize, streaming: Option<Streaming>) {
    let Some(streaming) = streaming else {
        // SAFETY: the caller keeps the rules.
        return unsafe { copy_from_pages(target, source, len) };
    };
    let head = target.align_offset(LINE_BYTES).min(len);
    let lines = (len - head) / LINE_BYTES;
    let tail = head + lines * LINE_BYTES;
    // SAFETY: `head` and `tail` are not above `len`, which the caller covers.
    unsafe { copy_from_pages(target, source, head) };
    // SAFETY: as above, and the target is aligned behind the head.
    unsafe { streaming.copy_lines(target.wrapping_add(head), source.wrapping_add(head), lines) };
    // SAFETY: as above.
    unsafe { copy_from_pages(target.wrapping_add(tail), source.wrapping_add(tail), len - tail) };
}

/// Copies `len` bytes in ascending order.
///
/// # Safety
///
/// Both pointers cover `len` bytes, `source` of live mappings of whole pages. Where `target` is guest
/// memory, no reference into it exists.
pub(super) unsafe fn copy_from_pages(target: *mut u8, source: *const u8, len: usize) {
    let cut = Cut::new(target, len);
    // SAFETY: `Cut` stays below `len`, which the caller covers.
    unsafe { copy_bytes(target, source, 0..cut.head) };
    let middle = target.wrapping_add(cut.head).cast();
    // SAFETY: as above, and the target is aligned behind the head.
    unsafe { copy_qwords(middle, source.wrapping_add(cut.head), cut.qwords) };
    // SAFETY: as for the head.
    unsafe { copy_bytes(target, source, cut.tail()..len) };
}

/// A range cut at the target's qword boundaries.
pub(super) struct Cut {
    /// Bytes up to the first boundary.
    pub(super) head: usize,
    /// Whole qwords behind them.
    pub(super) qwords: usize,
}

impl Cut {
    pub(super) fn new(target: *mut u8, len: usize) -> Cut {
        let head = target.align_offset(QWORD).min(len);
        Cut { head, qwords: (len - head) / QWORD }
    }

    /// First byte behind the qwords.
    pub(super) fn tail(&self) -> usize {
        self.head + QWORD * self.qwords
    }
}

/// Copies the bytes at these offsets.
///
/// # Safety
///
/// Both pointers cover `range.end` bytes.
unsafe fn copy_bytes(target: *mut u8, source: *const u8, range: Range<usize>) {
    for at in range {
        // SAFETY: the caller covers `at`.
        let byte = unsafe { source.wrapping_add(at).read_volatile() };
        // SAFETY: as above.
        unsafe { target.wrapping_add(at).write_volatile(byte) };
    }
}

/// Whole cache lines in a run of qwords.
pub(super) struct Lines {
    /// Qwords before the first one.
    pub(super) before: usize,
    pub(super) count: usize,
}

impl Lines {
    pub(super) fn new(target: *mut u64, qwords: usize) -> Lines {
        let before = target.align_offset(LINE_BYTES).min(qwords);
        Lines { before, count: (qwords - before) * QWORD / LINE_BYTES }
    }
}

/// Copies `count` qwords. Of an unaligned source the aligned qwords around them are loaded and
/// shifted together.
///
/// # Safety
///
/// Both pointers cover `8 * count` bytes, `source` of live mappings of whole pages; `target` is 8-byte
/// aligned.
unsafe fn copy_qwords(target: *mut u64, source: *const u8, count: usize) {
    let past = source.addr() % QWORD;
    let first: *const u64 = source.wrapping_sub(past).cast();
    if past == 0 {
        let lines = Lines::new(target, count);
        let aligned = first.wrapping_add(lines.before).cast::<Wide>().is_aligned();
        let wide = if aligned { lines.count } else { 0 };
        for i in 0..lines.before {
            // SAFETY: the caller covers qword `i`, and the source is aligned.
            let value = unsafe { first.wrapping_add(i).read_volatile() };
            // SAFETY: the caller covers qword `i`, and the target is aligned.
            unsafe { target.wrapping_add(i).write_volatile(value) };
        }
        let from: *const Wide = first.wrapping_add(lines.before).cast();
        let to: *mut Wide = target.wrapping_add(lines.before).cast();
        for line in 0..wide {
            for i in 0..LINE {
                // SAFETY: `Lines` stays below `count`, and `aligned` was checked.
                let value = unsafe { from.wrapping_add(line * LINE + i).read_volatile() };
                // SAFETY: as above; the target's lines are aligned.
                unsafe { to.wrapping_add(line * LINE + i).write_volatile(value) };
            }
        }
        for i in lines.before + wide * LINE_BYTES / QWORD..count {
            // SAFETY: the caller covers qword `i`, and the source is aligned.
            let value = unsafe { first.wrapping_add(i).read_volatile() };
            // SAFETY: the caller covers qword `i`, and the target is aligned.
            unsafe { target.wrapping_add(i).write_volatile(value) };
        }
        return;
    }
    if count == 0 {
        return;
    }
    let shift = 8 * past as u32;
    // SAFETY: an aligned qword that holds a byte of the source lies in the same page as that byte.
    let mut low = u64::from_le(unsafe { first.read_volatile() });
    for i in 0..count {
        // SAFETY: as above: the last byte of qword `i` lies in this one.
        let high = u64::from_le(unsafe { first.wrapping_add(i + 1).read_volatile() });
        let value = low >> shift | high << (u64::BITS - shift);
        // SAFETY: the caller covers qword `i`, and the target is aligned.
        unsafe { target.wrapping_add(i).write_volatile(value.to_le()) };
        low = high;
    }
}

#[cfg(test)]
mod tests {
    use super::super::streaming::TOTALS;
    use super::super::tests::{bytes, numbered};
    use super::*;

    #[test]
    fn copies_of_any_alignment_move_the_bytes_and_touch_no_others() {
        for total in TOTALS {
            for (to, from) in (0..9).flat_map(|to| (0..9).map(move |from| (to, from))) {
                for len in [0, 1, 7, 8, 9, 31, 100, 300] {
                    let (memory, before) = numbered();
                    let (to, from) = (0x800 + to, 0x40 + from);
                    let copied = memory.bulk(total).copy(to as u64, from as u64, len as u64);
                    assert_eq!(copied, Ok(()));
                    let mut expected = before.clone();
                    expected.copy_within(from..from + len, to);
                    let now = bytes(&memory, 0, 0x2000);
                    assert_eq!(now, expected, "{total} {to:#x} {from:#x} {len}");
                }
            }
        }
    }

    #[test]
    fn overlapping_copies_to_lower_addresses_move_the_bytes_as_they_were() {
        for (total, distance) in TOTALS.into_iter().flat_map(|it| (1..150).map(move |n| (it, n))) {
            let (memory, before) = numbered();
            let copied = memory.bulk(total).copy(0x100, 0x100 + distance as u64, 333);
            assert_eq!(copied, Ok(()));
            let mut expected = before.clone();
            expected.copy_within(0x100 + distance..0x100 + distance + 333, 0x100);
            assert_eq!(bytes(&memory, 0, 0x2000), expected, "{total} {distance}");
        }
    }

    #[test]
    fn copies_up_to_the_end_of_a_region_work_and_beyond_it_move_nothing() {
        for total in TOTALS {
            let (memory, before) = numbered();
            let copy = |to, from, len| memory.bulk(total).copy(to, from, len);
            assert_eq!(copy(0x10_0001, 0x1fe3, 0x1d), Ok(()));
            assert_eq!(bytes(&memory, 0x10_0001, 0x1d), before[0x1fe3..]);
            assert_eq!(copy(0x10_0000, 0x1fff, 2), Err(Missing::Source));
            assert_eq!(copy(0x1fff, 0x10_0000, 2), Err(Missing::Destination));
            assert_eq!(bytes(&memory, 0, 0x2000), before);
        }
    }
}
