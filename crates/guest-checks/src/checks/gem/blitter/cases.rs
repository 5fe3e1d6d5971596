//! Random blits of every kind, in a field of memory.
//!
//! The field has room for a target, for a source and for patterns and bits, so that nothing overlaps
//! by accident. What the manual leaves open is never asked for: an operation that uses an operand
//! which the packet does not have, a text with another operation than "source".

use super::reference::bits_of_row;
use crate::checks::gem::random::Random;
use crate::gpu::blt::{
    Blit, Chroma, Colors, Data, Depth, Form, Layout, Pattern, Rectangle, Source, Surface,
};

const KIB: u64 = 1 << 10;
/// Where surfaces begin in the field: far enough inside that pixels at negative coordinates lie in it
/// too.
const TARGET: u64 = 32 * KIB;
const SOURCE: u64 = TARGET + 96 * KIB;
/// Patterns and bits.
const DATA: u64 = 192 * KIB;
const DATA_BYTES: i32 = 16 << 10;
/// Bytes of the field.
pub(super) const FIELD: usize = 256 << 10;
/// Pixels that a blit has at most in a row, and rows.
const WIDTH: i32 = 40;
const HEIGHT: i32 = 24;

/// The source as it is.
const ROP_SOURCE: u8 = 0xcc;

/// Something that makes blits in the field that begins at an address.
pub(super) type Maker = fn(&mut Random, u64) -> Blit;

/// A surface of some pitch; `start` is where the upper left pixel may be.
fn surface(random: &mut Random, start: u64, layout: Layout) -> Surface {
    let pitch = match layout {
        Layout::Linear => 4 * random.within(90, 257),
        Layout::X => 512 * random.within(1, 3),
        Layout::Y => 128 * random.within(1, 5),
    };
    if layout != Layout::Linear {
        return Surface { address: start, pitch, layout };
    }
    let address = start + 4 * random.within(0, 64) as u64;
    // Rows from the bottom upwards need the room on the other side.
    match random.coin() {
        true => Surface { address: address + 32 * KIB, pitch: -pitch, layout },
        false => Surface { address, pitch, layout },
    }
}

/// An operation that does not use the operand whose bits are set in `mask`, as `rop` without it.
fn without(rop: u8, mask: u8, shift: u32) -> u8 {
    let kept = rop & !mask;
    kept | kept << shift
}

/// An operation that uses pattern and destination only.
fn of_pattern(rop: u8) -> u8 {
    without(rop, 0xcc, 2)
}

/// An operation that uses source and destination only.
fn of_source(rop: u8) -> u8 {
    without(rop, 0xf0, 4)
}

/// A fill of a random rectangle, clipped or not; the others are made of it.
fn fill(random: &mut Random, base: u64, layout: Layout) -> Blit {
    let (left, top) = (random.within(-16, 48) as i16, random.within(-14, 24) as i16);
    let (width, height) = (random.within(1, WIDTH) as i16, random.within(1, HEIGHT) as i16);
    let area = Rectangle { left, top, right: left + width, bottom: top + height };
    let clip = random.coin().then(|| Rectangle {
        left: left + random.within(-8, 16) as i16,
        top: top + random.within(-8, 12) as i16,
        right: area.right + random.within(-16, 8) as i16,
        bottom: area.bottom + random.within(-12, 8) as i16,
    });
    Blit {
        form: Form::Xy,
        target: surface(random, base + TARGET, layout),
        depth: random.of(&Depth::ALL),
        rop: of_pattern(random.dword() as u8),
        area,
        clip,
        alpha: random.coin(),
        rgb: random.coin(),
        source: Source::None,
        pattern: Pattern::Solid(random.dword()),
        seeds: (0, 0),
        chroma: None,
    }
}

/// Pixels of a surface of this layout.
fn pixels(random: &mut Random, base: u64, layout: Layout) -> Source {
    let at = (random.within(-16, 48) as i16, random.within(-14, 24) as i16);
    Source::Pixels { surface: surface(random, base + SOURCE, layout), at }
}

/// A place for data, `align` bytes aligned.
fn data(random: &mut Random, base: u64, align: i32) -> Data {
    Data::At(base + DATA + (align * random.within(0, DATA_BYTES / align)) as u64)
}

fn colors(random: &mut Random) -> Colors {
    Colors { background: random.dword(), foreground: random.dword(), transparent: random.coin() }
}

fn color_pattern(random: &mut Random, base: u64, depth: Depth, inline: bool) -> Pattern {
    Pattern::Pixels(match inline {
        true => Data::Inline(random.bytes(64 * depth.bytes())),
        false => data(random, base, 64),
    })
}

fn bit_pattern(random: &mut Random) -> Pattern {
    let mut rows = [0; 8];
    rows.copy_from_slice(&random.bytes(8));
    let colors = colors(random);
    Pattern::Bits { rows, colors, solid: !colors.transparent && random.coin() }
}

