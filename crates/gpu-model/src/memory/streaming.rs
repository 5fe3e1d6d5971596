//! Stores that go around the caches, for what is large, as in the C library's `memset` and `memcpy`: it
//! would only throw out what they hold, and the lines need not be read first.

use super::GuestRam;
use super::bulk::LINE_BYTES;
#[cfg(not(target_arch = "x86_64"))]
use super::bulk::{QWORD, copy_from_pages};
#[cfg(not(target_arch = "x86_64"))]
use super::fill::fill_qwords;

/// Fills and copies of so many bytes together go around the caches: about what the last level of a
/// server's caches holds. Smaller ones are twice as fast inside.
const STREAMED: u64 = 32 << 20;

/// Fills and copies that belong together. When this goes, everybody sees them before what is written
/// next.
#[derive(Debug)]
pub struct BulkAccess<'m> {
    pub(super) memory: &'m GuestRam,
    /// How whole lines are written around the caches; `None`: they are not.
    pub(super) streaming: Option<Streaming>,
}

impl GuestRam {
    /// Begins fills and copies of `bytes` bytes in all.
    pub fn bulk(&self, bytes: u64) -> BulkAccess<'_> {
        let streaming = if bytes < STREAMED { None } else { Streaming::new() };
        BulkAccess { memory: self, streaming }
    }
}

impl Drop for BulkAccess<'_> {
    fn drop(&mut self) {
        if let Some(streaming) = self.streaming {
            streaming.settle();
        }
    }
}

/// Proof that the CPU has such stores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streaming(());

#[cfg(target_arch = "x86_64")]
impl Streaming {
    fn new() -> Option<Streaming> {
        std::arch::is_x86_feature_detected!("avx").then_some(Streaming(()))
    }

    /// Writes `count` cache lines around the caches.
    ///
    /// # Safety
    ///
    /// `target` is aligned to a line and covers `count` lines of a live mapping.
    pub(super) unsafe fn fill_lines(self, target: *mut u64, value: u64, count: usize) {
        #[target_feature(enable = "avx")]
        unsafe fn fill(target: *mut u64, value: u64, count: usize) {
            let wide = core::arch::x86_64::_mm256_set1_epi64x(value.cast_signed());
            for line in 0..count {
                // SAFETY: writes the line that the caller covers and nothing else. This thread
                // sees its own stores in their order; for others `settle` orders them.
                unsafe {
                    core::arch::asm!(
                        "vmovntdq [{line}], {wide}",
                        "vmovntdq [{line} + 32], {wide}",
                        line = in(reg) target.wrapping_byte_add(line * LINE_BYTES),
                        wide = in(ymm_reg) wide,
                        options(nostack, preserves_flags),
                    );
                }
            }
        }
        // SAFETY: that there is a `Streaming` proves the feature; the caller covers the lines.
        unsafe { fill(target, value, count) };
    }

    /// Copies `count` cache lines, around the caches on the side of the target.
    ///
    /// # Safety
    ///
    /// `target` is aligned to a line, and both pointers cover `count` lines of live mappings.
    pub(super) unsafe fn copy_lines(self, target: *mut u8, source: *const u8, count: usize) {
        #[target_feature(enable = "avx")]
        unsafe fn copy(target: *mut u8, source: *const u8, count: usize) {
            for line in 0..count {
                // SAFETY: reads and writes the lines that the caller covers and nothing else, each
                // read as a whole before it is written. For the order see `fill_lines`.
                unsafe {
                    core::arch::asm!(
                        "vmovdqu {low}, [{source}]",
                        "vmovdqu {high}, [{source} + 32]",
                        "vmovntdq [{target}], {low}",
                        "vmovntdq [{target} + 32], {high}",
                        source = in(reg) source.wrapping_byte_add(line * LINE_BYTES),
                        target = in(reg) target.wrapping_byte_add(line * LINE_BYTES),
                        low = out(ymm_reg) _,
                        high = out(ymm_reg) _,
                        options(nostack, preserves_flags),
                    );
                }
            }
        }
        // SAFETY: that there is a `Streaming` proves the feature; the caller covers the lines.
        unsafe { copy(target, source, count) };
    }

    /// Lets everybody see what was written before what is written next.
    fn settle(self) {
        // SAFETY: every x86-64 has SSE2.
        unsafe { core::arch::x86_64::_mm_sfence() };
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Streaming {
    fn new() -> Option<Streaming> {
        None
    }

    /// Writes lines of the same value.
    ///
    /// # Safety
    ///
    /// As of [`fill_qwords`], with all the qwords of `count` lines.
    pub(super) unsafe fn fill_lines(self, target: *mut u64, value: u64, count: usize) {
        // SAFETY: as the caller says.
        unsafe { fill_qwords(target, value, count * LINE_BYTES / QWORD) };
    }

    /// Copies lines.
    ///
    /// # Safety
    ///
    /// As of [`copy_from_pages`], with all the bytes of `count` lines.
    pub(super) unsafe fn copy_lines(self, target: *mut u8, source: *const u8, count: usize) {
        // SAFETY: as the caller says.
        unsafe { copy_from_pages(target, source, count * LINE_BYTES) };
    }

    fn settle(self) {}
}

/// As [`STREAMED`] says, and less.
#[cfg(test)]
pub(super) const TOTALS: [u64; 2] = [STREAMED, STREAMED - 1];

#[cfg(test)]
mod tests {
    use super::super::tests::numbered;
    use super::*;

    #[test]
    fn only_what_is_large_goes_around_the_caches() {
        let (memory, _) = numbered();
        assert!(memory.bulk(STREAMED - 1).streaming.is_none());
        let large = memory.bulk(STREAMED).streaming.is_some();
        assert_eq!(large, Streaming::new().is_some());
    }
}
