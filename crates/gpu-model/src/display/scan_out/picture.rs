//! What comes out of scan-out.

use core::ops::Range;

/// A pixel: blue, green, red and 0, as most surfaces have it in memory, so that nothing needs
/// converting on the way.
pub type Pixel = [u8; 4];

/// Pixels, row after row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height` pixels.
    pub pixels: Vec<Pixel>,
}

impl Picture {
    /// A black picture.
    pub fn black(width: u32, height: u32) -> Picture {
        Picture { width, height, pixels: vec![BLACK; width as usize * height as usize] }
    }

    /// The pixels of row `y`; none beyond the last one.
    pub fn row(&self, y: u32) -> &[Pixel] {
        let width = self.width as usize;
        let first = width * y as usize;
        self.pixels.get(first..first + width).unwrap_or_default()
    }

    /// Three bytes a pixel: red, green and blue.
    pub fn rgb(&self) -> Vec<u8> {
        self.pixels.iter().flat_map(|&[blue, green, red, _]| [red, green, blue]).collect()
    }
}

/// A black pixel.
pub(super) const BLACK: Pixel = [0; 4];

/// How a picture differs from the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The picture has another size than before, or is the first one. All rows are new.
    pub resized: bool,
    /// Rows that differ, from above; no two ranges touch.
    pub rows: Vec<Range<u32>>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        !self.resized && self.rows.is_empty()
    }

    /// Notes row `y`, which lies below all that are noted.
    pub(super) fn note(&mut self, y: u32) {
        match self.rows.last_mut() {
            Some(last) if last.end == y => last.end = y + 1,
            _ => self.rows.push(y..y + 1),
        }
    }
}
