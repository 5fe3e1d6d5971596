//! 2D packets from the fuzzer's bytes: rectangles near mapped memory with any depth, operation,
//! pitch and operand, and packets of any opcode and length.

use gen8_spec::commands::blt::{
    self, CHROMA_SHIFT, DEPTH_SHIFT, PatternOperand, ROP_SHIFT, SourceOperand, XY_PACKETS,
};
use gen8_spec::engine::EngineId;

use crate::commands::{address, operands, with_operands};
use crate::input::Input;

/// Header, BR13, two corners, address.
const DESTINATION_DWORDS: u32 = 6;

/// A packet that draws a rectangle, of about the right length.
pub(crate) fn rectangle(input: &mut Input<'_>, batch: &mut Vec<u32>) {
    let packet = input.pick(&XY_PACKETS);
    let source = match packet.source {
        SourceOperand::None => 0,
        SourceOperand::Color | SourceOperand::Mono => 4,
        SourceOperand::MonoImmediate => 2 + u32::from(input.u8() & 0x3f),
    };
    let pattern = match packet.pattern {
        PatternOperand::None => 0,
        PatternOperand::Solid => 1,
        PatternOperand::Color | PatternOperand::Fixed => 2,
        PatternOperand::Mono => 4,
        PatternOperand::Immediate => 16 << (input.u8() & 3),
    };
    let chroma = if packet.chroma { 2 } else { 0 };
    let right = DESTINATION_DWORDS + source + pattern + chroma;
    let dwords = match input.u8() {
        0..=0xef => right,
        byte => right - 3 + u32::from(byte & 7),
    };
    // Everything between opcode and length: tiling, write masks, pattern origin, chroma mode.
    let flags = input.u32() & (1 << CHROMA_SHIFT | 0x003f_ff00);
    batch.push(blt::header(packet.opcode, dwords) | flags);
    batch.push(raster(input));
    corners(input, batch);
    push_address(input, batch);
    if packet.source == SourceOperand::Color {
        batch.extend([corner(input), pitch(input)]);
        push_address(input, batch);
    } else if packet.source == SourceOperand::Mono {
        push_address(input, batch);
    }
    let written = packet_dwords_after_operands(packet.source);
    operands(dwords.saturating_sub(written) as usize, input, batch);
}

/// What `rectangle` has written before it goes on with anything.
fn packet_dwords_after_operands(source: SourceOperand) -> u32 {
    match source {
        SourceOperand::Color => DESTINATION_DWORDS + 4,
        SourceOperand::Mono => DESTINATION_DWORDS + 2,
        SourceOperand::None | SourceOperand::MonoImmediate => DESTINATION_DWORDS,
    }
}

/// A setup, or a packet that draws with what the last one left.
pub(crate) fn setup_or_text(input: &mut Input<'_>, batch: &mut Vec<u32>) {
    let (opcode, dwords) = input.pick(&[
        (blt::XY_SETUP, 10),
        (blt::XY_SETUP_CLIP, 3),
        (blt::XY_SETUP_MONO_PATTERN_SL, 10),
        (blt::XY_PIXEL, 2),
        (blt::XY_SCANLINES, 3),
        (blt::XY_TEXT, 5),
        (blt::XY_TEXT_IMMEDIATE, 5),
        (blt::COLOR, 7),
        (blt::SRC_COPY, 10),
    ]);
    let more = if opcode == blt::XY_TEXT_IMMEDIATE { u32::from(input.u8() & 0x1f) } else { 0 };
    let flags = input.u32() & 0x003f_ff00;
    batch.push(blt::header(opcode, dwords + more) | flags);
    let end = batch.len() + (dwords + more) as usize - 1;
    match opcode {
        blt::XY_SETUP | blt::XY_SETUP_MONO_PATTERN_SL | blt::COLOR | blt::SRC_COPY => {
            batch.push(raster(input));
            corners(input, batch);
            push_address(input, batch);
        }
        blt::XY_SETUP_CLIP | blt::XY_SCANLINES | blt::XY_TEXT | blt::XY_TEXT_IMMEDIATE => {
            corners(input, batch);
        }
        _ => batch.push(corner(input)),
    }
    operands(end.saturating_sub(batch.len()), input, batch);
}

/// Any opcode, flags and length.
pub(crate) fn wild(input: &mut Input<'_>, batch: &mut Vec<u32>) {
    let header = blt::CLASS << 29 | input.u32() & 0x1fff_ffff;
    with_operands(header, EngineId::Bcs, input, batch);
}

/// BR13.
fn raster(input: &mut Input<'_>) -> u32 {
    let flags = u32::from(input.u8() & 0xf0) << 24;
    let depth = u32::from(input.u8() & 3) << DEPTH_SHIFT;
    let rop = match input.u8() {
        0 => blt::ROP_SOURCE,
        1 => blt::ROP_PATTERN,
        rop => rop.into(),
    };
    flags | depth | rop << ROP_SHIFT | pitch(input)
}

/// 16 bits, signed; in dwords for tiled surfaces.
fn pitch(input: &mut Input<'_>) -> u32 {
    match input.u8() {
        byte @ 0..=0x7f => u32::from(byte) * 16,
        byte @ 0x80..=0xbf => (-16 * i32::from(byte & 0x3f)) as u32 & 0xffff,
        _ => input.u16().into(),
    }
}

fn corners(input: &mut Input<'_>, batch: &mut Vec<u32>) {
    let first = corner(input);
    batch.push(first);
    batch.push(match input.u8() {
        // A size, mostly.
        0..=0xdf => {
            let (width, height) = (u32::from(input.u8()), u32::from(input.u8() & 0x3f));
            (first.wrapping_add(width) & 0xffff) | (first >> 16).wrapping_add(height) << 16
        }
        _ => corner(input),
    });
}

/// Row in the upper half, column in the lower one, both signed.
fn corner(input: &mut Input<'_>) -> u32 {
    let mut coordinate = || match input.u8() {
        byte @ 0..=0xbf => u32::from(byte),
        byte @ 0xc0..=0xdf => (0xc0_i32 - i32::from(byte)) as u32 & 0xffff,
        _ => input.u16().into(),
    };
    coordinate() | coordinate() << 16
}

fn push_address(input: &mut Input<'_>, batch: &mut Vec<u32>) {
    let address = address(input);
    batch.extend([address as u32, (address >> 32) as u32]);
}
