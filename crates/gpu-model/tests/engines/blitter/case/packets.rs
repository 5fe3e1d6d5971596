//! A case as the device sees it: the dwords of its batch.

use gen8_spec::commands::blt::{self, PatternOperand, SourceOperand};

use super::super::field::{FIELD_VA, formats};
use super::{Case, DATA, Kind, Layout, plain};

impl Case {
    /// Flags of the drawing packet.
    pub(super) fn header(&self) -> u32 {
        let (destination, source) = self.surfaces();
        let mut header =
            self.seeds.0 << blt::PATTERN_X_SHIFT | self.seeds.1 << blt::PATTERN_Y_SHIFT;
        if destination.layout != Layout::Linear {
            header |= blt::DESTINATION_TILED;
        }
        match self.kind {
            Kind::Xy(packet) => {
                header |= self.write_flags();
                if packet.source == SourceOperand::Color && source.layout != Layout::Linear {
                    header |= blt::SOURCE_TILED;
                }
                if packet.pattern == PatternOperand::Fixed {
                    header |= self.fixed << blt::FIXED_PATTERN_SHIFT;
                } else if packet.chroma {
                    header |= self.chroma.0 << blt::CHROMA_SHIFT;
                } else {
                    header |= self.first_bit << blt::MONO_BIT_SHIFT;
                }
            }
            Kind::Color | Kind::Copy => header |= self.write_flags(),
            Kind::Text | Kind::TextImmediate if self.byte_packed => header |= blt::TEXT_BYTE_PACKED,
            _ => {}
        }
        header
    }

    fn write_flags(&self) -> u32 {
        let flag = |set, bit| if set { bit } else { 0 };
        flag(self.write.0, blt::WRITE_ALPHA) | flag(self.write.1, blt::WRITE_RGB)
    }

    /// BR13.
    fn control(&self) -> u32 {
        let mut control = pitch(self.surfaces().0);
        control |= self.depth << blt::DEPTH_SHIFT | u32::from(self.rop) << blt::ROP_SHIFT;
        if self.clip.is_some() {
            control |= blt::CLIP;
        }
        if self.source_colors.2 {
            control |= blt::MONO_SOURCE_TRANSPARENT;
        }
        if self.pattern_colors.2 {
            control |= blt::MONO_PATTERN_TRANSPARENT;
        }
        control
    }

    /// The batch: formats, clip rectangle or setup, and the drawing packet.
    pub(crate) fn commands(&self) -> Vec<u32> {
        let (destination, source) = self.surfaces();
        let mut commands =
            formats(source.layout == Layout::Y, destination.layout == Layout::Y).to_vec();
        match self.kind {
            Kind::Xy(packet) => {
                commands.extend(packet_of(blt::XY_SETUP_CLIP, 0, self.clip_corners()));
                commands.extend(packet_of(packet.opcode, self.header(), self.operands(packet)));
            }
            Kind::Color | Kind::Copy => commands.extend(self.without_coordinates()),
            _ => {
                commands.extend(self.setup());
                commands.extend(self.drawing());
            }
        }
        commands
    }

    fn clip_corners(&self) -> [u32; 2] {
        corners(self.clip.unwrap_or(self.other_clip))
    }

    fn operands(&self, packet: blt::XyPacket) -> Vec<u32> {
        let (destination, source) = self.surfaces();
        let mut dwords = vec![self.control()];
        dwords.extend(corners(self.rectangle()));
        dwords.extend(address(destination.base));
        let source_colors = [self.source_colors.0, self.source_colors.1];
        let pattern_colors = [self.pattern_colors.0, self.pattern_colors.1];
        match packet.source {
            SourceOperand::None => {}
            SourceOperand::Color => {
                dwords.extend([point(self.from.0, self.from.1), pitch(source)]);
                dwords.extend(address(source.base));
            }
            SourceOperand::Mono => {
                dwords.extend(address(DATA));
                dwords.extend(source_colors);
            }
            SourceOperand::MonoImmediate => dwords.extend(source_colors),
        }
        match packet.pattern {
            PatternOperand::None | PatternOperand::Immediate => {}
            PatternOperand::Solid => dwords.push(self.pattern_colors.0),
            PatternOperand::Color => dwords.extend(address(DATA)),
            PatternOperand::Mono => {
                dwords.extend(pattern_colors);
                dwords.extend(self.immediate(8));
            }
            PatternOperand::Fixed => dwords.extend(pattern_colors),
        }
        if packet.chroma {
            dwords.extend([self.chroma.1, self.chroma.2]);
        }
        if packet.pattern == PatternOperand::Immediate {
            dwords.extend(self.immediate(64 * self.pixel_bytes() as usize));
        }
        if packet.source == SourceOperand::MonoImmediate {
            dwords.extend(self.immediate(self.bits_len()));
        }
        dwords
    }

