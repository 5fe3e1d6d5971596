//! From packets to blits.

use gen8_spec::commands::blt::{self, PatternOperand, SourceOperand};
use gen8_spec::mmio::ring as reg;
use gen8_spec::tiling::Tiling;

use super::blit::{
    Blit, Chroma, Colors, Depth, MonoBits, MonoSource, PATTERN_SIZE, Pattern, Rectangle, Seeds,
    Source,
};
use super::operands::Operands;
use super::rop::Rop;
use super::setup::{Setup, SetupPattern};
use super::surface::{Place, Surface};
use crate::engine::{Space, Stop};

/// Rows of a monochrome source that is no text start at a multiple of so many bits.
const MONO_ROW_BITS: u64 = 16;

/// Decodes a packet. `None` when it draws nothing: it was a setup.
pub(super) fn decode(operands: &mut Operands<'_, '_>) -> Result<Option<Blit>, Stop> {
    match blt::opcode(operands.header()) {
        blt::XY_SETUP | blt::XY_SETUP_MONO_PATTERN_SL => {
            let setup = Setup::decode(operands)?;
            *operands.setup() = setup;
            Ok(None)
        }
        blt::XY_SETUP_CLIP => {
            let corners = [operands.dword()?, operands.dword()?];
            operands.setup().set_clip(corners);
            Ok(None)
        }
        blt::XY_PIXEL => pixel(operands).map(Some),
        blt::XY_SCANLINES => scanlines(operands).map(Some),
        blt::XY_TEXT | blt::XY_TEXT_IMMEDIATE => text(operands).map(Some),
        blt::COLOR => color(operands).map(Some),
        blt::SRC_COPY => src_copy(operands).map(Some),
        opcode => match blt::xy_packet(opcode) {
            Some(packet) => xy(operands, packet).map(Some),
            None => Err(Stop::Instruction),
        },
    }
}

/// A blit of these operands' packet to `rectangle`, clipped if BR13 (`control`) says so, without
/// source and pattern. `header` holds the write mask.
fn blit(
    operands: &mut Operands<'_, '_>,
    header: u32,
    control: u32,
    rectangle: Rectangle,
    destination: Surface,
) -> Blit {
    let area = match control & blt::CLIP {
        0 => rectangle,
        _ => rectangle.intersection(operands.setup().clip()),
    };
    let depth = depth(control);
    Blit {
        packet: operands.packet(),
        destination,
        depth,
        rop: Rop((control >> blt::ROP_SHIFT) as u8),
        write_mask: write_mask(header, depth),
        origin: (rectangle.left, rectangle.top),
        area,
        source: Source::None,
        pattern: Pattern::Solid(0),
        seeds: seeds(operands.header()),
        chroma: None,
        leftwards: false,
        upwards: false,
        rows: 0,
        columns: 0,
    }
}

