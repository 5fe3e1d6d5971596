//! A blit that is being drawn: everything that its packet said, and how far it came. It is state of
//! the engine, so that a slice can end anywhere and a snapshot holds it.

use super::rop::Rop;
use super::surface::Surface;

/// Pixels in a row of a pattern, and its rows.
pub(super) const PATTERN_SIZE: usize = gen8_spec::commands::blt::PATTERN_SIZE as usize;

/// How a pixel is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Depth {
    /// 8 bits.
    Indexed8,
    /// 16 bits, 5:6:5.
    Rgb565,
    /// 16 bits, 1:5:5:5.
    Argb1555,
    /// 32 bits, 8:8:8:8.
    Argb8888,
}

impl Depth {
    /// Bytes in a pixel.
    pub(super) fn bytes(self) -> usize {
        match self {
            Depth::Indexed8 => 1,
            Depth::Rgb565 | Depth::Argb1555 => 2,
            Depth::Argb8888 => 4,
        }
    }

    /// Bits of a pixel.
    pub(super) fn mask(self) -> u32 {
        u32::MAX >> (32 - 8 * self.bytes())
    }

    /// Bits of the color components.
    pub(super) fn components(self) -> &'static [u32] {
        match self {
            Depth::Indexed8 => &[0xff],
            Depth::Rgb565 => &[0x1f, 0x7e0, 0xf800],
            Depth::Argb1555 => &[0x1f, 0x3e0, 0x7c00],
            Depth::Argb8888 => &[0xff, 0xff00, 0xff_0000],
        }
    }

    /// Bits of alpha, if there are any.
    pub(super) fn alpha(self) -> u32 {
        match self {
            Depth::Indexed8 | Depth::Rgb565 => 0,
            Depth::Argb1555 => 0x8000,
            Depth::Argb8888 => 0xff00_0000,
        }
    }
}

/// (x, y) of a pixel in a packet: y above x, both signed.
pub(super) fn point(dword: u32) -> (i32, i32) {
    (i32::from(dword as i16), i32::from((dword >> 16) as i16))
}

/// Pixels from (left, top) up to but without (right, bottom).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rectangle {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Rectangle {
    /// The rectangle between two corners, as packets give them.
    pub(super) fn of_corners(first: u32, second: u32) -> Rectangle {
        let ((left, top), (right, bottom)) = (point(first), point(second));
        Rectangle { left, top, right, bottom }
    }

    /// What both cover; possibly inverted, which is nothing.
    pub(super) fn intersection(self, other: Rectangle) -> Rectangle {
        Rectangle {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.left >= self.right || self.top >= self.bottom
    }
}

/// The source operand.
#[derive(Clone, Debug, Hash)]
pub(super) enum Source {
    None,
    /// Pixels; (x, y) goes to the upper left corner of the rectangle.
    Color {
        surface: Surface,
        x: i32,
        y: i32,
    },
    Mono(MonoSource),
}

/// A source of one bit a pixel, expanded to two colors.
#[derive(Clone, Debug, Hash)]
pub(super) struct MonoSource {
    pub(super) bits: MonoBits,
    /// Bit of the rectangle's upper left corner, from bit 7 of the first byte on.
    pub(super) first: u64,
    /// Bits from a row to the next.
    pub(super) stride: u64,
    pub(super) colors: Colors,
}

/// Where the bits of a monochrome source are.
#[derive(Clone, Debug, Hash)]
pub(super) enum MonoBits {
    /// In memory.
    Memory(Surface),
    /// In the packet.
    Inline(Vec<u8>),
}

/// What the two values of a bit stand for.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Colors {
    pub(super) background: u32,
    pub(super) foreground: u32,
    /// A 0 leaves the pixel as it is.
    pub(super) transparent: bool,
}

impl Colors {
    /// The color of `bit`.
    pub(super) fn of(&self, bit: bool) -> u32 {
        if bit { self.foreground } else { self.background }
    }

    /// Whether a pixel of `bit` is drawn.
    pub(super) fn draws(&self, bit: bool) -> bool {
        bit || !self.transparent
    }
}

/// The pattern operand.
#[derive(Clone, Debug, Hash)]
pub(super) enum Pattern {
    /// One color; 0 where a packet has no pattern.
    Solid(u32),
    /// Pixels, row by row.
    Color(Box<[[u32; PATTERN_SIZE]; PATTERN_SIZE]>),
    /// A byte a row, bit 7 left.
    Mono { rows: [u8; PATTERN_SIZE], colors: Colors },
}

/// The column and row of the pattern at the origin.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(super) struct Seeds {
    pub(super) x: i32,
    pub(super) y: i32,
}

/// A range of colors that decides which pixels are drawn.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Chroma {
    pub(super) low: u32,
    pub(super) high: u32,
    /// Alpha counts too.
    pub(super) alpha: bool,
    /// Destination pixels in the range are drawn; else source pixels outside of it.
    pub(super) destination: bool,
}

impl Chroma {
    /// Whether every component of `color` is in the range.
    pub(super) fn contains(&self, color: u32, depth: Depth) -> bool {
        let within = |mask: u32| {
            let range = self.low & mask..=self.high & mask;
            range.contains(&(color & mask))
        };
        let alpha = if self.alpha { depth.alpha() } else { 0 };
        depth.components().iter().all(|&mask| within(mask)) && within(alpha)
    }
}

/// A decoded packet and its progress.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Blit {
    /// Header and address of the packet: whose blit this is.
    pub(super) packet: (u32, u64),
    pub(super) destination: Surface,
    pub(super) depth: Depth,
    pub(super) rop: Rop,
    /// Bits of a pixel that are written.
    pub(super) write_mask: u32,
    /// Upper left corner of the packet's rectangle, to which the source belongs.
    pub(super) origin: (i32, i32),
    /// What is drawn: the rectangle, clipped.
    pub(super) area: Rectangle,
    pub(super) source: Source,
    pub(super) pattern: Pattern,
    pub(super) seeds: Seeds,
    pub(super) chroma: Option<Chroma>,
    /// From right to left.
    pub(super) leftwards: bool,
    /// From bottom to top.
    pub(super) upwards: bool,
    /// Rows done.
    pub(super) rows: i32,
    /// Pixels done in the row after them.
    pub(super) columns: i32,
}

/// Pixels of a row that are drawn together.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Run {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) pixels: usize,
}

impl Blit {
    /// The next pixels, at most so many; `None` when all are drawn.
    pub(super) fn next_run(&self, most: usize) -> Option<Run> {
        if self.area.is_empty() || self.rows >= self.area.bottom - self.area.top {
            return None;
        }
        let left = self.area.right - self.area.left - self.columns;
        let pixels = left.min(most as i32);
        let x = match self.leftwards {
            true => self.area.right - self.columns - pixels,
            false => self.area.left + self.columns,
        };
        let y = match self.upwards {
            true => self.area.bottom - 1 - self.rows,
            false => self.area.top + self.rows,
        };
        Some(Run { x, y, pixels: pixels as usize })
    }

    /// `run` is drawn.
    pub(super) fn advance(&mut self, run: Run) {
        self.columns += run.pixels as i32;
        if self.columns >= self.area.right - self.area.left {
            self.columns = 0;
            self.rows += 1;
        }
    }
}
