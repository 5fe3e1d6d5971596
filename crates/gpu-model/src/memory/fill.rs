//! Fills of guest memory: what clears and solid colors are made of.
//!
//! As everywhere, nothing is assumed about bytes that the guest changes meanwhile: the stores are
//! volatile ones or in assembly.

use super::bulk::{Cut, LINE_BYTES, Lines, QWORD};
use super::streaming::BulkAccess;

/// From so many qwords on string stores are faster than a loop, which starts at once.
const STRING: usize = 64;

impl BulkAccess<'_> {
    /// Fills `len` bytes with the eight bytes of `pattern`, repeated; false (and nothing written)
    /// unless they are all in one region that the device may write.
    pub fn fill(&self, address: u64, pattern: u64, len: u64) -> bool {
        self.memory.write_with(address, len, |target| self.write(target, pattern, len as usize))
    }

    /// Fills `len` bytes that `target` covers.
    fn write(&self, target: *mut u8, pattern: u64, len: usize) {
        let cut = Cut::new(target, len);
        let bytes = pattern.to_le_bytes();
        for at in (0..cut.head).chain(cut.tail()..len) {
            // SAFETY: `write_with` checked that `target` covers `len` bytes of a live mapping.
            unsafe { target.wrapping_add(at).write_volatile(bytes[at % QWORD]) };
        }
        let turned = pattern.rotate_right(8 * cut.head as u32).to_le();
        let middle: *mut u64 = target.wrapping_add(cut.head).cast();
        match self.streaming {
            // SAFETY: as above; the target is aligned behind the head.
            None => unsafe { fill_qwords(middle, turned, cut.qwords) },
            Some(streaming) => {
                let lines = Lines::new(middle, cut.qwords);
                let first = middle.wrapping_add(lines.before);
                let rest = first.wrapping_byte_add(lines.count * LINE_BYTES);
                let left = cut.qwords - lines.before - lines.count * LINE_BYTES / QWORD;
                // SAFETY: as above; `Lines` stays below `cut.qwords`.
                unsafe { fill_qwords(middle, turned, lines.before) };
                // SAFETY: as above, and its lines are aligned.
                unsafe { streaming.fill_lines(first, turned, lines.count) };
                // SAFETY: as above.
                unsafe { fill_qwords(rest, turned, left) };
            }
        }
    }
}

/// Writes `count` qwords of the same value.
///
/// # Safety
///
/// `target` is 8-byte aligned and covers `8 * count` bytes of a live mapping.
pub(super) unsafe fn fill_qwords(target: *mut u64, value: u64, count: usize) {
    #[cfg(target_arch = "x86_64")]
    if count >= STRING {
        // SAFETY: writes the qwords that the caller covers and nothing else; the direction flag is
        // clear at the start of every assembly block.
        unsafe {
            core::arch::asm!(
                "rep stosq",
                inout("rcx") count => _,
                inout("rdi") target => _,
                in("rax") value,
                options(nostack, preserves_flags),
            );
        }
        return;
    }
    for i in 0..count {
        // SAFETY: the caller covers qword `i`.
        unsafe { target.wrapping_add(i).write_volatile(value) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::streaming::TOTALS;
    use super::super::tests::{bytes, numbered};
    use super::*;

    #[test]
    fn fills_repeat_the_pattern_from_their_first_byte() {
        let pattern = 0x8877_6655_4433_2211_u64;
        for total in TOTALS {
            for start in 0..65 {
                for len in [0, 1, 7, 8, 9, 50, 64, 127, 200, 8 * STRING + 1, 3000] {
                    let (memory, before) = numbered();
                    assert!(memory.bulk(total).fill(0x200 + start as u64, pattern, len as u64));
                    let mut expected = before.clone();
                    for (n, byte) in expected[0x200 + start..][..len].iter_mut().enumerate() {
                        *byte = pattern.to_le_bytes()[n % 8];
                    }
                    assert_eq!(bytes(&memory, 0, 0x2000), expected, "{total} {start} {len}");
                }
            }
        }
    }

    #[test]
    fn fills_beyond_the_end_of_a_region_write_nothing() {
        for total in TOTALS {
            let (memory, before) = numbered();
            assert!(!memory.bulk(total).fill(0x1fff, 1, 2));
            assert_eq!(bytes(&memory, 0, 0x2000), before);
        }
    }
}
