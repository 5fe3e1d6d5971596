//! Reading the text in a picture: every cell against the glyphs of the guest's own font.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::font::{Cell, Font};

/// What stands for a cell that is no character.
pub(super) const UNKNOWN: char = '\u{fffd}';

/// A picture.
pub(super) struct Picture {
    pub(super) width: usize,
    /// Row by row, each `width` long.
    pub(super) pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// The PNG in a file, of 8 bits a colour as `gen8emu screenshot` writes it.
    pub(super) fn read(path: &Path) -> Result<Picture> {
        let reading = || format!("reading {}", path.display());
        let file = BufReader::new(File::open(path).with_context(reading)?);
        let mut reader = png::Decoder::new(file).read_info().with_context(reading)?;
        let mut bytes = vec![0; reader.output_buffer_size().with_context(reading)?];
        let info = reader.next_frame(&mut bytes).with_context(reading)?;
        let kind = (info.color_type, info.bit_depth);
        ensure!(
            kind == (png::ColorType::Rgb, png::BitDepth::Eight),
            "{} is {kind:?}",
            path.display()
        );
        let pixels = bytes[..info.buffer_size()].as_chunks().0.to_vec();
        Ok(Picture { width: info.width as usize, pixels })
    }

    /// How many rows of pixels it has.
    pub(super) fn height(&self) -> usize {
        self.pixels.len() / self.width.max(1)
    }

    /// The text on it, in rows from the top down, without blanks at their ends. A cell is read only
    /// if it is drawn exactly as the font has it, in two colours.
    pub(super) fn text(&self, font: &Font) -> Vec<String> {
        let rows = self.pixels.chunks_exact(self.width * font.height);
        rows.map(|row| self.row(row, font)).collect()
    }

    fn row(&self, row: &[[u8; 3]], font: &Font) -> String {
        let cells = (0..self.width / font.width).map(|column| {
            let left = column * font.width;
            let lines = row.chunks_exact(self.width);
            let cell = lines.flat_map(|line| &line[left..left + font.width]);
            character(&cell.copied().collect::<Vec<_>>(), font)
        });
        cells.collect::<String>().trim_end().to_owned()
    }
}

/// The character in a cell; dark on bright is as good as bright on dark.
fn character(cell: &[[u8; 3]], font: &Font) -> char {
    let paper = cell[0];
    let Some(&ink) = cell.iter().find(|&&pixel| pixel != paper) else { return ' ' };
    if cell.iter().any(|&pixel| pixel != paper && pixel != ink) {
        return UNKNOWN;
    }
    let glyph: Cell = cell.iter().map(|&pixel| pixel == ink).collect();
    let inverse: Cell = glyph.iter().map(|ink| !ink).collect();
    font.character(&glyph).or_else(|| font.character(&inverse)).unwrap_or(UNKNOWN)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::font::tests::made_up;
    use super::*;

    /// Draws with the made-up font; `.` is black, `#` grey, `*` red.
    pub(in crate::linux::screen) fn picture(lines: &[&str]) -> Picture {
        let colour = |pixel| match pixel {
            '#' => [170; 3],
            '*' => [170, 0, 0],
            _ => [0; 3],
        };
        let pixels = lines.iter().flat_map(|line| line.chars().map(colour)).collect();
        Picture { width: lines[0].len(), pixels }
    }

    #[test]
    fn text_is_read_in_cells_from_the_top_left_corner() {
        // 1 5 blank 9, then a row of blanks, then 2 in the last column and half a row.
        let lines = [
            "...........#..",
            "..##.#.....#..",
            "..............",
            "..............",
            "..............",
            "..........#...",
            "##############",
        ];
        assert_eq!(picture(&lines).text(&made_up()), ["15 9", "", "   2"]);
    }

    #[test]
    fn any_two_colours_make_a_glyph_and_three_none() {
        let font = made_up();
        assert_eq!(picture(&["...", "*.*"]).text(&font), ["5"]);
        assert_eq!(picture(&["###", ".#."]).text(&font), ["5"]);
        assert_eq!(picture(&["###", "*#*"]).text(&font), ["5"]);
        assert_eq!(picture(&["###", "###"]).text(&font), [""], "a cell of one colour is blank");
        assert_eq!(picture(&["...", "*.#"]).text(&font), ["\u{fffd}"]);
    }

    #[test]
    fn a_glyph_with_one_pixel_wrong_or_beside_its_cell_is_not_read() {
        let font = made_up();
        assert_eq!(picture(&["#..", "#.#"]).text(&font), ["\u{fffd}"]);
        assert_eq!(picture(&["......", ".#.#.."]).text(&font), ["24"], "5, one pixel to the right");
    }

    #[test]
    fn a_png_is_read_as_it_was_written() {
        let scratch = super::super::super::scratch::Scratch::for_test("picture");
        let path = scratch.join("a.png");
        let write = |kind, bytes: &[u8]| {
            let mut encoder = png::Encoder::new(File::create(&path).unwrap(), 3, 2);
            encoder.set_color(kind);
            encoder.write_header().unwrap().write_image_data(bytes).unwrap();
        };
        write(png::ColorType::Rgb, &[[0; 12].as_slice(), &[0, 0, 9], &[0, 0, 0]].concat());
        let read = Picture::read(&path).unwrap();
        assert_eq!(read.text(&made_up()), ["2"]);
        write(png::ColorType::Grayscale, &[0; 6]);
        assert!(Picture::read(&path).is_err());
        std::fs::write(&path, "no picture").unwrap();
        assert!(Picture::read(&path).is_err());
    }
}
