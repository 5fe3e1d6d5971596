//! The aperture and its fences: what the CPU sees of tiled objects through the aperture, against what
//! lies in their pages.

mod huge;
mod reset;
mod thrash;
mod tiled;

use super::random::Random;
use super::{Work, blitter, run_all};
use crate::error::{Error, Result};
use crate::gpu::blt::{Layout, Surface};
use crate::gpu::{Batch, Device, Engine, Node};
use crate::report::Reporter;
use crate::uapi;
use tiled::{Tiled, copy};

/// The CPU does most of it, so once is enough: beside the engine that can make tiles.
pub(super) const WORKS: &[Work] = &[
    Work { name: "units", on: blitter, run: units },
    Work { name: "spans", on: blitter, run: spans },
    Work { name: "blits", on: blitter, run: blits },
    Work { name: "stealing", on: blitter, run: stealing },
    Work { name: "changes", on: blitter, run: changes },
    Work { name: "thrash", on: blitter, run: thrash::run },
];

/// Layouts with pitches: the least one, one that is no power of two, a long one.
const TILINGS: [(Layout, usize); 6] = [
    (Layout::X, 512),
    (Layout::X, 1536),
    (Layout::X, 4096),
    (Layout::Y, 128),
    (Layout::Y, 640),
    (Layout::Y, 2048),
];
/// Bytes of an object with every pitch above in turn: whole rows of tiles of each.
const BYTES: usize = 960 << 10;
/// Rows of tiles in an object with one pitch.
const TILE_ROWS: usize = 5;
/// Places in a context's address space.
const CODE: u64 = 0x10_0000;
const TILES: u64 = 0x1_0000_0000;
const LINEAR: u64 = 0x2_0000_0000;
/// Fence registers of Broadwell.
const FENCES: usize = 32;

/// Bytes of an object with this tiling.
fn bytes_of(layout: Layout, pitch: usize) -> usize {
    let rows = if layout == Layout::Y { 32 } else { 8 };
    TILE_ROWS * rows * pitch
}

/// A result for each work; then an object that is larger than the aperture, and resets.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    run_all(reporter, WORKS)?;
    let device = Device::open(Node::Render)?;
    reporter.result(Some("huge"), huge::run(&device));
    if let Some(&engine) = device.engines()?.first() {
        reporter.result(Some("reset"), reset::run(&device, engine));
    }
    Ok(())
}

/// Single accesses of every size, in both directions.
fn units(device: &Device, _: Engine) -> Result<String> {
    const ACCESSES: usize = 64;
    let mut random = Random::new(1);
    for (layout, pitch) in TILINGS {
        let bytes = bytes_of(layout, pitch);
        let tiled = Tiled::new(device, bytes, layout, pitch)?;
        for _ in 0..ACCESSES {
            let size = random.of(&[1, 2, 4, 8]);
            let seen = random.within(0, (bytes / size) as i32) as usize * size;
            let value = u64::from(random.dword()) << 32 | u64::from(random.dword());
            tiled.rows.write_unit(seen, size, value);
            tiled.expect_pages(seen, &value.to_le_bytes()[..size])?;
            // Tiles never cut an aligned unit.
            tiled.pages.write_unit(tiled.place(seen), size, !value);
            let found = tiled.rows.read_unit(seen, size).to_le_bytes();
            tiled.expect_pages(seen, &found[..size])?;
        }
    }
    Ok(format!("{} accesses of 1 to 8 bytes each way", ACCESSES * TILINGS.len()))
}

/// Copies of any length from any byte on, across columns, tiles, rows and pages.
fn spans(device: &Device, _: Engine) -> Result<String> {
    const SPANS: usize = 24;
    let mut random = Random::new(2);
    for (layout, pitch) in TILINGS {
        let bytes = bytes_of(layout, pitch);
        let tiled = Tiled::new(device, bytes, layout, pitch)?;
        let mut write = |seen: usize, len: usize| tiled.check(seen, &random.bytes(len));
        // Both ends of the object, and the end of a row.
        write(0, 7)?;
        write(bytes - 9, 9)?;
        write(pitch - 3, 6)?;
        let mut random = Random::new(pitch as u64);
        for _ in 0..SPANS {
            let len = random.within(1, 200) as usize;
            write(random.within(0, (bytes - len) as i32) as usize, len)?;
        }
    }
    Ok(format!("{} spans each way", (SPANS + 3) * TILINGS.len()))
}

