//! The font of the guest's console, as the check `console-font` tells it.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Pixels of a character cell, row by row; true is ink.
pub(super) type Cell = Vec<bool>;

/// Glyphs of one size.
#[derive(Debug, Default)]
pub(super) struct Font {
    /// Pixels of a cell.
    pub(super) width: usize,
    pub(super) height: usize,
    characters: HashMap<Cell, char>,
}

/// A line of the check: glyphs that follow each other.
#[derive(Deserialize)]
struct Glyphs {
    /// The character of the first.
    first: u8,
    /// Pixels of a glyph.
    width: usize,
    height: usize,
    /// Rows from the top down, each begun at a byte, the leftmost pixel in its highest bit; in
    /// hexadecimal.
    rows: String,
}

impl Font {
    /// Takes a line of the check.
    pub(super) fn add(&mut self, line: &str) -> Result<()> {
        let glyphs: Glyphs = serde_json::from_str(line)?;
        let (width, height) = (glyphs.width, glyphs.height);
        ensure!((1..=64).contains(&width) && (1..=64).contains(&height), "{width}x{height} pixels");
        let first = self.characters.is_empty();
        ensure!(first || (width, height) == (self.width, self.height), "glyphs of two sizes");
        (self.width, self.height) = (width, height);
        let row = width.div_ceil(8);
        let bytes = bytes(&glyphs.rows)?;
        let cells = bytes.chunks_exact(row * height);
        ensure!(cells.remainder().is_empty(), "a glyph that is cut off");
        for (character, glyph) in (glyphs.first..=u8::MAX).zip(cells) {
            let cell = glyph.chunks_exact(row).flat_map(|row| ink(row).take(width)).collect();
            self.characters.entry(cell).or_insert(char::from(character));
        }
        Ok(())
    }

    /// The character with this glyph.
    pub(super) fn character(&self, cell: &[bool]) -> Option<char> {
        self.characters.get(cell).copied()
    }

    /// Whether nothing of it is known.
    pub(super) fn is_empty(&self) -> bool {
        self.characters.is_empty()
    }
}

/// The pixels of a row.
fn ink(row: &[u8]) -> impl Iterator<Item = bool> {
    row.iter().flat_map(|byte| (0..8).map(move |bit| byte << bit & 0x80 != 0))
}

fn bytes(digits: &str) -> Result<Vec<u8>> {
    ensure!(digits.is_ascii() && digits.len().is_multiple_of(2), "no bytes in hexadecimal");
    let pairs = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().context("no bytes in hexadecimal")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A font of 3x2 pixels: blank, and all of 1 to 9 in binary from '1' on.
    pub(in crate::linux::screen) fn made_up() -> Font {
        let mut font = Font::default();
        font.add(r#"{"first":32,"width":3,"height":2,"rows":"0000"}"#).unwrap();
        font.add(r#"{"first":49,"width":3,"height":2,"rows":"002000400060008000a0"}"#).unwrap();
        font.add(r#"{"first":54,"width":3,"height":2,"rows":"00c000e020002020"}"#).unwrap();
        font
    }

    /// Pixels drawn as text: `#` is ink.
    pub(in crate::linux::screen) fn cell(drawing: &str) -> Cell {
        drawing.chars().map(|pixel| pixel == '#').collect()
    }

    #[test]
    fn a_glyph_is_found_by_its_pixels_alone() {
        let font = made_up();
        assert_eq!((font.width, font.height), (3, 2));
        assert_eq!(font.character(&cell("......")), Some(' '));
        assert_eq!(font.character(&cell("...#.#")), Some('5'));
        assert_eq!(font.character(&cell("..#..#")), Some('9'));
        assert_eq!(font.character(&cell("#....#")), None);
    }

    #[test]
    fn rows_of_more_than_eight_pixels_begin_at_bytes() {
        let mut font = Font::default();
        font.add(r#"{"first":65,"width":9,"height":1,"rows":"80800100"}"#).unwrap();
        assert_eq!(font.character(&cell("#.......#")), Some('A'));
        assert_eq!(font.character(&cell(".......#.")), Some('B'));
    }

    #[test]
    fn lines_that_are_no_glyphs_are_refused() {
        for bad in [
            r#"{"first":32,"width":3,"height":2,"rows":"00000"}"#,
            r#"{"first":32,"width":3,"height":2,"rows":"000000"}"#,
            r#"{"first":32,"width":3,"height":2,"rows":"00gg"}"#,
            r#"{"first":32,"width":3,"height":2,"rows":"äü"}"#,
            r#"{"first":32,"width":0,"height":2,"rows":""}"#,
            r#"{"first":32,"width":8,"height":99999999999,"rows":""}"#,
            r#"{"first":32,"width":8,"height":2,"rows":"0000"}"#,
            "no JSON",
        ] {
            assert!(made_up().add(bad).is_err(), "{bad}");
        }
        let many = format!(r#"{{"first":250,"width":8,"height":1,"rows":"{}"}}"#, "01".repeat(9));
        assert!(Font::default().add(&many).is_ok(), "characters beyond 255 are left out");
    }
}