    /// Bytes of the monochrome source.
    fn bits_len(&self) -> usize {
        match self.blit().source {
            plain::Source::Mono { bits, .. } => {
                let (width, height) = (self.size.0.max(0), self.size.1.max(0));
                ((bits.first + bits.stride * i64::from(height) + i64::from(width)) / 8 + 1) as usize
            }
            _ => 0,
        }
    }

    /// Dwords that the last packet cannot do without; it is `dwords` long. Immediate bits are given
    /// in plenty.
    pub(crate) fn needed_dwords(&self, dwords: usize) -> usize {
        let immediate = match self.kind {
            Kind::TextImmediate => true,
            Kind::Xy(packet) => packet.source == SourceOperand::MonoImmediate,
            _ => false,
        };
        if !immediate {
            return dwords;
        }
        let given = self.bits_len().div_ceil(4);
        let plain::Source::Mono { bits, .. } = self.blit().source else {
            return dwords;
        };
        let (width, height) = (i64::from(self.size.0), i64::from(self.size.1));
        let used = match width > 0 && height > 0 {
            true => ((height - 1) * bits.stride + bits.first + width + 31) / 32,
            false => 0,
        };
        dwords - given + used as usize
    }

    fn immediate(&self, bytes: usize) -> impl Iterator<Item = u32> + '_ {
        let dwords = self.data.chunks_exact(4).take(bytes.div_ceil(4));
        dwords.map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    fn without_coordinates(&self) -> Vec<u32> {
        let (destination, source) = self.surfaces();
        let (_, _, width, height) = self.rectangle();
        let size = u32::from(height as u16) << 16 | (i64::from(width) * self.pixel_bytes()) as u32;
        let mut dwords = vec![self.control(), size];
        dwords.extend(address(destination.base));
        if matches!(self.kind, Kind::Color) {
            dwords.push(self.pattern_colors.0);
            return packet_of(blt::COLOR, self.header(), dwords);
        }
        dwords.push(pitch(source));
        dwords.extend(address(source.base));
        packet_of(blt::SRC_COPY, self.header(), dwords)
    }

    fn setup(&self) -> Vec<u32> {
        let mono = matches!(self.kind, Kind::ScanlinesSolid | Kind::ScanlinesMono);
        let mut control = self.control();
        if matches!(self.kind, Kind::ScanlinesSolid) {
            control |= blt::SOLID_PATTERN;
        }
        let mut dwords = vec![control];
        dwords.extend(self.clip_corners());
        dwords.extend(address(self.surfaces().0.base));
        dwords.extend([self.source_colors.0, self.source_colors.1]);
        let opcode = if mono { blt::XY_SETUP_MONO_PATTERN_SL } else { blt::XY_SETUP };
        match mono {
            true => dwords.extend(self.immediate(8)),
            false => dwords.extend(address(DATA)),
        }
        packet_of(opcode, self.write_flags(), dwords)
    }

    fn drawing(&self) -> Vec<u32> {
        let rectangle = self.rectangle();
        let mut dwords = corners(rectangle).to_vec();
        let opcode = match self.kind {
            Kind::Pixel => {
                dwords.truncate(1);
                blt::XY_PIXEL
            }
            Kind::Text => {
                dwords.extend(address(DATA));
                blt::XY_TEXT
            }
            Kind::TextImmediate => {
                dwords.extend(self.immediate(self.bits_len()));
                blt::XY_TEXT_IMMEDIATE
            }
            _ => blt::XY_SCANLINES,
        };
        packet_of(opcode, self.header(), dwords)
    }
}

/// A packet with these flags and operands.
pub(crate) fn packet_of(
    opcode: u32,
    flags: u32,
    operands: impl IntoIterator<Item = u32>,
) -> Vec<u32> {
    let mut packet = vec![0];
    packet.extend(operands);
    packet[0] = blt::header(opcode, packet.len() as u32) | flags;
    packet
}

/// The operand of an offset into the field.
pub(crate) fn address(offset: i64) -> [u32; 2] {
    let va = FIELD_VA.wrapping_add_signed(offset);
    [va as u32, (va >> 32) as u32]
}

/// The operand of a pixel.
pub(crate) fn point(x: i16, y: i16) -> u32 {
    u32::from(y as u16) << 16 | u32::from(x as u16)
}

fn corners((left, top, right, bottom): (i16, i16, i16, i16)) -> [u32; 2] {
    [point(left, top), point(right, bottom)]
}

/// The pitch field of a surface.
fn pitch(surface: plain::Surface) -> u32 {
    let pitch = match surface.layout {
        Layout::Linear => surface.pitch,
        _ => surface.pitch / 4,
    };
    (pitch as u32) & 0xffff
}
