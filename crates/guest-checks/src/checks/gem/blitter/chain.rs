//! Engines in a chain: one writes, the blitter copies, the next one writes again, all queued at once.
//! The kernel orders them by the objects that they share; each finds what the one before has left.

use super::CODE;
use crate::error::{Result, expect_dword};
use crate::gpu::blt::{Blit, Depth, Form, Layout, Pattern, Rectangle, Source, Surface};
use crate::gpu::{Batch, Context, Device, Engine, Object};

const PAGE: usize = 4096;
const FROM: u64 = 0x20_0000;
const TO: u64 = 0x1_0020_0000;
/// Rounds through all engines.
const ROUNDS: usize = 24;

/// Round by round another engine writes its number into a page, and the blitter copies the page to
/// the place of the round.
pub(super) fn run(device: &Device, blitter: Engine, engines: &[Engine]) -> Result<String> {
    let writers: Vec<Engine> = engines.iter().copied().filter(|e| *e != blitter).collect();
    let contexts: Vec<Context> =
        writers.iter().map(|engine| device.context(*engine)).collect::<Result<_>>()?;
    let copier = device.context(blitter)?;
    let (from, to) = (device.object(PAGE)?, device.object(ROUNDS * PAGE)?);
    let seen = to.open()?;
    let jobs = ROUNDS * writers.len().max(1);
    // Every job has commands of its own, so that all can be queued.
    let mut codes: Vec<Object> = Vec::new();
    for job in 0..jobs.min(ROUNDS * 2) {
        let round = job % ROUNDS;
        if let Some(context) = contexts.get(job % contexts.len().max(1)) {
            let code = coded(device, Batch::default().store(FROM, number(job)))?;
            context.submit(&[from.at(FROM).written()], code.at(CODE))?;
            codes.push(code);
        }
        let code = coded(device, page_copy(round).append(Batch::default()))?;
        copier.submit(&[from.at(FROM), to.at(TO).written()], code.at(CODE))?;
        codes.push(code);
    }
    to.wait()?;
    let last = jobs.min(ROUNDS * 2);
    for job in last - ROUNDS..last {
        let what = format!("what the blitter copied in round {job}");
        expect_dword(&what, seen.read(job % ROUNDS * PAGE / 4), number(job))?;
    }
    Ok(format!("{last} writes by {} engines, each copied", writers.len()))
}

fn number(job: usize) -> u32 {
    0x5eed_0000 + job as u32
}

fn coded(device: &Device, batch: Batch) -> Result<Object> {
    let code = device.object(PAGE)?;
    batch.end().write_to(&code.open()?);
    Ok(code)
}

/// The page at `FROM` to the page number `round` at `TO`.
fn page_copy(round: usize) -> Blit {
    let surface = |address| Surface { address, pitch: 128, layout: Layout::Linear };
    Blit {
        form: Form::Xy,
        target: surface(TO + (round * PAGE) as u64),
        depth: Depth::Argb8888,
        rop: 0xcc,
        area: Rectangle { left: 0, top: 0, right: 32, bottom: 32 },
        clip: None,
        alpha: true,
        rgb: true,
        source: Source::Pixels { surface: surface(FROM), at: (0, 0) },
        pattern: Pattern::None,
        seeds: (0, 0),
        chroma: None,
    }
}
