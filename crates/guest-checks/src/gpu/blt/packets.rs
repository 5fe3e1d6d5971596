//! From blits to packets.

use super::{Blit, Colors, Data, Depth, Form, Layout, Pattern, Rectangle, Source, Surface};
use crate::gpu::Batch;

/// MI_LOAD_REGISTER_IMM and MI_FLUSH_DW, without their length.
const LOAD_REGISTER_IMM: u32 = 0x22 << 23;
const FLUSH_DW: u32 = 0x26 << 23;
/// BCS_SWCTRL: which format a tiled surface has. Bits 31:16 enable the write of 15:0.
const BCS_SWCTRL: u32 = 0x2_2200;
const SOURCE_Y: u32 = 1 << 0;
const DESTINATION_Y: u32 = 1 << 1;

/// Header bits.
const WRITE_ALPHA: u32 = 1 << 21;
const WRITE_RGB: u32 = 1 << 20;
const BYTE_PACKED: u32 = 1 << 16;
const SOURCE_TILED: u32 = 1 << 15;
const DESTINATION_TILED: u32 = 1 << 11;
/// BR13 (and BR01) bits.
const SOLID_PATTERN: u32 = 1 << 31;
const CLIP: u32 = 1 << 30;
const TRANSPARENT_SOURCE: u32 = 1 << 29;
const TRANSPARENT_PATTERN: u32 = 1 << 28;

impl Surface {
    /// The pitch as packets have it: in bytes, or in dwords of a tiled surface.
    fn pitch_field(&self) -> u32 {
        let tiled = self.layout != Layout::Linear;
        u32::from((if tiled { self.pitch / 4 } else { self.pitch }) as u16)
    }

    /// `bit` if it is tiled.
    fn tiled(&self, bit: u32) -> u32 {
        if self.layout == Layout::Linear { 0 } else { bit }
    }
}

/// Two coordinates in a dword.
fn point(x: i16, y: i16) -> u32 {
    u32::from(y as u16) << 16 | u32::from(x as u16)
}

fn corners(rectangle: Rectangle) -> [u32; 2] {
    [point(rectangle.left, rectangle.top), point(rectangle.right, rectangle.bottom)]
}

fn wide(address: u64) -> [u32; 2] {
    [address as u32, (address >> 32) as u32]
}

/// Immediate data: an even number of dwords.
fn dwords(bytes: &[u8]) -> Vec<u32> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.chunks_exact(4).map(|d| u32::from_le_bytes([d[0], d[1], d[2], d[3]])).collect()
}

fn header(opcode: u32) -> u32 {
    2 << 29 | opcode << 22
}

impl Blit {
    /// `batch` with this blit behind its commands.
    pub(crate) fn append(&self, batch: Batch) -> Batch {
        let batch = self.set_tiling(batch);
        match self.form {
            Form::Xy => self.xy(self.set_clip(batch)),
            Form::Plain => self.plain(batch),
            Form::Setup { byte_packed } => self.with_setup(batch, byte_packed),
        }
    }

    /// The format of tiled surfaces. What was drawn before must be done when it changes.
    fn set_tiling(&self, batch: Batch) -> Batch {
        let source = match &self.source {
            Source::Pixels { surface, .. } if surface.layout == Layout::Y => SOURCE_Y,
            _ => 0,
        };
        let target = if self.target.layout == Layout::Y { DESTINATION_Y } else { 0 };
        let value = (SOURCE_Y | DESTINATION_Y) << 16 | source | target;
        batch.command(FLUSH_DW, &[0; 3]).command(LOAD_REGISTER_IMM, &[BCS_SWCTRL, value])
    }

    fn set_clip(&self, batch: Batch) -> Batch {
        match self.clip {
            None => batch,
            Some(clip) => batch.command(header(0x03), &corners(clip)),
        }
    }