/// Packets that draw a rectangle by themselves.
fn xy(operands: &mut Operands<'_, '_>, packet: blt::XyPacket) -> Result<Blit, Stop> {
    let header = operands.header();
    let control = operands.dword()?;
    let rectangle = operands.rectangle()?;
    let base = operands.address()?;
    let destination = destination(operands, base, control);
    let mut blit = blit(operands, header, control, rectangle, destination);
    match packet.source {
        SourceOperand::None => {}
        SourceOperand::Color => color_source(operands, &mut blit, base)?,
        SourceOperand::Mono => {
            let address = operands.address()?;
            let bits = MonoBits::Memory(Surface::row(operands.space(), address));
            blit.source = Source::Mono(mono_source(operands, control, rectangle, bits)?);
        }
        // The bits come last.
        SourceOperand::MonoImmediate => {
            let bits = MonoBits::Inline(Vec::new());
            blit.source = Source::Mono(mono_source(operands, control, rectangle, bits)?);
        }
    }
    let mut pattern_address = None;
    match packet.pattern {
        PatternOperand::None | PatternOperand::Immediate => {}
        PatternOperand::Solid => blit.pattern = Pattern::Solid(operands.dword()?),
        PatternOperand::Color => pattern_address = Some(operands.address()?),
        PatternOperand::Mono => blit.pattern = mono_pattern(operands, control, None)?,
        PatternOperand::Fixed => {
            let number = header >> blt::FIXED_PATTERN_SHIFT & 0xf;
            let rows = blt::FIXED_PATTERNS.get(number as usize).ok_or(Stop::Instruction)?;
            blit.pattern = mono_pattern(operands, control, Some(*rows))?;
        }
    }
    if packet.chroma {
        blit.chroma = chroma(operands)?;
    }
    if packet.pattern == PatternOperand::Immediate {
        let bytes = operands.data(PATTERN_SIZE * PATTERN_SIZE * blit.depth.bytes())?;
        blit.pattern = color_pattern(&bytes, blit.depth);
    }
    if let Some(address) = pattern_address
        && blit.rop.uses_pattern()
        && !blit.area.is_empty()
    {
        blit.pattern = pattern_in_memory(operands, address, blit.depth)?;
    }
    if let Source::Mono(MonoSource { bits: MonoBits::Inline(data), first, stride, .. }) =
        &mut blit.source
    {
        *data = inline_bits(operands, *first, *stride, rectangle)?;
    }
    Ok(blit)
}

/// The source surface of a copy. Of operands with the same base the engine draws from the side that
/// saves what both cover (PRM Vol 10: no actual overlap is looked for).
fn color_source(operands: &mut Operands<'_, '_>, blit: &mut Blit, base: u64) -> Result<(), Stop> {
    let (x, y) = operands.point()?;
    let pitch = operands.dword()?;
    let address = operands.address()?;
    let tiled = operands.header() & blt::SOURCE_TILED != 0;
    let tiling = tiled.then(|| operands.tiling(reg::BCS_SOURCE_Y));
    let surface = surface(operands.space(), address, pitch, tiling);
    blit.leftwards = address == base && x < blit.origin.0;
    blit.upwards = address == base && y < blit.origin.1;
    blit.source = Source::Color { surface, x, y };
    Ok(())
}

/// Background and foreground of a monochrome source, whose rows begin at words.
fn mono_source(
    operands: &mut Operands<'_, '_>,
    control: u32,
    rectangle: Rectangle,
    bits: MonoBits,
) -> Result<MonoSource, Stop> {
    let first = u64::from(operands.header() >> blt::MONO_BIT_SHIFT & 7);
    let colors = Colors {
        background: operands.dword()?,
        foreground: operands.dword()?,
        transparent: control & blt::MONO_SOURCE_TRANSPARENT != 0,
    };
    let stride = (first + width(rectangle)).next_multiple_of(MONO_ROW_BITS);
    Ok(MonoSource { bits, first, stride, colors })
}

/// The bits of a monochrome source behind the operands: all rows of the rectangle.
fn inline_bits(
    operands: &mut Operands<'_, '_>,
    first: u64,
    stride: u64,
    rectangle: Rectangle,
) -> Result<Vec<u8>, Stop> {
    if rectangle.is_empty() {
        return Ok(Vec::new());
    }
    let rows = (i64::from(rectangle.bottom) - i64::from(rectangle.top)) as u64;
    let bits = (rows - 1) * stride + first + width(rectangle);
    operands.data(bits.div_ceil(8) as usize)
}

/// A pattern of two colors; what is not in `rows` comes behind the colors.
fn mono_pattern(
    operands: &mut Operands<'_, '_>,
    control: u32,
    rows: Option<[u8; PATTERN_SIZE]>,
) -> Result<Pattern, Stop> {
    let colors = Colors {
        background: operands.dword()?,
        foreground: operands.dword()?,
        transparent: control & blt::MONO_PATTERN_TRANSPARENT != 0,
    };
    let rows = match rows {
        Some(rows) => rows,
        None => operands.pattern_bits()?,
    };
    Ok(match control & blt::SOLID_PATTERN {
        0 => Pattern::Mono { rows, colors },
        _ => Pattern::Solid(colors.background),
    })
}

