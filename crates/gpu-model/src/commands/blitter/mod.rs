//! The blitter: 2D packets of the copy engine.
//!
//! `decode` turns a packet (`operands`, `setup`) into a `blit`, which `paint` draws in slices on
//! `surface`s with a `rop`. A blit that a slice does not finish is parser state; the engine stays at
//! its packet.

mod blit;
mod decode;
mod operands;
mod paint;
mod rop;
mod setup;
mod surface;

pub(crate) use blit::Blit;
pub(crate) use setup::Setup;

use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Stop};
use operands::Operands;

/// Units of a slice, each worth a simple command: some ten microseconds in all.
const SLICE: usize = 1024;

/// Executes a 2D packet, or the next slice of it.
pub(super) fn execute(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let mut blit = match engine.parser.blit.take() {
        Some(blit) if blit.packet == packet(command) => blit,
        _ => match decode::decode(&mut Operands::new(engine, command, bus))? {
            Some(blit) => Box::new(blit),
            None => return Ok(Flow::Next),
        },
    };
    let spent = blit.draw(SLICE, engine, bus)?;
    engine.spend(spent as u32);
    if blit.is_done() {
        return Ok(Flow::Next);
    }
    engine.parser.blit = Some(blit);
    Ok(Flow::Stay)
}

/// What tells a packet from others: header and address.
fn packet(command: &Command) -> (u32, u64) {
    (command.header, command.address())
}
