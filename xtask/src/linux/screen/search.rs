//! Finding text anywhere in a picture: X's windows lie where they like, not on a grid of cells.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::font::Cell;
use super::text::Picture;

/// Characters that all have one size, by what they mean.
#[derive(Debug, Default)]
pub(in crate::linux) struct Face {
    width: usize,
    height: usize,
    cells: BTreeMap<char, Cell>,
}

impl Face {
    /// Adds a character of `width` and `height` pixels.
    pub(super) fn add(
        &mut self,
        character: char,
        width: usize,
        height: usize,
        cell: Cell,
    ) -> Result<()> {
        let first = self.cells.is_empty();
        ensure!(first || (width, height) == (self.width, self.height), "characters of two sizes");
        (self.width, self.height) = (width, height);
        self.cells.insert(character, cell);
        Ok(())
    }

    /// The pixels of a character.
    pub(super) fn cell(&self, character: char) -> Option<&Cell> {
        self.cells.get(&character)
    }

    /// A line of text as it is drawn, row by row; and how many pixels a row has.
    fn line(&self, text: &str) -> Result<(Cell, usize)> {
        let cell = |character| self.cell(character).with_context(|| format!("no `{character}`"));
        let cells = text.chars().map(cell).collect::<Result<Vec<_>>>()?;
        let row = |y: usize| {
            cells.iter().flat_map(move |cell| &cell[y * self.width..(y + 1) * self.width])
        };
        let line = (0..self.height).flat_map(row).copied().collect();
        Ok((line, cells.len() * self.width))
    }
}

/// Where `text` is in a picture: the pixel of its top left corner, from the left and the top. Every
/// pixel of its cells must be as `face` has it, in any two colours.
pub(super) fn find(picture: &Picture, face: &Face, text: &str) -> Result<Option<(usize, usize)>> {
    let (line, width) = face.line(text).context("the font cannot show the text")?;
    let ink = line.iter().position(|&ink| ink).context("the text is blank")?;
    let paper = line.iter().position(|&ink| !ink).context("the text has no background")?;
    let (columns, rows) = (picture.width, picture.height());
    let (Some(right), Some(bottom)) =
        ((columns + 1).checked_sub(width), (rows + 1).checked_sub(face.height))
    else {
        return Ok(None);
    };
    let places = (0..bottom).flat_map(|y| (0..right).map(move |x| (x, y)));
    Ok(places.into_iter().find(|&(x, y)| {
        let at = |index: usize| picture.pixels[(y + index / width) * columns + x + index % width];
        let (ink, paper) = (at(ink), at(paper));
        let fits = |(index, &is_ink): (usize, &bool)| at(index) == if is_ink { ink } else { paper };
        ink != paper && line.iter().enumerate().all(fits)
    }))
}

/// The longest beginning of `text` that is in a picture.
pub(super) fn longest_beginning<'a>(picture: &Picture, face: &Face, text: &'a str) -> &'a str {
    let ends = text.char_indices().map(|(end, _)| end).rev();
    let beginnings = ends.map(|end| text[..end].trim_end());
    let is_there = |beginning: &&str| matches!(find(picture, face, beginning), Ok(Some(_)));
    beginnings.into_iter().find(is_there).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::pcf::tests::font;
    use super::super::text::tests::picture;
    use super::*;

    #[test]
    fn text_is_found_at_any_pixel_and_in_any_two_colours() {
        let face = font().face().unwrap();
        // `12`: a stroke in column 1, a dot at the bottom right.
        let lines = ["..........", ".###*#####", ".###*#####", ".########*", ".........."];
        let found = find(&picture(&lines), &face, "12").unwrap();
        assert_eq!(found, None, "the stroke is not in its column");
        let lines = ["...........", "..#*######.", "..#*######.", "..#######*.", "..........."];
        assert_eq!(find(&picture(&lines), &face, "12").unwrap(), Some((2, 1)));
        assert_eq!(longest_beginning(&picture(&lines), &face, "121"), "12");
        assert_eq!(longest_beginning(&picture(&lines), &face, "221"), "2");
        assert_eq!(longest_beginning(&picture(&["....."; 4]), &face, "21"), "");
    }

    #[test]
    fn a_pixel_too_many_or_a_third_colour_is_not_the_text() {
        let face = font().face().unwrap();
        for last in ["#.......", ".......*", "........"] {
            let lines = [".#......", ".#......", last];
            assert_eq!(find(&picture(&lines), &face, "12").unwrap(), None, "{last}");
        }
        let lines = [".#......", ".#......", ".......#"];
        assert_eq!(find(&picture(&lines), &face, "12").unwrap(), Some((0, 0)));
    }

    #[test]
    fn a_text_that_the_font_or_the_picture_has_no_room_for_is_not_found() {
        let face = font().face().unwrap();
        let small = picture(&["....", "...."]);
        assert_eq!(find(&small, &face, "1").unwrap(), None);
        assert!(find(&small, &face, "1x").is_err(), "no such character");
        assert!(find(&small, &face, "  ").is_err(), "blank");
    }
}
