//! Modes of monitors: pictures and their timings.

/// A picture and its timing, in pixels and lines: picture, front porch, synchronization, back porch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mode {
    /// Pixels of a line that show.
    pub(super) width: u32,
    /// Lines that show.
    pub(super) height: u32,
    /// Pixels of a line in all.
    pub(super) line: u32,
    /// Lines in all.
    pub(super) lines: u32,
    /// Lines of the synchronization.
    pub(super) vertical_sync: u32,
    /// Pixels in a millisecond.
    pub(super) clock_khz: u32,
}

/// VESA's Coordinated Video Timings 1.1, reduced blanking: pixels of a line that do not show.
const HORIZONTAL_BLANK: u32 = 160;
/// The same: pixels of the synchronization.
pub(super) const HORIZONTAL_SYNC: u32 = 32;
/// The same: pixels between picture and synchronization.
pub(super) const HORIZONTAL_FRONT: u32 = 48;
/// The same: lines between picture and synchronization.
pub(super) const VERTICAL_FRONT: u32 = 3;
/// The same: least lines behind the synchronization.
const VERTICAL_BACK: u32 = 6;
/// The same: the vertical blanking takes at least so long.
const VERTICAL_BLANK_US: f64 = 460.0;
/// The same: the clock is a multiple of this.
const CLOCK_STEP_KHZ: u32 = 250;
/// Frames in a second.
const REFRESH: f64 = 60.0;

impl Mode {
    /// The mode of a picture of this size at 60 frames a second, by VESA's Coordinated Video Timings with
    /// reduced blanking; `None` for sizes that a monitor over HDMI of this device does not have.
    pub(super) fn of_size(width: u32, height: u32) -> Option<Mode> {
        let sizes = (640..=2048).contains(&width) && (480..=1536).contains(&height);
        if !sizes || !width.is_multiple_of(8) {
            return None;
        }
        let line_us = (1e6 / REFRESH - VERTICAL_BLANK_US) / f64::from(height);
        let blank = (VERTICAL_BLANK_US / line_us) as u32 + 1;
        let vertical_sync = vertical_sync(width, height);
        let lines = height + blank.max(VERTICAL_FRONT + vertical_sync + VERTICAL_BACK);
        let line = width + HORIZONTAL_BLANK;
        let exact = REFRESH * f64::from(lines) * f64::from(line) / 1000.0;
        let clock_khz = exact as u32 / CLOCK_STEP_KHZ * CLOCK_STEP_KHZ;
        Some(Mode { width, height, line, lines, vertical_sync, clock_khz })
    }
}

/// Lines of the synchronization tell the shape of the picture.
fn vertical_sync(width: u32, height: u32) -> u32 {
    const SHAPES: [(u32, u32, u32); 5] =
        [(4, 3, 4), (16, 9, 5), (16, 10, 6), (5, 4, 7), (15, 9, 7)];
    let shape = SHAPES.iter().find(|(x, y, _)| width * y == height * x);
    shape.map_or(10, |&(_, _, lines)| lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_vesas_tables() {
        // Reduced-blanking modes of VESA's DMT: 1280x768 (0x16), 1400x1050 (0x29), 1440x900 (0x2e),
        // 1680x1050 (0x39), 1920x1200 (0x44).
        for (width, height, line, lines, clock_khz) in [
            (1280, 768, 1440, 790, 68_250),
            (1400, 1050, 1560, 1080, 101_000),
            (1440, 900, 1600, 926, 88_750),
            (1680, 1050, 1840, 1080, 119_000),
            (1920, 1200, 2080, 1235, 154_000),
        ] {
            let mode = Mode::of_size(width, height).unwrap();
            assert_eq!((mode.line, mode.lines, mode.clock_khz), (line, lines, clock_khz));
        }
    }

    #[test]
    fn every_mode_keeps_its_rate_and_fits_an_edid_and_hdmi() {
        for width in (640..=2048).step_by(8) {
            for height in 480..=1536 {
                let mode = Mode::of_size(width, height).unwrap();
                let pixels = f64::from(mode.line * mode.lines);
                let rate = f64::from(mode.clock_khz) * 1000.0 / pixels;
                assert!((59.0..=60.0).contains(&rate), "{width}x{height}: {rate}");
                assert!(mode.clock_khz <= 250_000);
            }
        }
    }
}
