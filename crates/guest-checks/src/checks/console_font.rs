//! The font of the first console, told to the host, which reads the text on the screen by it.

use std::fmt::Write;
use std::fs::File;
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::report::{self, Reporter};
use crate::sys::{self, Mapping};
use crate::uapi::Ioctl;

/// The console that fbcon shows when nobody has switched.
const CONSOLE: &str = "/dev/tty1";
/// What is told of the font: the printable characters of ASCII, which every console font of the
/// kernel has at their own numbers.
const TOLD: RangeInclusive<u8> = b' '..=b'~';
/// Bytes of glyphs in one line of the kernel's log, which cuts lines at about 900 characters.
const LINE: usize = 256;

/// `KDFONTOP`: reads or sets a console's font.
const KDFONTOP: Ioctl<ConsoleFontOp> = Ioctl::old(0x4b72, "KDFONTOP");
/// `KD_FONT_OP_GET`
const GET: u32 = 1;
/// The most that can be got: pixels of width and height, glyphs.
const MOST: (u32, u32, u32) = (32, 32, 512);
/// Rows between a glyph's start and the next one's, however high the font is.
const ROWS: usize = 32;

/// `struct console_font_op` (`include/uapi/linux/kd.h`)
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct ConsoleFontOp {
    op: u32,
    flags: u32,
    width: u32,
    height: u32,
    charcount: u32,
    data: u64,
}

/// Glyphs that follow each other, as the host takes them.
#[derive(Debug, PartialEq, Serialize)]
struct Glyphs {
    /// The character of the first.
    first: u8,
    /// Pixels of a glyph.
    width: u32,
    height: u32,
    /// Rows from the top down, each begun at a byte, the leftmost pixel in its highest bit; in
    /// hexadecimal.
    rows: String,
}

/// Tells the font.
pub(super) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    let console = File::open(CONSOLE).map_err(|error| Error::file(Path::new(CONSOLE), error))?;
    let (width, height, count) = MOST;
    let row = width.div_ceil(8) as usize;
    let memory = Mapping::anonymous(row * ROWS * count as usize)?;
    let data = memory.address();
    let mut font = ConsoleFontOp { op: GET, width, height, charcount: count, data, flags: 0 };
    sys::ioctl(console.as_raw_fd(), KDFONTOP, &mut font)?;
    let mut bytes = vec![0; memory.len() * size_of::<u32>()];
    memory.read_bytes(0, &mut bytes);
    for glyphs in lines(&font, &bytes)? {
        report::tell("glyphs", &glyphs);
    }
    let ConsoleFontOp { width, height, charcount, .. } = font;
    reporter.passed(None, &format!("{charcount} glyphs of {width}x{height} pixels"));
    Ok(())
}

/// What is told of a font whose glyphs lie in `bytes`.
fn lines(font: &ConsoleFontOp, bytes: &[u8]) -> Result<Vec<Glyphs>> {
    let (width, height) = (font.width, font.height);
    let row = width.div_ceil(8) as usize;
    let used = row * height as usize;
    let glyphs: Vec<&[u8]> = bytes.chunks(row.max(1) * ROWS).collect();
    let told = glyphs.get(usize::from(*TOLD.start())..=usize::from(*TOLD.end()));
    let known =
        (1..=LINE.min(row * ROWS)).contains(&used) && u32::from(*TOLD.end()) < font.charcount;
    let (Some(told), true) = (told, known) else {
        return Err(Error::Wrong(format!("no font of a console: {font:?}")));
    };
    let line = |(first, glyphs): (u8, &[&[u8]])| {
        let mut rows = String::new();
        for byte in glyphs.iter().flat_map(|glyph| &glyph[..used]) {
            // Writing into a string cannot fail.
            let _ = write!(rows, "{byte:02x}");
        }
        Glyphs { first, width, height, rows }
    };
    let a_line = LINE / used;
    Ok(TOLD.step_by(a_line).zip(told.chunks(a_line)).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn font(width: u32, height: u32) -> ConsoleFontOp {
        ConsoleFontOp { op: GET, width, height, charcount: 256, ..ConsoleFontOp::default() }
    }

    #[test]
    fn every_printable_character_is_told_once_and_lines_stay_short() {
        for (width, height) in [(8, 16), (6, 10), (16, 32)] {
            let row = width as usize / 9 + 1;
            // Each glyph is made of its own number.
            let bytes: Vec<u8> = (0..=255).flat_map(|c| vec![c; row * ROWS]).collect();
            let lines = lines(&font(width, height), &bytes).unwrap();
            let digits = row * height as usize * 2;
            let mut next = b' ';
            for line in &lines {
                assert_eq!((line.first, line.width, line.height), (next, width, height));
                assert!(line.rows.len() <= 2 * LINE);
                for glyph in line.rows.as_bytes().chunks(digits) {
                    let expected = format!("{next:02x}").repeat(digits / 2);
                    assert_eq!(std::str::from_utf8(glyph), Ok(expected.as_str()));
                    next += 1;
                }
            }
            assert_eq!(next, b'~' + 1);
        }
    }

    #[test]
    fn what_is_no_font_is_refused() {
        let bytes = vec![0; 32 * 256];
        for bad in [font(0, 16), font(8, 0), ConsoleFontOp { charcount: 64, ..font(8, 16) }] {
            assert!(lines(&bad, &bytes).is_err(), "{bad:?}");
        }
        assert!(lines(&font(8, 16), &bytes[..32 * 64]).is_err());
    }

    #[test]
    fn the_argument_has_the_size_of_the_header() {
        assert_eq!(size_of::<ConsoleFontOp>(), 32);
    }
}
