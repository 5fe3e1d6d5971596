//! A random blit, told twice: to the reference, and (`packets`) to the device.

mod packets;
mod small;

use gen8_spec::commands::blt::{self, PatternOperand, SourceOperand};
use proptest::prelude::*;

use super::reference::{self as plain, Layout};
pub(crate) use packets::{address, packet_of, point};

/// Offsets into the field: there is room on both sides for negative pitches and coordinates.
const DESTINATION: i64 = 320 << 10;
const SOURCE: i64 = 960 << 10;
/// Patterns and bits.
pub(crate) const DATA: i64 = 1400 << 10;
/// Bytes of them.
pub(crate) const DATA_BYTES: usize = 1024;

/// How the blit is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Xy(blt::XyPacket),
    Color,
    Copy,
    Pixel,
    /// Scan lines of a solid, monochrome or color pattern.
    ScanlinesSolid,
    ScanlinesMono,
    ScanlinesColor,
    Text,
    TextImmediate,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    layout: Layout,
    /// In units of 128 bytes.
    pitch: i64,
    downwards: bool,
    unaligned: i64,
}

impl Shape {
    fn surface(self, base: i64, least_pitch: i64) -> plain::Surface {
        let pitch = (128 * self.pitch).max(least_pitch);
        match self.layout {
            Layout::Linear => plain::Surface {
                base: base + self.unaligned,
                pitch: if self.downwards { -pitch } else { pitch },
                layout: Layout::Linear,
            },
            Layout::X => plain::Surface { base, pitch: pitch / 512 * 512, layout: Layout::X },
            Layout::Y => plain::Surface { base, pitch, layout: Layout::Y },
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    depth: u32,
    rop: u8,
    write: (bool, bool),
    destination: Shape,
    source: Shape,
    /// Source and destination are the same surface.
    overlap: bool,
    at: (i16, i16),
    size: (i16, i16),
    from: (i16, i16),
    clip: Option<(i16, i16, i16, i16)>,
    other_clip: (i16, i16, i16, i16),
    first_bit: u32,
    byte_packed: bool,
    source_colors: (u32, u32, bool),
    pattern_colors: (u32, u32, bool),
    seeds: (u32, u32),
    chroma: (u32, u32, u32),
    fixed: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) budget: u32,
}

/// Those that draw no rectangle by themselves.
const OTHERS: [Kind; 8] = [
    Kind::Color,
    Kind::Copy,
    Kind::Pixel,
    Kind::ScanlinesSolid,
    Kind::ScanlinesMono,
    Kind::ScanlinesColor,
    Kind::Text,
    Kind::TextImmediate,
];
const LAYOUTS: [Layout; 3] = [Layout::Linear, Layout::X, Layout::Y];

fn kind() -> impl Strategy<Value = Kind> {
    let xy = proptest::sample::select(blt::XY_PACKETS.to_vec()).prop_map(Kind::Xy);
    prop_oneof![2 => xy, 1 => proptest::sample::select(OTHERS.to_vec())]
}

fn shape() -> impl Strategy<Value = Shape> {
    let layout = proptest::sample::select(LAYOUTS.to_vec());
    (layout, 4i64..=16, any::<bool>(), prop_oneof![Just(0i64), 0..64i64]).prop_map(
        |(layout, pitch, downwards, unaligned)| Shape { layout, pitch, downwards, unaligned },
    )
}

fn clip() -> impl Strategy<Value = (i16, i16, i16, i16)> {
    (-20i16..120, -20i16..120, -30i16..150, -30i16..150)
}

fn colors() -> impl Strategy<Value = (u32, u32, bool)> {
    (any::<u32>(), any::<u32>(), any::<bool>())
}

prop_compose! {
    pub(crate) fn case()(
        (kind, depth) in (kind(), 0u32..4),
        rop in prop_oneof![1 => Just(0xcc), 1 => Just(0xf0), 3 => any::<u8>()],
        write in prop_oneof![2 => Just((true, true)), 1 => any::<(bool, bool)>()],
        (destination, source) in (shape(), shape()),
        overlap in any::<bool>(),
        at in (-20i16..100, -20i16..100),
        size in (-2i16..70, -2i16..40),
        from in (-20i16..100, -20i16..100),
        (clip, other_clip) in (proptest::option::of(clip()), clip()),
        (first_bit, byte_packed) in (0u32..8, any::<bool>()),
        (source_colors, pattern_colors) in (colors(), colors()),
        seeds in (0u32..8, 0u32..8),
        chroma in (0u32..8, any::<u32>(), any::<u32>()),
        fixed in 0u32..6,
        data in proptest::collection::vec(any::<u8>(), DATA_BYTES),
        budget in 1u32..2000,
    ) -> Case {
        Case {
            kind, depth, rop, write, destination, source, overlap, at, size, from, clip, other_clip,
            first_bit, byte_packed, source_colors, pattern_colors, seeds, chroma, fixed, data, budget,
        }
    }
}

impl Case {
    fn linear_only(&self) -> bool {
        matches!(self.kind, Kind::Color | Kind::Copy)
    }