fn chroma(operands: &mut Operands<'_, '_>) -> Result<Option<Chroma>, Stop> {
    let (low, high) = (operands.dword()?, operands.dword()?);
    let mode = operands.header() >> blt::CHROMA_SHIFT;
    let chroma = Chroma {
        low,
        high,
        alpha: mode & blt::CHROMA_ALPHA != 0,
        destination: mode & blt::CHROMA_DESTINATION != 0,
    };
    Ok((mode & blt::CHROMA_ENABLE != 0).then_some(chroma))
}

/// The color pattern at an address.
fn pattern_in_memory(
    operands: &mut Operands<'_, '_>,
    address: u64,
    depth: Depth,
) -> Result<Pattern, Stop> {
    let surface = Surface::row(operands.space(), address & blt::PATTERN_ADDRESS_MASK);
    let mut bytes = vec![0; PATTERN_SIZE * PATTERN_SIZE * depth.bytes()];
    operands.read(&surface, Place { x: 0, y: 0 }, &mut bytes)?;
    Ok(color_pattern(&bytes, depth))
}

fn color_pattern(bytes: &[u8], depth: Depth) -> Pattern {
    let mut pixels = Box::new([[0; PATTERN_SIZE]; PATTERN_SIZE]);
    for (pixel, stored) in pixels.as_flattened_mut().iter_mut().zip(bytes.chunks(depth.bytes())) {
        *pixel = stored.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte));
    }
    Pattern::Color(pixels)
}

/// XY_PIXEL_BLT: one pixel of the setup's background color.
fn pixel(operands: &mut Operands<'_, '_>) -> Result<Blit, Stop> {
    let (left, top) = operands.point()?;
    let rectangle = Rectangle { left, top, right: left + 1, bottom: top + 1 };
    let mut blit = setup_blit(operands, rectangle);
    blit.pattern = Pattern::Solid(operands.setup().background());
    Ok(blit)
}

/// XY_SCANLINES_BLT: a rectangle of the setup's pattern.
fn scanlines(operands: &mut Operands<'_, '_>) -> Result<Blit, Stop> {
    let rectangle = operands.rectangle()?;
    let mut blit = setup_blit(operands, rectangle);
    let setup = operands.setup().clone();
    blit.pattern = match setup.pattern() {
        SetupPattern::Solid => Pattern::Solid(setup.background()),
        SetupPattern::Mono(rows) => Pattern::Mono {
            rows,
            colors: Colors {
                background: setup.background(),
                foreground: setup.foreground(),
                transparent: setup.control() & blt::MONO_PATTERN_TRANSPARENT != 0,
            },
        },
        SetupPattern::Color(address) => pattern_in_memory(operands, address, blit.depth)?,
    };
    Ok(blit)
}

/// XY_TEXT_BLT and XY_TEXT_IMMEDIATE_BLT: bits in the setup's colors, packed by bit or byte.
fn text(operands: &mut Operands<'_, '_>) -> Result<Blit, Stop> {
    let rectangle = operands.rectangle()?;
    let mut blit = setup_blit(operands, rectangle);
    let stride = match operands.header() & blt::TEXT_BYTE_PACKED {
        0 => width(rectangle),
        _ => width(rectangle).next_multiple_of(8),
    };
    let bits = if blt::opcode(operands.header()) == blt::XY_TEXT {
        let address = operands.address()?;
        MonoBits::Memory(Surface::row(operands.space(), address))
    } else {
        MonoBits::Inline(inline_bits(operands, 0, stride, rectangle)?)
    };
    let setup = operands.setup();
    let colors = Colors {
        background: setup.background(),
        foreground: setup.foreground(),
        transparent: setup.control() & blt::MONO_SOURCE_TRANSPARENT != 0,
    };
    blit.source = Source::Mono(MonoSource { bits, first: 0, stride, colors });
    Ok(blit)
}

