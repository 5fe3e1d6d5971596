//! 2D packets of the blitter: class 2 in bits 31:29, opcode in bits 28:22, length in bits 7:0
//! (PRM Vol 2a and Vol 10; i915 `gt/intel_gpu_commands.h`; GVT `cmd_parser.c`; IGT
//! `lib/intel_batchbuffer.c`; xf86-video-intel `sna_blt.c` for the packets with patterns and setup).
//!
//! Compared with Gen7 every address takes one dword more. Bits without a name are ignored.

/// Class of 2D packets.
pub const CLASS: u32 = 2;

/// Opcode of a 2D header.
pub const fn opcode(header: u32) -> u32 {
    header >> 22 & 0x7f
}

/// A 2D header of `dwords` in all.
pub const fn header(opcode: u32, dwords: u32) -> u32 {
    CLASS << 29 | opcode << 22 | (dwords - 2) & 0xff
}

/// XY_SETUP_BLT: BR13, clip rectangle, destination, colors and pattern address for the text,
/// pixel and scan-line packets.
pub const XY_SETUP: u32 = 0x01;
/// XY_SETUP_CLIP_BLT: the clip rectangle alone.
pub const XY_SETUP_CLIP: u32 = 0x03;
/// XY_SETUP_MONO_PATTERN_SL_BLT: as XY_SETUP_BLT with eight bytes of monochrome pattern.
pub const XY_SETUP_MONO_PATTERN_SL: u32 = 0x11;
/// XY_PIXEL_BLT: one pixel in the setup's background color.
pub const XY_PIXEL: u32 = 0x24;
/// XY_SCANLINES_BLT: a rectangle of the setup's pattern.
pub const XY_SCANLINES: u32 = 0x25;
/// XY_TEXT_BLT: monochrome source from memory in the setup's colors.
pub const XY_TEXT: u32 = 0x26;
/// XY_TEXT_IMMEDIATE_BLT: the same with the source in the packet.
pub const XY_TEXT_IMMEDIATE: u32 = 0x31;
/// COLOR_BLT: a linear fill; width in bytes.
pub const COLOR: u32 = 0x40;
/// XY_FAST_COPY_BLT exists from Gen9 on; here its opcode is an error.
pub const XY_FAST_COPY_GEN9: u32 = 0x42;
/// SRC_COPY_BLT: a linear copy; width in bytes.
pub const SRC_COPY: u32 = 0x43;
/// XY_COLOR_BLT.
pub const XY_COLOR: u32 = 0x50;
/// XY_SRC_COPY_BLT.
pub const XY_SRC_COPY: u32 = 0x53;
/// XY_MONO_SRC_COPY_BLT.
pub const XY_MONO_SRC_COPY: u32 = 0x54;
/// XY_PAT_BLT_IMMEDIATE.
pub const XY_PAT_IMMEDIATE: u32 = 0x72;

/// Where the source operand of a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceOperand {
    /// There is none.
    None,
    /// A surface: first pixel, pitch, address.
    Color,
    /// Bits in memory: address, background, foreground.
    Mono,
    /// Bits behind the operands: background, foreground.
    MonoImmediate,
}

/// Where the pattern operand of a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternOperand {
    /// There is none.
    None,
    /// One color.
    Solid,
    /// Eight by eight pixels in memory: their address.
    Color,
    /// Eight by eight pixels behind the operands.
    Immediate,
    /// Background, foreground, eight bytes.
    Mono,
    /// Background, foreground; the header names one of the fixed patterns.
    Fixed,
}

/// A packet that draws a rectangle by itself. All begin with header, BR13, upper left and lower
/// right corner, destination address; then come source, pattern, colors of the chroma range and
/// immediate data, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XyPacket {
    /// Opcode, bits 28:22.
    pub opcode: u32,
    /// Source operand.
    pub source: SourceOperand,
    /// Pattern operand.
    pub pattern: PatternOperand,
    /// Low and high color of the chroma range follow.
    pub chroma: bool,
}

const fn xy(opcode: u32, source: SourceOperand, pattern: PatternOperand) -> XyPacket {
    XyPacket { opcode, source, pattern, chroma: false }
}

const fn chroma(packet: XyPacket) -> XyPacket {
    XyPacket { chroma: true, ..packet }
}

/// The packets that draw a rectangle by themselves.
pub const XY_PACKETS: [XyPacket; 17] = {
    use PatternOperand as P;
    use SourceOperand as S;
    [
        xy(XY_COLOR, S::None, P::Solid),
        xy(0x51, S::None, P::Color),
        xy(0x52, S::None, P::Mono),
        xy(XY_SRC_COPY, S::Color, P::None),
        xy(XY_MONO_SRC_COPY, S::Mono, P::None),
        xy(0x55, S::Color, P::Color),
        xy(0x56, S::Mono, P::Color),
        xy(0x57, S::Color, P::Mono),
        xy(0x58, S::Mono, P::Mono),
        xy(0x59, S::None, P::Fixed),
        xy(0x71, S::MonoImmediate, P::None),
        xy(XY_PAT_IMMEDIATE, S::None, P::Immediate),
        chroma(xy(0x73, S::Color, P::None)),
        xy(0x74, S::Color, P::Immediate),
        xy(0x75, S::Mono, P::Immediate),
        chroma(xy(0x76, S::None, P::Color)),
        chroma(xy(0x77, S::None, P::Immediate)),
    ]
};

/// The packet with this opcode.
pub fn xy_packet(opcode: u32) -> Option<XyPacket> {
    XY_PACKETS.into_iter().find(|packet| packet.opcode == opcode)
}

