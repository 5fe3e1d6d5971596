//! The blitter: random blits of every kind against a slow reference, in a field of memory that lies
//! across a boundary of the page tables; then big ones, and some that wait for other engines.

mod big;
mod cases;
mod chain;
mod reference;

use super::random::Random;
use super::{Work, blitter, run_all};
use crate::error::{Error, Result};
use crate::gpu::blt::Blit;
use crate::gpu::{Batch, Context, Device, Engine, Node, Object};
use crate::report::Reporter;
use crate::sys::Mapping;
use cases::{FIELD, Maker};
use reference::Image;

pub(super) const WORKS: &[Work] = &[
    Work { name: "fills", on: blitter, run: |d, e| many(d, e, 1, cases::fills) },
    Work { name: "copies", on: blitter, run: |d, e| many(d, e, 2, cases::copies) },
    Work { name: "overlaps", on: blitter, run: |d, e| many(d, e, 3, cases::overlaps) },
    Work { name: "operations", on: blitter, run: |d, e| many(d, e, 4, cases::operations) },
    Work { name: "patterns", on: blitter, run: |d, e| many(d, e, 5, cases::patterns) },
    Work { name: "expansions", on: blitter, run: |d, e| many(d, e, 6, cases::expansions) },
    Work {
        name: "pixels and bits",
        on: blitter,
        run: |d, e| many(d, e, 7, cases::pixels_and_bits),
    },
    Work { name: "chroma", on: blitter, run: |d, e| many(d, e, 8, cases::chroma) },
    Work { name: "setups", on: blitter, run: |d, e| many(d, e, 9, cases::setups) },
    Work { name: "plain", on: blitter, run: |d, e| many(d, e, 10, cases::plain) },
    Work { name: "far", on: blitter, run: |d, e| many(d, e, 11, cases::far) },
    Work { name: "every operation", on: blitter, run: every_operation },
    Work { name: "nobody's memory", on: blitter, run: unbound },
];

/// Blits of one kind in a work.
const BLITS: u32 = 96;
/// Blits in a batch.
const BATCH_BLITS: usize = 8;
const CODE: u64 = 0x10_0000;
const CODE_BYTES: usize = 64 << 10;

/// A result for each work; then what is no work, since it is big or needs several engines.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    run_all(reporter, WORKS)?;
    let device = Device::open(Node::Render)?;
    let engines = device.engines()?;
    for &engine in engines.iter().filter(|engine| blitter(**engine)) {
        reporter.result(Some(&format!("{engine} big")), big::run(&device, engine));
        reporter.result(Some(&format!("{engine} chain")), chain::run(&device, engine, &engines));
    }
    Ok(())
}

/// Memory that blits draw in, and the same as it should be.
struct Field {
    context: Context,
    object: Object,
    memory: Mapping,
    code: Object,
    commands: Mapping,
    image: Image,
}

impl Field {
    /// Random bytes. Half of it lies on each side of `boundary`.
    fn new(device: &Device, engine: Engine, boundary: u64, random: &mut Random) -> Result<Field> {
        let context = device.context(engine)?;
        let half = FIELD as u64 / 2;
        let base = match context.address_space()? {
            size if size > boundary + half => boundary - half,
            _ => (1 << 30) - half,
        };
        let (object, code) = (device.object(FIELD)?, device.object(CODE_BYTES)?);
        let (memory, commands) = (object.open()?, code.open()?);
        let bytes = random.bytes(FIELD);
        memory.write_bytes(0, &bytes);
        Ok(Field { context, object, memory, code, commands, image: Image { base, bytes } })
    }

    /// Draws on the GPU and in the image, and compares.
    fn draw(&mut self, blits: &[Blit]) -> Result<()> {
        let batch = blits.iter().fold(Batch::default(), |batch, blit| blit.append(batch));
        self.run(batch)?;
        for blit in blits {
            self.image.draw(blit);
        }
        self.compare().inspect_err(|_| eprintln!("one of these blits: {blits:#x?}"))
    }

    fn run(&mut self, batch: Batch) -> Result<()> {
        batch.end().write_to(&self.commands);
        let objects = [self.object.at(self.image.base).written()];
        self.context.submit(&objects, self.code.at(CODE))?;
        self.object.wait()
    }

    fn compare(&self) -> Result<()> {
        let mut found = vec![0; FIELD];
        self.memory.read_bytes(0, &mut found);
        let pairs = found.iter().zip(&self.image.bytes);
        let Some((at, (found, expected))) = pairs.enumerate().find(|(_, (a, b))| a != b) else {
            return Ok(());
        };
        Err(Error::Wrong(format!("byte {at:#x} is {found:#04x} and should be {expected:#04x}")))
    }
}

/// Where fields lie across: what a page table, a directory, a PDP cover, and where addresses get a
/// second dword.
const BOUNDARIES: [u64; 4] = [1 << 32, 1 << 39, (1 << 32) + (1 << 21), (1 << 40) + (1 << 30)];

/// Blits of one kind; `seed` tells the kinds apart.
fn many(device: &Device, engine: Engine, seed: u64, maker: Maker) -> Result<String> {
    let mut random = Random::new(seed);
    let mut drawn = 0;
    for boundary in [random.of(&BOUNDARIES[..2]), random.of(&BOUNDARIES[2..])] {
        let mut field = Field::new(device, engine, boundary, &mut random)?;
        let base = field.image.base;
        for _ in 0..BLITS / 2 / BATCH_BLITS as u32 {
            let blits: Vec<Blit> = (0..BATCH_BLITS).map(|_| maker(&mut random, base)).collect();
            field.draw(&blits)?;
            drawn += blits.len();
        }
    }
    Ok(format!("{drawn} blits"))
}

/// Each of the 256 raster operations, with random operands.
fn every_operation(device: &Device, engine: Engine) -> Result<String> {
    let mut random = Random::new(256);
    let mut field = Field::new(device, engine, BOUNDARIES[0], &mut random)?;
    let base = field.image.base;
    let operations: Vec<u8> = (0..=255).collect();
    for rops in operations.chunks(2 * BATCH_BLITS) {
        let mut of = |rop: &u8| {
            // Both parts, so that nothing of the operation is hidden.
            Blit { rop: *rop, alpha: true, rgb: true, ..cases::operations(&mut random, base) }
        };
        let blits: Vec<Blit> = rops.iter().map(&mut of).collect();
        field.draw(&blits)?;
    }
    Ok("256 raster operations".into())
}

/// Blits to and from addresses where the client has nothing: they harm nobody, and what comes behind
/// them is drawn.
fn unbound(device: &Device, engine: Engine) -> Result<String> {
    let mut random = Random::new(9);
    let mut field = Field::new(device, engine, BOUNDARIES[0], &mut random)?;
    let base = field.image.base;
    for far in [1 << 30, (1 << 33) + (1 << 21), 1 << 31] {
        let lost = cases::copies(&mut random, base + far);
        field.run(lost.append(Batch::default()))?;
        field.compare()?;
        let near = cases::copies(&mut random, base);
        field.draw(&[near])?;
    }
    Ok("blits to unbound pages change nothing and stop nobody".into())
}