    /// BR13, or BR01 of a setup.
    fn control(&self) -> u32 {
        let depth = Depth::ALL.iter().position(|depth| *depth == self.depth).unwrap_or(0) as u32;
        let mut control = depth << 24 | u32::from(self.rop) << 16 | self.target.pitch_field();
        if self.clip.is_some() {
            control |= CLIP;
        }
        if matches!(&self.source, Source::Bits { colors, .. } if colors.transparent) {
            control |= TRANSPARENT_SOURCE;
        }
        if let Pattern::Bits { colors, solid, .. } = &self.pattern {
            control |= if colors.transparent { TRANSPARENT_PATTERN } else { 0 };
            control |= if *solid { SOLID_PATTERN } else { 0 };
        }
        control
    }

    fn write_mask(&self) -> u32 {
        let alpha = if self.alpha { WRITE_ALPHA } else { 0 };
        let rgb = if self.rgb { WRITE_RGB } else { 0 };
        alpha | rgb
    }

    /// Column and row of the pattern, and whether the target is tiled.
    fn target_bits(&self) -> u32 {
        self.seeds.0 << 12 | self.seeds.1 << 8 | self.target.tiled(DESTINATION_TILED)
    }

    fn xy(&self, batch: Batch) -> Batch {
        let mut bits = self.write_mask() | self.target_bits();
        let mut operands = vec![self.control()];
        operands.extend(corners(self.area));
        operands.extend(wide(self.target.address));
        let mut immediate = Vec::new();
        match &self.source {
            Source::None => {}
            Source::Pixels { surface, at } => {
                bits |= surface.tiled(SOURCE_TILED);
                operands.extend([point(at.0, at.1), surface.pitch_field()]);
                operands.extend(wide(surface.address));
            }
            Source::Bits { data, first, colors } => {
                bits |= first << 17;
                match data {
                    Data::At(address) => operands.extend(wide(*address)),
                    Data::Inline(bytes) => immediate = dwords(bytes),
                }
                operands.extend([colors.background, colors.foreground]);
            }
        }
        match &self.pattern {
            Pattern::None => {}
            Pattern::Solid(color) => operands.push(*color),
            Pattern::Pixels(Data::At(address)) => operands.extend(wide(*address)),
            Pattern::Pixels(Data::Inline(bytes)) => immediate = dwords(bytes),
            Pattern::Bits { rows, colors, .. } => {
                operands.extend([colors.background, colors.foreground]);
                operands.extend(wide(u64::from_le_bytes(*rows)));
            }
        }
        if let Some(chroma) = &self.chroma {
            let destination = u32::from(chroma.destination) << 2;
            bits |= (destination | u32::from(chroma.alpha) << 1 | 1) << 17;
            operands.extend([chroma.low, chroma.high]);
        }
        operands.extend(immediate);
        batch.command(header(self.xy_opcode()) | bits, &operands)
    }

    fn xy_opcode(&self) -> u32 {
        use Data::{At, Inline};
        let chroma = self.chroma.is_some();
        match (&self.source, &self.pattern) {
            (Source::None, Pattern::Solid(_) | Pattern::None) => 0x50,
            (Source::None, Pattern::Pixels(At(_))) if chroma => 0x76,
            (Source::None, Pattern::Pixels(At(_))) => 0x51,
            (Source::None, Pattern::Pixels(Inline(_))) if chroma => 0x77,
            (Source::None, Pattern::Pixels(Inline(_))) => 0x72,
            (Source::None, Pattern::Bits { .. }) => 0x52,
            (Source::Pixels { .. }, Pattern::Solid(_) | Pattern::None) if chroma => 0x73,
            (Source::Pixels { .. }, Pattern::Solid(_) | Pattern::None) => 0x53,
            (Source::Pixels { .. }, Pattern::Pixels(At(_))) => 0x55,
            (Source::Pixels { .. }, Pattern::Pixels(Inline(_))) => 0x74,
            (Source::Pixels { .. }, Pattern::Bits { .. }) => 0x57,
            (Source::Bits { data: Inline(_), .. }, _) => 0x71,
            (Source::Bits { .. }, Pattern::Solid(_) | Pattern::None) => 0x54,
            (Source::Bits { .. }, Pattern::Pixels(At(_))) => 0x56,
            (Source::Bits { .. }, Pattern::Pixels(Inline(_))) => 0x75,
            (Source::Bits { .. }, Pattern::Bits { .. }) => 0x58,
        }
    }