/// Header: write the alpha byte (32 bits a pixel).
pub const WRITE_ALPHA: u32 = 1 << 21;
/// Header: write the three color bytes (32 bits a pixel).
pub const WRITE_RGB: u32 = 1 << 20;
/// Header: bit position in its byte, from the left, of the first pixel of each row of a monochrome
/// source, 19:17.
pub const MONO_BIT_SHIFT: u32 = 17;
/// Header of packets with a chroma range: see `CHROMA_*`, 19:17.
pub const CHROMA_SHIFT: u32 = 17;
/// Header of XY_MONO_PAT_FIXED_BLT: number of the pattern, 18:15.
pub const FIXED_PATTERN_SHIFT: u32 = 15;
/// Header of the text packets: rows start at a byte, not at the next bit.
pub const TEXT_BYTE_PACKED: u32 = 1 << 16;
/// Header: the source is tiled.
pub const SOURCE_TILED: u32 = 1 << 15;
/// Header: pattern column at x = 0, 14:12.
pub const PATTERN_X_SHIFT: u32 = 12;
/// Header: the destination is tiled.
pub const DESTINATION_TILED: u32 = 1 << 11;
/// Header: pattern row at y = 0, 10:8.
pub const PATTERN_Y_SHIFT: u32 = 8;

/// BR13 of packets with a monochrome pattern: the pattern is the background color everywhere, as if
/// all its bits were 0 ("Solid Pattern Select"; so already in the PRM of the 815, 12.3.2).
pub const SOLID_PATTERN: u32 = 1 << 31;
/// BR13: clip to the rectangle of the last setup packet.
pub const CLIP: u32 = 1 << 30;
/// BR13: a 0 in a monochrome source leaves the pixel as it is.
pub const MONO_SOURCE_TRANSPARENT: u32 = 1 << 29;
/// BR13: a 0 in a monochrome pattern leaves the pixel as it is.
pub const MONO_PATTERN_TRANSPARENT: u32 = 1 << 28;
/// BR13: see `DEPTH_*`, 25:24.
pub const DEPTH_SHIFT: u32 = 24;
/// BR13: raster operation, 23:16; bit `P << 2 | S << 1 | D` is the result for these operands.
pub const ROP_SHIFT: u32 = 16;

/// [`DEPTH_SHIFT`]: 8 bits a pixel.
pub const DEPTH_8: u32 = 0;
/// [`DEPTH_SHIFT`]: 16 bits, red 5, green 6, blue 5.
pub const DEPTH_565: u32 = 1;
/// [`DEPTH_SHIFT`]: 16 bits, alpha 1, red 5, green 5, blue 5.
pub const DEPTH_1555: u32 = 2;
/// [`DEPTH_SHIFT`]: 32 bits, alpha 8, red 8, green 8, blue 8.
pub const DEPTH_8888: u32 = 3;

/// [`ROP_SHIFT`]: the source.
pub const ROP_SOURCE: u32 = 0xcc;
/// [`ROP_SHIFT`]: the pattern.
pub const ROP_PATTERN: u32 = 0xf0;

/// [`CHROMA_SHIFT`]: a range is used at all.
pub const CHROMA_ENABLE: u32 = 1 << 0;
/// [`CHROMA_SHIFT`]: alpha is compared too. That mode 3 is the source with alpha, and that pixels
/// outside of the range are drawn, shows in KolibriOS's i915 driver (`blit_video`), which relies on
/// both. UNVERIFIED: which of modes 5 and 7 has alpha; here 7, in the order of EMGD's
/// `IGD_*_TRANSP`.
pub const CHROMA_ALPHA: u32 = 1 << 1;
/// [`CHROMA_SHIFT`]: destination pixels in the range are written; without it source pixels outside.
pub const CHROMA_DESTINATION: u32 = 1 << 2;

/// The fixed patterns of XY_MONO_PAT_FIXED_BLT, a byte a row, bit 7 left: the six GDI hatches (Windows
/// DDI). UNVERIFIED: the pictures; the PRM gives names, and no public driver uses the packet. The
/// other numbers are reserved here.
pub const FIXED_PATTERNS: [[u8; 8]; 6] = [
    [0x00, 0x00, 0x00, 0xff, 0x00, 0x00, 0x00, 0x00],
    [0x08; 8],
    [0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01],
    [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80],
    [0x08, 0x08, 0x08, 0xff, 0x08, 0x08, 0x08, 0x08],
    [0x81, 0x42, 0x24, 0x18, 0x18, 0x24, 0x42, 0x81],
];

/// Address bits of a color pattern: it starts at a multiple of 64 bytes.
pub const PATTERN_ADDRESS_MASK: u64 = !0x3f;
/// Pixels in a row, and rows, of a pattern.
pub const PATTERN_SIZE: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_has_an_opcode_of_its_own() {
        for (i, packet) in XY_PACKETS.iter().enumerate() {
            assert_eq!(xy_packet(packet.opcode), Some(*packet));
            assert!(XY_PACKETS[..i].iter().all(|other| other.opcode != packet.opcode));
        }
    }

    #[test]
    fn headers_are_those_of_i915() {
        // gt/intel_gpu_commands.h: XY_COLOR_BLT_CMD | (7 - 2), XY_SRC_COPY_BLT_CMD | (10 - 2).
        assert_eq!(header(XY_COLOR, 7), 0x5400_0005);
        assert_eq!(header(XY_SRC_COPY, 10), 0x54c0_0008);
    }
}
