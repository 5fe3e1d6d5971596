//! The picture that was, and what is new in the one that is.

use super::Screen;
use super::picture::{BLACK, Changes, Picture, Pixel};

/// Keeps the last picture of a pipe, so that another look costs little: rows are composed anew from
/// memory, and only those that differ are taken over and named.
///
/// A picture is at most 4096 by 4096 pixels; the scanner holds one and a row.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    picture: Picture,
    /// A row as it is composed.
    row: Vec<Pixel>,
    /// A row of a plane as it is in memory.
    bytes: Vec<u8>,
}

impl Scanner {
    /// A scanner that has seen nothing.
    pub fn new() -> Scanner {
        Scanner::default()
    }

    /// Reads the pixels that `screen` shows now.
    pub fn update(&mut self, screen: &Screen) -> Changes {
        let (width, height) = (screen.width, screen.height);
        let resized = (self.picture.width, self.picture.height) != (width, height);
        if resized {
            self.picture = Picture::black(width, height);
            self.row = vec![BLACK; width as usize];
        }
        let mut changes = Changes { resized, rows: Vec::new() };
        let rows = self.picture.pixels.chunks_exact_mut(width as usize);
        for (y, kept) in (0..).zip(rows) {
            screen.compose(y, &mut self.row, &mut self.bytes);
            if resized || differs(kept, &self.row) {
                take_over(kept, &self.row);
                changes.note(y);
            }
        }
        changes
    }

    /// The pipe sends nothing: the picture is black, and as large as before.
    pub fn blank(&mut self) -> Changes {
        let mut changes = Changes::default();
        for y in 0..self.picture().height {
            if self.picture().row(y).iter().any(|&pixel| pixel != BLACK) {
                changes.note(y);
            }
        }
        self.picture.pixels.fill(BLACK);
        changes
    }

    /// The picture as it was last seen; 0 by 0 before the first look.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// The picture, when no other look follows.
    pub fn into_picture(self) -> Picture {
        self.picture
    }
}

/// Pixels that are compared at once: more than a vector, and soon found to differ.
const STRIP: usize = 64;

/// The colors of a pixel, without its last byte.
fn colors(pixel: Pixel) -> u32 {
    u32::from_le_bytes(pixel) & 0xff_ffff
}

/// Whether a row that was composed has other colors than the one that is kept.
fn differs(kept: &[Pixel], row: &[Pixel]) -> bool {
    kept.chunks(STRIP).zip(row.chunks(STRIP)).any(|(kept, row)| {
        let pixels = kept.iter().zip(row);
        pixels.fold(0, |all, (&kept, &pixel)| all | (u32::from_le_bytes(kept) ^ colors(pixel))) != 0
    })
}

/// Keeps the colors of a row that was composed.
fn take_over(kept: &mut [Pixel], row: &[Pixel]) {
    for (kept, &pixel) in kept.iter_mut().zip(row) {
        *kept = colors(pixel).to_le_bytes();
    }
}