/// Bits for a blit of this form and size.
fn bits(random: &mut Random, base: u64, blit: &Blit, inline: bool) -> Source {
    let first = if blit.form == Form::Xy { random.within(0, 8) as u32 } else { 0 };
    let width = (blit.area.right - blit.area.left) as usize;
    let rows = (blit.area.bottom - blit.area.top) as usize;
    let data = match inline {
        true => {
            Data::Inline(random.bytes((rows * bits_of_row(blit.form, first, width)).div_ceil(8)))
        }
        false => data(random, base, 8),
    };
    Source::Bits { data, first, colors: colors(random) }
}

fn seeds(random: &mut Random) -> (u32, u32) {
    (random.dword() % 8, random.dword() % 8)
}

/// XY_COLOR_BLT.
pub(super) fn fills(random: &mut Random, base: u64) -> Blit {
    let layout = random.of(&Layout::ALL);
    fill(random, base, layout)
}

/// XY_SRC_COPY_BLT between surfaces of all layouts.
pub(super) fn copies(random: &mut Random, base: u64) -> Blit {
    let blit = fills(random, base);
    let layout = random.of(&Layout::ALL);
    let source = pixels(random, base, layout);
    let plain = random.coin();
    Blit {
        rop: if plain { ROP_SOURCE } else { of_source(random.dword() as u8) },
        alpha: plain || blit.alpha,
        rgb: plain || blit.rgb,
        source,
        pattern: Pattern::None,
        ..blit
    }
}

/// Copies at coordinates anywhere in 16 bits with a sign; the surfaces begin as far away.
pub(super) fn far(random: &mut Random, base: u64) -> Blit {
    let mut blit = copies(random, base);
    let mut step = || Step { x: 512 * random.within(-63, 63), y: 32 * random.within(-1000, 1000) };
    let (of_target, of_source) = (step(), step());
    let moved = |rectangle: Rectangle| {
        let ((left, top), (right, bottom)) = (
            of_target.point((rectangle.left, rectangle.top)),
            of_target.point((rectangle.right, rectangle.bottom)),
        );
        Rectangle { left, top, right, bottom }
    };
    (blit.area, blit.clip) = (moved(blit.area), blit.clip.map(moved));
    of_target.withdraw(&mut blit.target, blit.depth);
    if let Source::Pixels { surface, at } = &mut blit.source {
        *at = of_source.point(*at);
        of_source.withdraw(surface, blit.depth);
    }
    blit
}

/// A way through a surface, whole tiles long.
#[derive(Clone, Copy)]
struct Step {
    x: i32,
    y: i32,
}

impl Step {
    fn point(self, point: (i16, i16)) -> (i16, i16) {
        (point.0 + self.x as i16, point.1 + self.y as i16)
    }

    /// Moves the surface the other way, so that its pixels are where they were.
    fn withdraw(self, surface: &mut Surface, depth: Depth) {
        let bytes = i64::from(self.x) * depth.bytes() as i64;
        let columns = match surface.layout {
            Layout::Linear => bytes,
            Layout::X => bytes / 512 * 4096,
            Layout::Y => bytes / 128 * 4096,
        };
        let rows = i64::from(self.y) * i64::from(surface.pitch);
        surface.address = surface.address.wrapping_add_signed(-rows - columns);
    }
}

/// Copies within one surface that cover a part of their source, in every direction.
pub(super) fn overlaps(random: &mut Random, base: u64) -> Blit {
    let blit = copies(random, base);
    let at = (
        blit.area.left + random.within(-12, 13) as i16,
        blit.area.top + random.within(-8, 9) as i16,
    );
    let source = Source::Pixels { surface: blit.target, at };
    Blit { source, ..blit }
}

/// XY_FULL_BLT with any operation.
pub(super) fn operations(random: &mut Random, base: u64) -> Blit {
    let blit = copies(random, base);
    let inline = random.coin();
    Blit {
        rop: random.dword() as u8,
        pattern: color_pattern(random, base, blit.depth, inline),
        seeds: seeds(random),
        ..blit
    }
}

/// Patterns of pixels and bits, in memory and in the packet.
pub(super) fn patterns(random: &mut Random, base: u64) -> Blit {
    let blit = fills(random, base);
    let pattern = match random.within(0, 3) {
        0 => bit_pattern(random),
        kind => color_pattern(random, base, blit.depth, kind == 1),
    };
    Blit { pattern, seeds: seeds(random), ..blit }
}