    fn surfaces(&self) -> (plain::Surface, plain::Surface) {
        let linear = |shape: Shape| match self.linear_only() {
            true => Shape { layout: Layout::Linear, ..shape },
            false => shape,
        };
        // Rows of a surface that overlaps itself must not reach into each other.
        let overlap = self.overlap && !self.linear_only();
        let destination =
            linear(self.destination).surface(DESTINATION, if overlap { 2048 } else { 0 });
        match overlap {
            true => (destination, destination),
            false => (destination, linear(self.source).surface(SOURCE, 0)),
        }
    }

    fn rectangle(&self) -> (i16, i16, i16, i16) {
        let ((x, y), (width, height)) = (self.at, self.size);
        match self.kind {
            Kind::Color | Kind::Copy => (0, 0, width.max(0), height.max(0)),
            Kind::Pixel => (x, y, x + 1, y + 1),
            _ => (x, y, x + width, y + height),
        }
    }

    fn pixel_bytes(&self) -> i64 {
        [1, 2, 2, 4][self.depth as usize]
    }

    /// What the reference shall draw.
    pub(crate) fn blit(&self) -> plain::Blit {
        let (destination, source) = self.surfaces();
        let rectangle = wide(self.rectangle());
        let from = (i64::from(self.from.0), i64::from(self.from.1));
        let color_source = plain::Source::Color { surface: source, x: from.0, y: from.1 };
        let width = (rectangle.2 - rectangle.0).max(0);
        let mono = |first: i64, stride: i64| plain::Source::Mono {
            bits: plain::Bits { base: DATA, first, stride },
            colors: told(self.source_colors),
        };
        let rows = first_eight(&self.data);
        let mono_pattern = plain::Pattern::Mono { rows, colors: told(self.pattern_colors) };
        let first = i64::from(self.header() >> blt::MONO_BIT_SHIFT & 7);
        let words = (first + width + 15) / 16 * 16;
        let text = if self.byte_packed { (width + 7) / 8 * 8 } else { width };
        let background = plain::Pattern::Solid(self.source_colors.0);
        let (source, pattern) = match self.kind {
            Kind::Xy(packet) => (
                match packet.source {
                    SourceOperand::None => plain::Source::None,
                    SourceOperand::Color => color_source,
                    SourceOperand::Mono | SourceOperand::MonoImmediate => mono(first, words),
                },
                match packet.pattern {
                    PatternOperand::None => plain::Pattern::None,
                    PatternOperand::Solid => plain::Pattern::Solid(self.pattern_colors.0),
                    PatternOperand::Color | PatternOperand::Immediate => self.pattern_pixels(),
                    PatternOperand::Mono => mono_pattern,
                    PatternOperand::Fixed => plain::Pattern::Mono {
                        rows: blt::FIXED_PATTERNS[self.fixed as usize],
                        colors: told(self.pattern_colors),
                    },
                },
            ),
            Kind::Color => (plain::Source::None, plain::Pattern::Solid(self.pattern_colors.0)),
            Kind::Copy => match color_source {
                plain::Source::Color { surface, .. } => {
                    (plain::Source::Color { surface, x: 0, y: 0 }, plain::Pattern::None)
                }
                _ => unreachable!("a color source"),
            },
            Kind::Pixel | Kind::ScanlinesSolid => (plain::Source::None, background),
            Kind::ScanlinesMono => {
                let mut colors = told(self.source_colors);
                colors.transparent = self.pattern_colors.2;
                (plain::Source::None, plain::Pattern::Mono { rows, colors })
            }
            Kind::ScanlinesColor => (plain::Source::None, self.pattern_pixels()),
            Kind::Text | Kind::TextImmediate => (mono(0, text), plain::Pattern::None),
        };
        let chroma = matches!(self.kind, Kind::Xy(packet) if packet.chroma).then_some(self.chroma);
        let header = self.header();
        plain::Blit {
            depth: self.depth,
            rop: self.rop,
            write_alpha: self.write.0,
            write_rgb: self.write.1,
            destination,
            rectangle,
            clip: self.clip.filter(|_| !self.linear_only()).map(wide),
            source,
            pattern,
            // Some packets use these bits for something else.
            seeds: (
                (header >> blt::PATTERN_X_SHIFT & 7).into(),
                (header >> blt::PATTERN_Y_SHIFT & 7).into(),
            ),
            chroma,
        }
    }

    fn pattern_pixels(&self) -> plain::Pattern {
        let size = self.pixel_bytes() as usize;
        let pixels = self.data.chunks(size).take(64);
        let pixel = |bytes: &[u8]| bytes.iter().rev().fold(0, |all, &b| all << 8 | u32::from(b));
        plain::Pattern::Color(pixels.map(pixel).collect())
    }
}

fn told((background, foreground, transparent): (u32, u32, bool)) -> plain::Colors {
    plain::Colors { background, foreground, transparent }
}

fn wide((left, top, right, bottom): (i16, i16, i16, i16)) -> plain::Rectangle {
    (left.into(), top.into(), right.into(), bottom.into())
}

fn first_eight(data: &[u8]) -> [u8; 8] {
    data[..8].try_into().expect("eight bytes")
}