/// What the blitter draws in tiles the CPU sees in rows, and the other way round.
fn blits(device: &Device, engine: Engine) -> Result<String> {
    const ROWS: usize = 40;
    let context = device.context(engine)?;
    let mut random = Random::new(3);
    for (layout, pitch) in TILINGS {
        let bytes = bytes_of(layout, pitch);
        let tiled = Tiled::new(device, bytes, layout, pitch)?;
        let linear = device.object(bytes)?;
        let memory = linear.open()?;
        let code = device.object(4096)?;
        let flat = Surface { address: LINEAR, pitch: pitch as i32, layout: Layout::Linear };
        let tiles = tiled.surface(TILES);
        let run = |target, source| {
            let blit = copy(target, source, (pitch / 4) as i16, ROWS as i16);
            blit.append(Batch::default()).end().write_to(&code.open()?);
            let objects = [tiled.object.at(TILES).written(), linear.at(LINEAR).written()];
            context.submit(&objects, code.at(CODE))?;
            linear.wait()
        };
        let picture = random.bytes(ROWS * pitch);
        memory.write_bytes(0, &picture);
        run(tiles, flat)?;
        tiled.object.set_domain(uapi::DOMAIN_GTT)?;
        // Pieces: every access goes through the device.
        for start in (0..picture.len() - 64).step_by(picture.len() / 48) {
            tiled.expect_rows(start, &picture[start..start + 64])?;
        }
        let drawn = random.bytes(64);
        let start = random.within(0, (picture.len() - drawn.len()) as i32) as usize;
        tiled.rows.write_bytes(start, &drawn);
        run(flat, tiles)?;
        let mut found = vec![0; picture.len()];
        memory.read_bytes(0, &mut found);
        let mut expected = picture;
        expected[start..start + drawn.len()].copy_from_slice(&drawn);
        if found != expected {
            let place = found.iter().zip(&expected).position(|(a, b)| a != b);
            return Err(Error::Wrong(format!(
                "{layout:?} tiles with pitch {pitch}: the blitter found another byte at {place:?}"
            )));
        }
    }
    Ok(format!("{} tilings there and back", TILINGS.len()))
}

/// More tiled objects than there are fences, all in use, while the blitter works on some of them.
fn stealing(device: &Device, engine: Engine) -> Result<String> {
    const OBJECTS: usize = FENCES + 8;
    const SMALL: usize = 64 << 10;
    const ROUNDS: usize = 3;
    const COPIES: usize = 480;
    let context = device.context(engine)?;
    let mut random = Random::new(4);
    let pitches = [(Layout::X, 512), (Layout::X, 1024), (Layout::Y, 128), (Layout::Y, 256)];
    let objects: Vec<Tiled> = (0..OBJECTS)
        .map(|n| {
            let (layout, pitch) = pitches[n % pitches.len()];
            Tiled::new(device, SMALL, layout, pitch)
        })
        .collect::<Result<_>>()?;
    // Some are busy: the blitter copies their lower half to the upper one, again and again.
    let busy: Vec<&Tiled> = objects.iter().step_by(7).collect();
    let code = device.object(64 << 10)?;
    let batch = (0..COPIES).fold(Batch::default(), |batch, n| {
        let n = n % busy.len();
        let mut target = busy[n].surface(TILES + (n * SMALL) as u64);
        let source = target;
        target.address += SMALL as u64 / 2;
        let rows = (SMALL / 2 / busy[n].pitch) as i16;
        copy(target, source, (busy[n].pitch / 4) as i16, rows).append(batch)
    });
    batch.end().write_to(&code.open()?);
    let placed: Vec<_> = (0..)
        .zip(&busy)
        .map(|(n, tiled)| tiled.object.at(TILES + n * SMALL as u64).written())
        .collect();
    for _ in 0..ROUNDS {
        context.submit(&placed, code.at(CODE))?;
        let mut written = Vec::new();
        for tiled in &objects {
            let (seen, bytes) =
                (random.within(0, SMALL as i32 / 2 - 16) as usize, random.bytes(16));
            tiled.rows.write_bytes(seen, &bytes);
            written.push((seen, bytes));
        }
        for (tiled, (seen, bytes)) in objects.iter().zip(&written) {
            tiled.expect_rows(*seen, bytes)?;
            tiled.expect_pages(*seen, bytes)?;
        }
        for tiled in &busy {
            tiled.object.wait()?;
        }
    }
    context.submit(&placed, code.at(CODE))?;
    for tiled in &busy {
        tiled.object.wait()?;
        let mut lower = vec![0; SMALL / 2];
        tiled.pages.read_bytes(0, &mut lower);
        let mut upper = vec![0; SMALL / 2];
        tiled.pages.read_bytes(SMALL / 2, &mut upper);
        if lower != upper {
            return Err(Error::Wrong("the blitter copied another half".into()));
        }
    }
    Ok(format!("{OBJECTS} objects share {FENCES} fences, {} of them busy", busy.len()))
}

/// The tiling changes while the object is bound and mapped.
fn changes(device: &Device, _: Engine) -> Result<String> {
    let mut random = Random::new(5);
    let mut tiled = Tiled::new(device, BYTES, Layout::Linear, 4096)?;
    let mut steps = 0;
    for _ in 0..2 {
        for (layout, pitch) in TILINGS.into_iter().chain([(Layout::Linear, 4096)]) {
            tiled.retile(layout, pitch)?;
            for _ in 0..4 {
                let seen = random.within(0, BYTES as i32 - 40) as usize;
                tiled.check(seen, &random.bytes(40))?;
            }
            steps += 1;
        }
    }
    Ok(format!("{steps} tilings of one object"))
}
