//! Blits of 32 Mpixel: many pages, many slices of the engine's time.

use super::CODE;
use crate::error::{Error, Result};
use crate::gpu::blt::{Blit, Depth, Form, Layout, Pattern, Rectangle, Source, Surface};
use crate::gpu::{Batch, Device, Engine};
use crate::sys::Mapping;

const WIDTH: i16 = 8192;
const HEIGHT: i16 = 4096;
const BYTES: usize = WIDTH as usize * HEIGHT as usize;
/// Where the two objects lie.
const PLACES: [u64; 2] = [(1 << 32) - 0x10_0000, 1 << 36];
/// A path through all layouts and back.
const PATH: [Layout; 4] = [Layout::Linear, Layout::Y, Layout::X, Layout::Linear];

/// Copies a picture from layout to layout, until it is linear again.
pub(super) fn run(device: &Device, engine: Engine) -> Result<String> {
    let context = device.context(engine)?;
    if context.address_space()? <= PLACES[1] {
        return Err(Error::NotHere("an address space of four levels is missing".into()));
    }
    let objects = [device.object(BYTES)?, device.object(BYTES)?];
    let memory = [objects[0].open()?, objects[1].open()?];
    for index in 0..BYTES / 4 {
        memory[0].write(index, value(index));
    }
    let code = device.object(4096)?;
    let mut batch = Batch::default();
    for (hop, pair) in PATH.windows(2).enumerate() {
        batch = copy(hop % 2, pair[0], pair[1]).append(batch);
    }
    batch.end().write_to(&code.open()?);
    let placed = [objects[0].at(PLACES[0]).written(), objects[1].at(PLACES[1]).written()];
    context.submit(&placed, code.at(CODE))?;
    objects[1].wait()?;
    compare(&memory[(PATH.len() - 1) % 2])?;
    Ok(format!("{} copies of {} Mpixel", PATH.len() - 1, BYTES >> 20))
}

/// What a dword of the picture holds.
fn value(index: usize) -> u32 {
    (index as u32).wrapping_mul(0x9e37_79b1)
}

fn compare(memory: &Mapping) -> Result<()> {
    match (0..BYTES / 4).find(|index| memory.read(*index) != value(*index)) {
        None => Ok(()),
        Some(index) => Err(Error::Wrong(format!(
            "dword {index:#x} is {:#x} and should be {:#x}",
            memory.read(index),
            value(index)
        ))),
    }
}

/// The whole picture, from the object number `from` to the other one.
fn copy(from: usize, layout: Layout, to: Layout) -> Blit {
    let surface =
        |object: usize, layout| Surface { address: PLACES[object], pitch: WIDTH.into(), layout };
    Blit {
        form: Form::Xy,
        target: surface(1 - from, to),
        depth: Depth::Bits8,
        rop: 0xcc,
        area: Rectangle { left: 0, top: 0, right: WIDTH, bottom: HEIGHT },
        clip: None,
        alpha: true,
        rgb: true,
        source: Source::Pixels { surface: surface(from, layout), at: (0, 0) },
        pattern: Pattern::None,
        seeds: (0, 0),
        chroma: None,
    }
}