/// Bits in memory or in the packet as a source, with and without a pattern.
pub(super) fn expansions(random: &mut Random, base: u64) -> Blit {
    let blit = fills(random, base);
    let inline = random.within(0, 4) == 0;
    let source = bits(random, base, &blit, inline);
    let (pattern, rop) = match random.within(0, 4) {
        0 if !inline => (bit_pattern(random), random.dword() as u8),
        1 if !inline => (color_pattern(random, base, blit.depth, false), random.dword() as u8),
        2 if !inline => (color_pattern(random, base, blit.depth, true), random.dword() as u8),
        _ => (Pattern::None, of_source(random.dword() as u8)),
    };
    Blit { source, pattern, rop, seeds: seeds(random), ..blit }
}

/// XY_FULL_MONO_PATTERN_BLT: pixels with a pattern of bits.
pub(super) fn pixels_and_bits(random: &mut Random, base: u64) -> Blit {
    let blit = copies(random, base);
    Blit { rop: random.dword() as u8, pattern: bit_pattern(random), seeds: seeds(random), ..blit }
}

/// Ranges of colors of the source, or of the destination.
pub(super) fn chroma(random: &mut Random, base: u64) -> Blit {
    let (low, high) = (random.dword() & 0x3f7f_3f3f, random.dword() | 0xc0c0_c0c0);
    match random.coin() {
        true => {
            let alpha = random.coin();
            let range = Chroma { low, high, alpha, destination: false };
            Blit { chroma: Some(range), ..copies(random, base) }
        }
        false => {
            let blit = fills(random, base);
            let inline = random.coin();
            // Every alpha is in the range: sources disagree on which mode counts it.
            let alpha = match blit.depth {
                Depth::Bits8 | Depth::Rgb565 => 0,
                Depth::Argb1555 => 0x8000,
                Depth::Argb8888 => 0xff00_0000,
            };
            let (low, high) = (low & !alpha, high | alpha);
            let range = Chroma { low, high, alpha: random.coin(), destination: true };
            Blit {
                pattern: color_pattern(random, base, blit.depth, inline),
                seeds: seeds(random),
                chroma: Some(range),
                ..blit
            }
        }
    }
}

/// Pixels, scan lines and texts with the operands of a setup.
pub(super) fn setups(random: &mut Random, base: u64) -> Blit {
    let form = Form::Setup { byte_packed: random.coin() };
    let blit = Blit { form, ..fills(random, base) };
    let text = |random: &mut Random, inline| Blit {
        rop: ROP_SOURCE,
        source: bits(random, base, &blit, inline),
        pattern: Pattern::None,
        ..blit.clone()
    };
    match random.within(0, 5) {
        0 => text(random, false),
        1 => text(random, true),
        2 => {
            let Rectangle { left, top, .. } = blit.area;
            Blit { area: Rectangle { left, top, right: left + 1, bottom: top + 1 }, ..blit }
        }
        3 => Blit { pattern: bit_pattern(random), seeds: seeds(random), ..blit },
        _ => {
            let pattern = color_pattern(random, base, blit.depth, false);
            Blit { pattern, seeds: seeds(random), ..blit }
        }
    }
}

/// COLOR_BLT and SRC_COPY_BLT: linear, from the first pixel on.
pub(super) fn plain(random: &mut Random, base: u64) -> Blit {
    let blit = fill(random, base, Layout::Linear);
    let area = Rectangle {
        left: 0,
        top: 0,
        right: blit.area.right - blit.area.left,
        bottom: blit.area.bottom - blit.area.top,
    };
    let blit = Blit { form: Form::Plain, area, clip: None, ..blit };
    if random.coin() {
        return blit;
    }
    let surface = surface(random, base + SOURCE, Layout::Linear);
    let source = Source::Pixels { surface, at: (0, 0) };
    Blit { rop: of_source(random.dword() as u8), source, pattern: Pattern::None, ..blit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_without_an_operand_has_the_same_result_for_both_of_its_values() {
        for rop in 0..=255 {
            let (p, s) = (of_pattern(rop), of_source(rop));
            assert_eq!(p >> 2 & 0x33, p & 0x33);
            assert_eq!(s >> 4, s & 0x0f);
        }
    }

    #[test]
    fn blits_stay_in_their_part_of_the_field() {
        let makers: [Maker; 11] = [
            fills,
            copies,
            overlaps,
            operations,
            patterns,
            expansions,
            pixels_and_bits,
            chroma,
            setups,
            plain,
            far,
        ];
        let before = super::super::reference::Image {
            base: 0x1000_0000,
            bytes: Random::new(1).bytes(FIELD),
        };
        for (seed, maker) in (0..).zip(makers) {
            let mut random = Random::new(seed);
            let mut image = before.clone();
            for _ in 0..300 {
                let blit = maker(&mut random, image.base);
                image.draw(&blit);
            }
            // The source and the data of everything else are as they were.
            assert_eq!(image.bytes[112 << 10..], before.bytes[112 << 10..], "{seed}");
            assert_ne!(image.bytes, before.bytes, "{seed}");
        }
    }
}
