//! What a monitor tells of itself: EDID 1.3 with an extension for HDMI (VESA E-EDID, CTA-861).

use super::mode::{HORIZONTAL_FRONT, HORIZONTAL_SYNC, Mode, VERTICAL_FRONT};

/// Bytes of a block.
pub(super) const BLOCK: usize = 128;
/// Where a block's checksum is.
const CHECKSUM: usize = BLOCK - 1;
/// Bytes of a descriptor.
const DESCRIPTOR: usize = 18;

/// The EDID of a monitor with one mode.
pub(super) fn of_mode(mode: &Mode) -> [u8; 2 * BLOCK] {
    let mut edid = [0; 2 * BLOCK];
    let (base, extension) = edid.split_at_mut(BLOCK);
    fill_base(mode, base);
    fill_extension(extension);
    edid
}

fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    for (target, byte) in block.iter_mut().skip(at).zip(bytes) {
        *target = *byte;
    }
}

fn fill_base(mode: &Mode, block: &mut [u8]) {
    put(block, 0, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    // Maker "GEN" in letters of five bits, product 8, year 2015, EDID 1.3.
    put(block, 8, &[0x1c, 0xae, 8, 0, 0, 0, 0, 0, 1, 25, 1, 3]);
    let (width, height) = millimetres(mode);
    let centimetres = [(width / 10) as u8, (height / 10) as u8];
    // Digital; size; gamma 2.2; the first descriptor is the native mode.
    put(block, 20, &[0x80, centimetres[0], centimetres[1], 120, 0x0a]);
    // The colors of sRGB.
    put(block, 25, &[0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]);
    // No established timings, no standard timings.
    put(block, 35, &[0, 0, 0]);
    put(block, 38, &[1; 16]);
    put(block, 54, &detailed_timing(mode));
    put(block, 72, &text(0xfc, b"gen8emu\n     "));
    // Limits: 50 to 75 Hz, 10 to 120 kHz, up to 300 MHz.
    put(
        block,
        90,
        &[0, 0, 0, 0xfd, 0, 50, 75, 10, 120, 30, 0, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20],
    );
    put(block, 108, &text(0x10, &[0; 13]));
    // One extension.
    put(block, 126, &[1]);
    put_checksum(block);
}

/// CTA-861: 3rd revision, nothing besides the block that makes a monitor one of HDMI: its address is
/// 1.0.0.0, it has no audio, its clock goes up to 300 MHz.
fn fill_extension(block: &mut [u8]) {
    let vendor = [0x67, 0x03, 0x0c, 0x00, 0x10, 0x00, 0x00, 60];
    put(block, 0, &[2, 3, 4 + vendor.len() as u8, 0]);
    put(block, 4, &vendor);
    put_checksum(block);
}

/// The sum of a block's bytes is 0.
fn put_checksum(block: &mut [u8]) {
    let sum = block.iter().take(CHECKSUM).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    put(block, CHECKSUM, &[sum.wrapping_neg()]);
}

/// A picture of 96 dots an inch.
fn millimetres(mode: &Mode) -> (u32, u32) {
    (mode.width * 254 / 960, mode.height * 254 / 960)
}

/// A descriptor that holds no timing.
fn text(kind: u8, bytes: &[u8; 13]) -> [u8; DESCRIPTOR] {
    let mut descriptor = [0; DESCRIPTOR];
    put(&mut descriptor, 3, &[kind]);
    put(&mut descriptor, 5, bytes);
    descriptor
}

fn detailed_timing(mode: &Mode) -> [u8; DESCRIPTOR] {
    let low = |value: u32| value as u8;
    let pair = |first: u32, second: u32| ((first >> 8 & 0xf) << 4 | second >> 8 & 0xf) as u8;
    let (blank, blank_lines) = (mode.line - mode.width, mode.lines - mode.height);
    let (width, height) = millimetres(mode);
    let clock = mode.clock_khz / 10;
    [
        low(clock),
        low(clock >> 8),
        low(mode.width),
        low(blank),
        pair(mode.width, blank),
        low(mode.height),
        low(blank_lines),
        pair(mode.height, blank_lines),
        low(HORIZONTAL_FRONT),
        low(HORIZONTAL_SYNC),
        low(VERTICAL_FRONT << 4 | mode.vertical_sync),
        0,
        low(width),
        low(height),
        pair(width, height),
        0,
        0,
        // Digital, separate synchronization: horizontal positive, vertical negative.
        0x1a,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_sum_up_to_nothing_and_say_what_they_are() {
        let edid = of_mode(&Mode::of_size(1024, 768).unwrap());
        for block in edid.chunks(BLOCK) {
            assert_eq!(block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        }
        assert_eq!(edid[..8], [0, 255, 255, 255, 255, 255, 255, 0]);
        assert_eq!((edid[18], edid[19], edid[126], edid[BLOCK]), (1, 3, 1, 2));
    }

    #[test]
    fn the_preferred_timing_is_the_mode() {
        let mode = Mode::of_size(1920, 1080).unwrap();
        let edid = of_mode(&mode);
        let timing = &edid[54..72];
        let wide = |low: usize, high: usize, shift: u32| {
            u32::from(timing[low]) | u32::from(timing[high] >> shift & 0xf) << 8
        };
        assert_eq!(u32::from(timing[0]) | u32::from(timing[1]) << 8, mode.clock_khz / 10);
        assert_eq!((wide(2, 4, 4), wide(5, 7, 4)), (1920, 1080));
        assert_eq!((wide(3, 4, 0), wide(6, 7, 0)), (mode.line - 1920, mode.lines - 1080));
    }
}
