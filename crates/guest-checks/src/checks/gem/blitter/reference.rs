//! What a blit does, pixel by pixel and bit by bit: slow, and right at first sight.

use crate::checks::gem::layout::offset;
use crate::gpu::blt::{
    Blit, Chroma, Colors, Data, Depth, Form, Pattern, Rectangle, Source, Surface,
};

/// Memory as it should be, from the address `base` on.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) base: u64,
    pub(super) bytes: Vec<u8>,
}

/// The bit number `n`, from the left of the first byte on.
fn bit(bytes: &[u8], n: usize) -> bool {
    bytes[n / 8] & 0x80 >> (n % 8) != 0
}

fn inside(rectangle: Rectangle, x: i64, y: i64) -> bool {
    let columns = i64::from(rectangle.left)..i64::from(rectangle.right);
    let rows = i64::from(rectangle.top)..i64::from(rectangle.bottom);
    columns.contains(&x) && rows.contains(&y)
}

/// The result of a raster operation: each bit stands in its table.
fn operate(rop: u8, pattern: u32, source: u32, destination: u32) -> u32 {
    (0..32)
        .map(|n| {
            let of = |value: u32| value >> n & 1;
            let index = of(pattern) << 2 | of(source) << 1 | of(destination);
            (u32::from(rop) >> index & 1) << n
        })
        .sum()
}

/// Whether each component of a color is in the range.
fn in_range(chroma: &Chroma, depth: Depth, color: u32) -> bool {
    let colors: &[u32] = match depth {
        Depth::Bits8 => &[0xff],
        Depth::Rgb565 => &[0xf800, 0x07e0, 0x001f],
        Depth::Argb1555 => &[0x7c00, 0x03e0, 0x001f],
        Depth::Argb8888 => &[0xff_0000, 0xff00, 0xff],
    };
    let alpha: &[u32] = match depth {
        Depth::Argb1555 if chroma.alpha => &[0x8000],
        Depth::Argb8888 if chroma.alpha => &[0xff00_0000],
        _ => &[],
    };
    colors
        .iter()
        .chain(alpha)
        .all(|mask| (chroma.low & mask..=chroma.high & mask).contains(&(color & mask)))
}

/// The color of a bit; `None` if it leaves the pixel as it is.
fn color(colors: &Colors, bit: bool) -> Option<u32> {
    match bit {
        true => Some(colors.foreground),
        false if colors.transparent => None,
        false => Some(colors.background),
    }
}

/// Bits from a row of a monochrome source to the next: rows begin at words, those of a text at
/// bits or bytes.
pub(super) fn bits_of_row(form: Form, first: u32, width: usize) -> usize {
    let bits = first as usize + width;
    match form {
        Form::Setup { byte_packed: false } => bits,
        Form::Setup { byte_packed: true } => bits.next_multiple_of(8),
        Form::Xy | Form::Plain => bits.next_multiple_of(16),
    }
}

impl Image {
    fn data<'a>(&'a self, data: &'a Data) -> &'a [u8] {
        match data {
            Data::At(address) => &self.bytes[(address - self.base) as usize..],
            Data::Inline(bytes) => bytes,
        }
    }

    fn place(&self, surface: &Surface, depth: Depth, x: i64, y: i64) -> usize {
        let start = surface.address.wrapping_sub(self.base).cast_signed();
        (start + offset(surface, x * depth.bytes() as i64, y)) as usize
    }

    fn pixel(&self, surface: &Surface, depth: Depth, x: i64, y: i64) -> u32 {
        let place = self.place(surface, depth, x, y);
        let bytes = &self.bytes[place..place + depth.bytes()];
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    fn source(&self, blit: &Blit, x: i64, y: i64) -> Option<u32> {
        let column = x - i64::from(blit.area.left);
        let row = y - i64::from(blit.area.top);
        match &blit.source {
            Source::None => Some(0),
            Source::Pixels { surface, at } => {
                let (x, y) = (i64::from(at.0) + column, i64::from(at.1) + row);
                Some(self.pixel(surface, blit.depth, x, y))
            }
            Source::Bits { data, first, colors } => {
                let width = (blit.area.right - blit.area.left) as usize;
                let start = row as usize * bits_of_row(blit.form, *first, width);
                let n = start + *first as usize + column as usize;
                color(colors, bit(self.data(data), n))
            }
        }
    }

    fn pattern(&self, blit: &Blit, x: i64, y: i64) -> Option<u32> {
        let column = (x + i64::from(blit.seeds.0)).rem_euclid(8) as usize;
        let row = (y + i64::from(blit.seeds.1)).rem_euclid(8) as usize;
        match &blit.pattern {
            Pattern::None => Some(0),
            Pattern::Solid(color) => Some(*color),
            Pattern::Pixels(data) => {
                let size = blit.depth.bytes();
                let bytes = &self.data(data)[(8 * row + column) * size..][..size];
                Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
            }
            Pattern::Bits { colors, solid: true, .. } => color(colors, false),
            Pattern::Bits { rows, colors, .. } => color(colors, bit(rows, 8 * row + column)),
        }
    }

    /// Draws. The source is as it was before, also where the target covers it.
    pub(super) fn draw(&mut self, blit: &Blit) {
        let before = self.clone();
        for y in i64::from(blit.area.top)..i64::from(blit.area.bottom) {
            for x in i64::from(blit.area.left)..i64::from(blit.area.right) {
                let source = before.source(blit, x, y);
                let pattern = before.pattern(blit, x, y);
                if let (Some(source), Some(pattern)) = (source, pattern)
                    && blit.clip.is_none_or(|clip| inside(clip, x, y))
                {
                    self.draw_pixel(blit, x, y, source, pattern);
                }
            }
        }
    }

    fn draw_pixel(&mut self, blit: &Blit, x: i64, y: i64, source: u32, pattern: u32) {
        let destination = self.pixel(&blit.target, blit.depth, x, y);
        if let Some(chroma) = &blit.chroma {
            let judged = if chroma.destination { destination } else { source };
            if in_range(chroma, blit.depth, judged) != chroma.destination {
                return;
            }
        }
        let result = operate(blit.rop, pattern, source, destination).to_le_bytes();
        let place = self.place(&blit.target, blit.depth, x, y);
        for (n, byte) in result.iter().enumerate().take(blit.depth.bytes()) {
            let written = match blit.depth {
                Depth::Argb8888 if n == 3 => blit.alpha,
                Depth::Argb8888 => blit.rgb,
                _ => true,
            };
            if written {
                self.bytes[place + n] = *byte;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_operations_have_their_codes() {
        let (p, s, d) = (0xf0f0_1234, 0xcccc_5678, 0xaaaa_9abc);
        assert_eq!(operate(0xcc, p, s, d), s);
        assert_eq!(operate(0xf0, p, s, d), p);
        assert_eq!(operate(0x55, p, s, d), !d);
        assert_eq!(operate(0x66, p, s, d), s ^ d);
        assert_eq!(operate(0xb8, p, s, d), s & d | !s & p);
    }
}