    fn plain(&self, batch: Batch) -> Batch {
        let width = self.area.right as usize * self.depth.bytes();
        let mut operands = vec![self.control(), point(width as i16, self.area.bottom)];
        operands.extend(wide(self.target.address));
        let opcode = match (&self.source, &self.pattern) {
            (Source::Pixels { surface, .. }, _) => {
                operands.push(surface.pitch_field());
                operands.extend(wide(surface.address));
                0x43
            }
            (_, Pattern::Solid(color)) => {
                operands.push(*color);
                0x40
            }
            _ => 0x40,
        };
        batch.command(header(opcode) | self.write_mask(), &operands)
    }

    fn with_setup(&self, batch: Batch, byte_packed: bool) -> Batch {
        let everywhere = Rectangle { left: -0x8000, top: -0x8000, right: 0x7fff, bottom: 0x7fff };
        let mut setup = vec![self.control()];
        setup.extend(corners(self.clip.unwrap_or(everywhere)));
        setup.extend(wide(self.target.address));
        let (mut opcode, mut colors, mut pattern) = (0x01, [0; 2], 0);
        match (&self.source, &self.pattern) {
            (Source::Bits { colors: Colors { background, foreground, .. }, .. }, _) => {
                colors = [*background, *foreground];
            }
            (_, Pattern::Solid(color)) => colors[0] = *color,
            (_, Pattern::Pixels(Data::At(address))) => pattern = *address,
            (_, Pattern::Bits { rows, colors: Colors { background, foreground, .. }, .. }) => {
                (opcode, pattern) = (0x11, u64::from_le_bytes(*rows));
                colors = [*background, *foreground];
            }
            _ => {}
        }
        setup.extend(colors);
        setup.extend(wide(pattern));
        let tiled = self.target.tiled(DESTINATION_TILED);
        let batch = batch.command(header(opcode) | self.write_mask() | tiled, &setup);
        self.after_setup(batch, byte_packed)
    }

    fn after_setup(&self, batch: Batch, byte_packed: bool) -> Batch {
        let packed = if byte_packed { BYTE_PACKED } else { 0 };
        let bits = self.target_bits();
        let mut operands = corners(self.area).to_vec();
        match (&self.source, &self.pattern) {
            (Source::Bits { data: Data::At(address), .. }, _) => {
                operands.extend(wide(*address));
                batch.command(header(0x26) | bits | packed, &operands)
            }
            (Source::Bits { data: Data::Inline(bytes), .. }, _) => {
                operands.extend(dwords(bytes));
                batch.command(header(0x31) | bits | packed, &operands)
            }
            (_, Pattern::Solid(_)) => batch.command(header(0x24) | bits, &operands[..1]),
            _ => batch.command(header(0x25) | bits, &operands),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against i915's own XY_SRC_COPY_BLT_CMD and XY_COLOR_BLT_CMD of Gen8.
    #[test]
    fn fills_and_copies_are_those_of_i915() {
        let surface = Surface { address: 0x1_0000_2000, pitch: 4096, layout: Layout::Linear };
        let fill = Blit {
            form: Form::Xy,
            target: surface,
            depth: Depth::Argb8888,
            rop: 0xf0,
            area: Rectangle { left: 0, top: 0, right: 1024, bottom: 2 },
            clip: None,
            alpha: true,
            rgb: true,
            source: Source::None,
            pattern: Pattern::Solid(7),
            seeds: (0, 0),
            chroma: None,
        };
        let of = |blit: &Blit| blit.xy(Batch::default()).dwords().to_vec();
        let dwords = [0x5430_0005, 0x03f0_1000, 0, 0x2_0400, 0x2000, 1, 7];
        assert_eq!(of(&fill), dwords);
        let tiled = Surface { layout: Layout::X, ..surface };
        let copy = Blit {
            rop: 0xcc,
            source: Source::Pixels { surface: tiled, at: (-1, 3) },
            pattern: Pattern::None,
            ..fill
        };
        let dwords = [0x54f0_8008, 0x03cc_1000, 0, 0x2_0400, 0x2000, 1, 0x3_ffff, 1024, 0x2000, 1];
        assert_eq!(of(&copy), dwords);
    }
}
