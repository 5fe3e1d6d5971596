//! Benches of the blitter: `blt_copy_linear`, `blt_fill`, `blt_clear`, `blt_copy_x`, `blt_copy_y`,
//! `blt_growth`.
//!
//! Guest memory and the memory of the limits are of the same kind, anonymous pages of 4 KiB. Both sides
//! of a fill write zeros, or neither does: some CPUs store lines of zeros at three times the rate of
//! other lines.

use std::hint::black_box;

use anyhow::{Result, ensure};
use gen8_spec::commands::{blt, mi};
use gen8_spec::engine::EngineId;
use gen8_spec::masked_enable;
use gen8_spec::mmio::ring;
use gen8_spec::tiling::Tiling;

use super::measure::Pair;
use super::{Bench, Target, Unit, measure};
use rigs::{BATCH_ROOM, DATA_VA, Rig};

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
    limit: "memset of as much, not to 0",
    unit: Unit::GigabytesPerSecond,
    target: Target::Ratio(1.0 / 0.8),
    run: || fill(COLOR),
};

pub(super) const BLT_CLEAR: Bench = Bench {
    name: "blt_clear",
    about: "XY_COLOR_BLT of 64 MiB to 0",
    limit: "memset of as much to 0",
    unit: Unit::GigabytesPerSecond,
    // At that rate the translation of every page counts.
    target: Target::Ratio(1.0 / 0.5),
    run: || fill(0),
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

pub(super) const BLT_GROWTH: Bench = Bench {
    name: "blt_growth",
    about: "XY_COLOR_BLT of 1 GiB at once",
    limit: "the same in pieces of 1 MiB",
    unit: Unit::GigabytesPerSecond,
    target: Target::Ratio(1.1),
    run: growth,
};

/// Bytes of a surface.
const SIZE: usize = 64 << 20;
/// Bytes and rows of a surface of that size.
const PITCH: u32 = 16 << 10;
const ROWS: u32 = (SIZE / PITCH as usize) as u32;
/// Pixels in a row.
const PIXELS: u32 = PITCH / 4;
/// The surfaces, behind the batch.
const SOURCE: u64 = BATCH_ROOM;
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
    put_batch(&rig, batch);
    Ok(rig)
}

/// XY_COLOR_BLT of the rows from `top` up to `bottom` of a surface at an offset.
fn fill_rows(offset: u64, top: i16, bottom: i16, color: u32) -> Vec<u32> {
    let mut packet = vec![blt::header(blt::XY_COLOR, 7) | WRITE, control(blt::ROP_PATTERN, PITCH)];
    let row = |y: i16| u32::from(y.cast_unsigned()) << 16;
    packet.extend([row(top), row(bottom) | PIXELS]);
    packet.extend(address(offset));
    packet.push(color);
    packet
}

/// Rows of a blit as high as coordinates allow, 16 KiB short of 1 GiB.
const MOST_ROWS: u64 = u16::MAX as u64;
/// Rows of a blit of 1 MiB.
const FEW_ROWS: u64 = (1 << 20) / PITCH as u64;
/// A blit of a gigabyte takes long enough for few samples.
const GROWTH_SAMPLES: usize = 13;

fn growth() -> Result<Pair> {
    let span = BATCH_ROOM + (MOST_ROWS + 1) * u64::from(PITCH);
    let whole = fill_rows(
        BATCH_ROOM + u64::from(i16::MIN.unsigned_abs()) * u64::from(PITCH),
        i16::MIN,
        i16::MAX,
        COLOR,
    );
    let pieces = (0..=MOST_ROWS)
        .step_by(FEW_ROWS as usize)
        .flat_map(|row| fill_rows(BATCH_ROOM + row * u64::from(PITCH), 0, FEW_ROWS as i16, COLOR));
    let pieces: Vec<u32> = pieces.collect();
    let ready = |batch: &[u32]| -> Result<Rig> {
        let rig = Rig::with(EngineId::Bcs, BATCH_ROOM + SIZE as u64, span)?;
        put_batch(&rig, batch);
        Ok(rig)
    };
    let (mut whole, mut pieces) = (ready(&whole)?, ready(&pieces)?);
    let run = |rig: &mut Rig, rounds: u32, rows: u64| {
        (0..rounds).for_each(|_| rig.run_batch());
        u64::from(rounds) * rows * u64::from(PITCH)
    };
    run(&mut whole, 1, MOST_ROWS);
    ensure!(whole.data(BATCH_ROOM + SIZE as u64 - 4) == Some(COLOR), "nothing was filled");
    Ok(measure::pair_of::<GROWTH_SAMPLES>(
        |rounds| run(&mut whole, rounds, MOST_ROWS),
        |rounds| run(&mut pieces, rounds, MOST_ROWS + 1),
    ))
}

fn put_batch(rig: &Rig, batch: &[u32]) {
    rig.put_data(0, batch);
    rig.put_data(4 * batch.len() as u64, &[mi::header(mi::BATCH_BUFFER_END, 0)]);
}

/// Runs the batch; bytes that it moved.
fn blit(rig: &mut Rig, rounds: u32) -> u64 {
    (0..rounds).for_each(|_| rig.run_batch());
    u64::from(rounds) * SIZE as u64
}

fn fill(color: u32) -> Result<Pair> {
    let mut rig = rig(&fill_rows(DESTINATION, 0, ROWS as i16, color))?;
    let last = DESTINATION + SIZE as u64 - 4;
    rig.put_data(last, &[!color]);
    blit(&mut rig, 1);
    ensure!(rig.data(last) == Some(color), "nothing was filled");
    let mut target = vec![1_u8; SIZE];
    Ok(measure::pair(
        |rounds| blit(&mut rig, rounds),
        |rounds| {
            for _ in 0..rounds {
                black_box(&mut target).fill(black_box(color as u8));
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
