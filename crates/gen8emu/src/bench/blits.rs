//! Benches of the blitter: `blt_copy_linear`, `blt_fill`, `blt_copy_x` and `blt_copy_y`.

use std::hint::black_box;

use anyhow::{Result, ensure};
use gen8_spec::commands::{blt, mi};
use gen8_spec::engine::EngineId;
use gen8_spec::masked_enable;
use gen8_spec::mmio::ring;
use gen8_spec::tiling::Tiling;

use super::measure::Pair;
use super::rig::{DATA_VA, Rig};
use super::{Bench, Target, Unit, measure};

pub(super) const BLT_COPY_LINEAR: Bench = Bench {
    name: "blt_copy_linear",
    about: "XY_SRC_COPY_BLT of 64 MiB between linear surfaces",
    limit: "memcpy of as much",
    unit: Unit::GigabytesPerSecond,
    target: Target::Ratio(1.0 / 0.8),
    run: || copy(None),
};

pub(super) const BLT_FILL: Bench = Bench {
    name: "blt_fill",
    about: "XY_COLOR_BLT of 64 MiB",
    limit: "memset of as much",
    unit: Unit::GigabytesPerSecond,
    target: Target::Ratio(1.0 / 0.8),
    run: fill,
};

pub(super) const BLT_COPY_X: Bench = Bench {
    name: "blt_copy_x",
    about: "XY_SRC_COPY_BLT of 64 MiB from linear to X-tiled",
    limit: "memcpy of as much",
    unit: Unit::GigabytesPerSecond,
    target: Target::Ratio(1.0 / 0.4),
    run: || copy(Some(Tiling::X)),
};

pub(super) const BLT_COPY_Y: Bench = Bench {
    name: "blt_copy_y",
    about: "XY_SRC_COPY_BLT of 64 MiB from linear to Y-tiled",
    limit: "memcpy of as much",
    unit: Unit::GigabytesPerSecond,
    target: Target::Ratio(1.0 / 0.4),
    run: || copy(Some(Tiling::Y)),
};

/// Bytes of a surface.
const SIZE: usize = 64 << 20;
/// Bytes and rows of a surface of that size.
const PITCH: u32 = 16 << 10;
const ROWS: u32 = (SIZE / PITCH as usize) as u32;
/// Pixels in a row.
const PIXELS: u32 = PITCH / 4;
/// The surfaces, behind the batch.
const SOURCE: u64 = 1 << 20;
const DESTINATION: u64 = SOURCE + SIZE as u64;
const WRITE: u32 = blt::WRITE_ALPHA | blt::WRITE_RGB;
const COLOR: u32 = 0x1122_3344;

/// BR13 of 32-bit pixels.
fn control(rop: u32, pitch: u32) -> u32 {
    blt::DEPTH_8888 << blt::DEPTH_SHIFT | rop << blt::ROP_SHIFT | pitch
}

/// The corner behind the last pixel.
const CORNER: u32 = ROWS << 16 | PIXELS;

fn address(offset: u64) -> [u32; 2] {
    let va = DATA_VA + offset;
    [va as u32, (va >> 32) as u32]
}

/// A copy engine that runs `batch`, with room for both surfaces.
fn rig(batch: &[u32]) -> Result<Rig> {
    let rig = Rig::with(EngineId::Bcs, DESTINATION + SIZE as u64, DESTINATION + SIZE as u64)?;
    rig.put_data(0, batch);
    rig.put_data(4 * batch.len() as u64, &[mi::header(mi::BATCH_BUFFER_END, 0)]);
    Ok(rig)
}

/// Runs the batch; bytes that it moved.
fn blit(rig: &mut Rig, rounds: u32) -> u64 {
    (0..rounds).for_each(|_| rig.run_batch());
    u64::from(rounds) * SIZE as u64
}

fn fill() -> Result<Pair> {
    let mut batch = vec![blt::header(blt::XY_COLOR, 7) | WRITE, control(blt::ROP_PATTERN, PITCH)];
    batch.extend([0, CORNER]);
    batch.extend(address(DESTINATION));
    batch.push(COLOR);
    let mut rig = rig(&batch)?;
    blit(&mut rig, 1);
    ensure!(rig.data(DESTINATION + SIZE as u64 - 4) == Some(COLOR), "nothing was filled");
    let mut target = vec![1_u8; SIZE];
    Ok(measure::pair(
        |rounds| blit(&mut rig, rounds),
        |rounds| {
            for round in 0..rounds {
                black_box(&mut target).fill(round as u8);
            }
            u64::from(rounds) * SIZE as u64
        },
    ))
}

fn copy(tiling: Option<Tiling>) -> Result<Pair> {
    let y = masked_enable(ring::BCS_DESTINATION_Y);
    let swctrl = EngineId::Bcs.mmio_base() + ring::BCS_SWCTRL;
    let mut batch = match tiling {
        Some(Tiling::Y) => vec![mi::header(mi::LOAD_REGISTER_IMM, 1), swctrl, y],
        _ => Vec::new(),
    };
    // Pitches of tiled surfaces are in dwords.
    let (tiled, pitch) = match tiling {
        Some(_) => (blt::DESTINATION_TILED, PITCH / 4),
        None => (0, PITCH),
    };
    batch.extend([blt::header(blt::XY_SRC_COPY, 10) | WRITE | tiled]);
    batch.extend([control(blt::ROP_SOURCE, pitch), 0, CORNER]);
    batch.extend(address(DESTINATION));
    batch.extend([0, PITCH]);
    batch.extend(address(SOURCE));
    let mut rig = rig(&batch)?;
    // The last pixel of the last row is at the end in every format.
    rig.put_data(DESTINATION - 4, &[COLOR]);
    blit(&mut rig, 1);
    ensure!(rig.data(DESTINATION + SIZE as u64 - 4) == Some(COLOR), "nothing was copied");
    let source = vec![1_u8; SIZE];
    let mut target = vec![2_u8; SIZE];
    Ok(measure::pair(
        |rounds| blit(&mut rig, rounds),
        |rounds| {
            for _ in 0..rounds {
                black_box(&mut target).copy_from_slice(black_box(&source));
            }
            u64::from(rounds) * SIZE as u64
        },
    ))
}