/// A blit to the destination of the setup. The packet itself says whether it is tiled.
fn setup_blit(operands: &mut Operands<'_, '_>, rectangle: Rectangle) -> Blit {
    let setup = operands.setup();
    let (header, control, base) = (setup.header(), setup.control(), setup.destination());
    let destination = destination(operands, base, control);
    blit(operands, header, control, rectangle, destination)
}

/// COLOR_BLT: linear, never clipped, width in bytes.
fn color(operands: &mut Operands<'_, '_>) -> Result<Blit, Stop> {
    let control = operands.dword()? & !blt::CLIP;
    let size = operands.dword()?;
    let base = operands.address()?;
    let destination = surface(operands.space(), base, control, None);
    let header = operands.header();
    let mut blit = blit(operands, header, control, of_size(size, control), destination);
    blit.pattern = Pattern::Solid(operands.dword()?);
    Ok(blit)
}

/// SRC_COPY_BLT: linear, never clipped, width in bytes.
fn src_copy(operands: &mut Operands<'_, '_>) -> Result<Blit, Stop> {
    let control = operands.dword()? & !blt::CLIP;
    let size = operands.dword()?;
    let base = operands.address()?;
    let destination = surface(operands.space(), base, control, None);
    let header = operands.header();
    let mut blit = blit(operands, header, control, of_size(size, control), destination);
    let pitch = operands.dword()?;
    let address = operands.address()?;
    let surface = surface(operands.space(), address, pitch, None);
    blit.source = Source::Color { surface, x: 0, y: 0 };
    Ok(blit)
}

/// The rectangle of a packet without coordinates: height in 31:16, width in bytes in 15:0.
fn of_size(size: u32, control: u32) -> Rectangle {
    let width = (size & 0xffff) as i32 / depth(control).bytes() as i32;
    Rectangle { left: 0, top: 0, right: width, bottom: (size >> 16) as i32 }
}

/// Pixels in a row; 0 for an inverted rectangle.
fn width(rectangle: Rectangle) -> u64 {
    (i64::from(rectangle.right) - i64::from(rectangle.left)).max(0) as u64
}

/// The destination that the packet's header and BR13 describe.
fn destination(operands: &Operands<'_, '_>, base: u64, control: u32) -> Surface {
    let tiled = operands.header() & blt::DESTINATION_TILED != 0;
    let tiling = tiled.then(|| operands.tiling(reg::BCS_DESTINATION_Y));
    surface(operands.space(), base, control, tiling)
}

/// A surface whose signed pitch is in the low half of a dword: bytes, or dwords of a tiled one.
fn surface(space: Space, base: u64, pitch: u32, tiling: Option<Tiling>) -> Surface {
    let pitch = i64::from(pitch as i16);
    let bytes = if tiling.is_some() { 4 * pitch } else { pitch };
    Surface::new(space, base, bytes, tiling)
}

fn depth(control: u32) -> Depth {
    match control >> blt::DEPTH_SHIFT & 3 {
        blt::DEPTH_8 => Depth::Indexed8,
        blt::DEPTH_565 => Depth::Rgb565,
        blt::DEPTH_1555 => Depth::Argb1555,
        _ => Depth::Argb8888,
    }
}

/// Bits of a pixel that the header lets through. It chooses among bytes of 32-bit pixels only.
fn write_mask(header: u32, depth: Depth) -> u32 {
    if depth != Depth::Argb8888 {
        return depth.mask();
    }
    let part = |bit, mask| if header & bit != 0 { mask } else { 0 };
    part(blt::WRITE_ALPHA, depth.alpha()) | part(blt::WRITE_RGB, !depth.alpha())
}

fn seeds(header: u32) -> Seeds {
    Seeds {
        x: (header >> blt::PATTERN_X_SHIFT & 7) as i32,
        y: (header >> blt::PATTERN_Y_SHIFT & 7) as i32,
    }
}
