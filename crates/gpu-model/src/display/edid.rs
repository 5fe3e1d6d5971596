//! What a monitor tells of itself: EDID 1.3 with an extension for HDMI (VESA E-EDID, CTA-861).

use super::mode::{HORIZONTAL_FRONT, HORIZONTAL_SYNC, Mode, VERTICAL_FRONT};

/// Bytes of a block.
pub(super) const BLOCK: usize = 128;
/// Where a block's checksum is.
const CHECKSUM: usize = BLOCK - 1;
/// Bytes of a descriptor.
const DESCRIPTOR: usize = 18;

/// Established timings that monitors of their size and above take: width, height, byte of a base block, bit.
/// 720x400 has 70 Hz, 640x480 and 800x600 have 60 and 75 Hz, 1024x768 has 60 Hz.
const ESTABLISHED: [(u32, u32, usize, u8); 6] = [
    (720, 400, 35, 1 << 7),
    (640, 480, 35, 1 << 5),
    (640, 480, 35, 1 << 2),
    (800, 600, 35, 1 << 0),
    (800, 600, 36, 1 << 6),
    (1024, 768, 36, 1 << 3),
];
/// Standard timings at 60 Hz that monitors of their size and above take: width, height, and the shape's
/// code in bits 7:6 of the second byte.
const STANDARD: [(u32, u32, u8); 3] = [(1280, 1024, 2), (1440, 900, 0), (1600, 1200, 1)];
/// Bytes of a base block for standard timings: two each.
const STANDARD_TIMINGS: usize = 38;
/// A size whose standard timing is also television's, for which drivers reduce the colors' range: it has a
/// descriptor of its own.
const WIDE: (u32, u32) = (1280, 720);

/// Whether a monitor of `mode` takes another picture of this size.
fn takes(mode: &Mode, width: u32, height: u32) -> bool {
    width <= mode.width && height <= mode.height && (width, height) != (mode.width, mode.height)
}

/// The EDID of a monitor that prefers this mode, and takes the usual smaller ones.
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
    put_smaller_timings(mode, block);
    put(block, 54, &detailed_timing(mode));
    put(block, 72, &text(0xfc, b"gen8emu\n     "));
    // Limits: 50 to 75 Hz, 10 to 120 kHz, up to 300 MHz.
    put(
        block,
        90,
        &[0, 0, 0, 0xfd, 0, 50, 75, 10, 120, 30, 0, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20],
    );
    let wide = Mode::of_size(WIDE.0, WIDE.1).filter(|_| takes(mode, WIDE.0, WIDE.1));
    let last = wide.map_or_else(|| text(0x10, &[0; 13]), |mode| detailed_timing(&mode));
    put(block, 108, &last);
    // One extension.
    put(block, 126, &[1]);
    put_checksum(block);
}

/// Established and standard timings.
fn put_smaller_timings(mode: &Mode, block: &mut [u8]) {
    let smaller = ESTABLISHED.iter().filter(|&&(width, height, ..)| takes(mode, width, height));
    for &(_, _, byte, bit) in smaller {
        if let Some(timings) = block.get_mut(byte) {
            *timings |= bit;
        }
    }
    // Places that are not taken hold ones.
    put(block, STANDARD_TIMINGS, &[1; 16]);
    let smaller = STANDARD.iter().filter(|&&(width, height, _)| takes(mode, width, height));
    for (place, &(width, _, shape)) in smaller.enumerate() {
        put(block, STANDARD_TIMINGS + 2 * place, &[(width / 8 - 31) as u8, shape << 6]);
    }
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

    /// Established timings, standard timings, and whether there is a second detailed one.
    fn others(width: u32, height: u32) -> ([u8; 3], Vec<[u8; 2]>, bool) {
        let edid = of_mode(&Mode::of_size(width, height).unwrap());
        let standard = edid[38..54].chunks(2).map(|timing| [timing[0], timing[1]]);
        let standard = standard.filter(|timing| *timing != [1, 1]).collect();
        (edid[35..38].try_into().unwrap(), standard, edid[108..110] != [0, 0])
    }

    #[test]
    fn a_monitor_takes_the_usual_modes_that_are_smaller_than_its_own() {
        assert_eq!(others(640, 480), ([0, 0, 0], vec![], false));
        assert_eq!(others(1024, 768), ([0xa5, 0x40, 0], vec![], false));
        assert_eq!(others(1280, 720), ([0xa5, 0x40, 0], vec![], false));
        assert_eq!(others(1280, 1024), ([0xa5, 0x48, 0], vec![], true));
        assert_eq!(others(1920, 1080).1, [[0x81, 0x80], [0x95, 0]]);
        assert_eq!(others(1920, 1200).1, [[0x81, 0x80], [0x95, 0], [0xa9, 0x40]]);
    }
}
