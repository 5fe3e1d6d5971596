//! The picture that was, and what is new in the one that is.

use super::color::Color;
use super::picture::{BLACK, Changes, Picture, Pixel};
use super::{Room, Screen};

/// Keeps the last picture of a pipe, so that another look costs little: rows are composed anew from
/// memory, and only those that differ are taken over and named.
///
/// A picture has at most 4096 by 4096 pixels. A scanner holds one, or two where the pipe changes
/// colors: those that were composed have to be known then as well.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    picture: Picture,
    /// What becomes of the colors, and the picture before it.
    color: Option<Color>,
    composed: Vec<Pixel>,
    rows: Rows,
}

/// Composes rows.
#[derive(Clone, Debug, Default)]
struct Rows {
    /// A row as it is composed.
    row: Vec<Pixel>,
    room: Room,
}

impl Rows {
    /// Brings row `y` up to date; whether that changed any of its colors.
    fn refresh(&mut self, screen: &Screen, y: u32, kept: &mut [Pixel]) -> bool {
        if let Some(image) = screen.plain(y) {
            return image.refresh(y, kept, &screen.memory);
        }
        self.row.resize(kept.len(), BLACK);
        screen.compose(y, &mut self.row, &mut self.room);
        let differs = differs(kept, &self.row);
        if differs {
            take_over(kept, &self.row);
        }
        differs
    }
}

impl Scanner {
    /// A scanner that has seen nothing.
    pub fn new() -> Scanner {
        Scanner::default()
    }

    /// Reads the pixels that `screen` shows now.
    pub fn update(&mut self, screen: &Screen) -> Changes {
        let resized = (self.picture.width, self.picture.height) != (screen.width, screen.height);
        if resized {
            self.picture = Picture::black(screen.width, screen.height);
        }
        let anew = resized || self.color != screen.color;
        let mut changes = Changes { resized, rows: Vec::new() };
        match &screen.color {
            None => {
                self.composed = Vec::new();
                self.compose(screen, anew, &mut changes);
            }
            Some(color) => self.compose_and_convert(screen, color, anew, &mut changes),
        }
        self.color.clone_from(&screen.color);
        changes
    }

    /// Rows are shown as they are composed.
    fn compose(&mut self, screen: &Screen, anew: bool, changes: &mut Changes) {
        let rows = self.picture.pixels.chunks_exact_mut(screen.width as usize);
        for (y, kept) in (0..).zip(rows) {
            if self.rows.refresh(screen, y, kept) || anew {
                changes.note(y);
            }
        }
    }

    /// Only of rows that are composed of other colors the colors are changed anew.
    fn compose_and_convert(
        &mut self,
        screen: &Screen,
        color: &Color,
        anew: bool,
        changes: &mut Changes,
    ) {
        self.composed.resize(self.picture.pixels.len(), BLACK);
        let width = screen.width as usize;
        let shown = self.picture.pixels.chunks_exact_mut(width);
        let rows = self.composed.chunks_exact_mut(width).zip(shown);
        for (y, (kept, shown)) in (0..).zip(rows) {
            if self.rows.refresh(screen, y, kept) || anew {
                shown.copy_from_slice(kept);
                color.apply(shown);
                changes.note(y);
            }
        }
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
        // What was composed is not what shows, and has to be shown anew.
        self.color = None;
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
