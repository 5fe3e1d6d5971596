//! Pixels that are looked at again and again: brought up to date in one pass, which says whether any
//! differed.
//!
//! Volatile accesses, in ascending order, as for copies (`bulk`).

use super::GuestRam;
use super::bulk::{LINE_BYTES, Wide};

/// A pixel: three colors and a byte without meaning.
type Pixel = [u8; 4];
const PIXEL: usize = size_of::<Pixel>();
/// Pixels in a cache line.
const LINE: usize = LINE_BYTES / PIXEL;
/// Wide accesses in a cache line.
const WIDES: usize = LINE_BYTES / size_of::<Wide>();

impl GuestRam {
    /// Makes `kept` what the pixels from `address` on are, with 0 for their last bytes, and says
    /// whether any of it changed; `None` (and nothing changed) unless all are in one region, and
    /// `address` is a multiple of four.
    pub fn refresh_pixels(&self, address: u64, kept: &mut [Pixel]) -> Option<bool> {
        let pointer = self.pointer(address, (kept.len() * PIXEL) as u64)?;
        if !address.is_multiple_of(PIXEL as u64) {
            return None;
        }
        let head = pointer.align_offset(size_of::<Wide>()) / PIXEL;
        let (first, rest) = kept.split_at_mut(head.min(kept.len()));
        let (lines, last) = rest.as_chunks_mut();
        let mut source = pointer;
        let mut changed = false;
        for kept in first {
            // SAFETY: `pointer` covers all of `kept`, of which this is a part; the address is a
            // multiple of four in a region that begins with a page.
            changed |= unsafe { refresh_pixel(source, kept) };
            source = source.wrapping_add(PIXEL);
        }
        for kept in lines {
            // SAFETY: as above; what is before the first line aligns it, unless there is no line.
            changed |= unsafe { refresh_line(source, kept) };
            source = source.wrapping_add(LINE_BYTES);
        }
        for kept in last {
            // SAFETY: as for the first ones.
            changed |= unsafe { refresh_pixel(source, kept) };
            source = source.wrapping_add(PIXEL);
        }
        Some(changed)
    }
}

/// The colors of a pixel, without its last byte.
fn colors(pixel: Pixel) -> u32 {
    u32::from_le_bytes(pixel) & 0xff_ffff
}

/// # Safety
///
/// `source` covers a pixel of a live mapping and is aligned to one.
unsafe fn refresh_pixel(source: *const u8, kept: &mut Pixel) -> bool {
    // SAFETY: the caller's part.
    let pixel: Pixel = unsafe { source.cast::<u32>().read_volatile() }.to_ne_bytes();
    let before = core::mem::replace(kept, colors(pixel).to_le_bytes());
    before != *kept
}

/// # Safety
///
/// `source` covers a line of a live mapping and is aligned to a wide access.
// A call for each line takes a third of the time.
#[inline(always)]
unsafe fn refresh_line(source: *const u8, kept: &mut [Pixel; LINE]) -> bool {
    let source: *const Wide = source.cast();
    // SAFETY: the caller's part: as many wide accesses as a line has.
    let wides: [Wide; WIDES] =
        core::array::from_fn(|n| unsafe { source.wrapping_add(n).read_volatile() });
    // SAFETY: both are plain bytes, as many.
    let pixels: [Pixel; LINE] = unsafe { core::mem::transmute(wides) };
    let pairs = kept.iter().zip(pixels);
    let differs = pairs.fold(0, |all, (&kept, new)| all | u32::from_le_bytes(kept) ^ colors(new));
    if differs != 0 {
        *kept = pixels.map(|pixel| colors(pixel).to_le_bytes());
    }
    differs != 0
}

#[cfg(test)]
mod tests {
    use super::super::tests::numbered;
    use super::*;

    #[test]
    fn pixels_of_any_place_and_number_are_brought_up_to_date_and_a_difference_is_told() {
        for first in 0..9 {
            for count in [0, 1, 3, 4, 15, 16, 17, 31, 32, 40, 100] {
                let (memory, bytes) = numbered();
                let at = 4 * (16 + first);
                let pixel = |n: usize| {
                    let at = at + 4 * n;
                    [bytes[at], bytes[at + 1], bytes[at + 2], 0]
                };
                let expected: Vec<Pixel> = (0..count).map(pixel).collect();
                let mut kept = vec![[0xee, 0xee, 0xee, 0]; count];
                let changed = Some(count != 0);
                assert_eq!(memory.refresh_pixels(at as u64, &mut kept), changed, "{first} {count}");
                assert_eq!(kept, expected, "{first} {count}");
                assert_eq!(memory.refresh_pixels(at as u64, &mut kept), Some(false));
                for n in 0..count {
                    // Each color counts, and the last byte does not.
                    let place = (at + 4 * n) as u64;
                    assert!(memory.write_bytes(place + 3, &[bytes[at + 4 * n + 3] ^ 0xff]));
                    assert_eq!(memory.refresh_pixels(at as u64, &mut kept), Some(false));
                    let color = n % 3;
                    let other = bytes[at + 4 * n + color] ^ 0x10;
                    assert!(memory.write_bytes(place + color as u64, &[other]));
                    assert_eq!(memory.refresh_pixels(at as u64, &mut kept), Some(true), "{n}");
                    assert_eq!(kept[n][color], other);
                }
            }
        }
    }

    #[test]
    fn pixels_beyond_the_end_of_a_region_or_between_others_are_refused_and_nothing_changes() {
        let (memory, _) = numbered();
        let mut kept = [[1, 2, 3, 0]; 4];
        for address in [0x1ff4, 0x41, u64::MAX - 3] {
            assert_eq!(memory.refresh_pixels(address, &mut kept), None, "{address:#x}");
            assert_eq!(kept, [[1, 2, 3, 0]; 4]);
        }
        assert_eq!(memory.refresh_pixels(0x1ff0, &mut kept), Some(true));
    }
}
