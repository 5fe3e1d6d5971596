//! What batches can ask for, short of shaders: the group `gem`.
//!
//! Its checks consist of [`Work`]s. Each family of works has a file, and a check that runs it; all
//! of them run once more while another engine hangs ([`mod@beside_hang`]).

mod beside_hang;
mod blitter;
mod errors;
mod fences;
pub(in crate::checks) mod layout;
mod mi_commands;
mod power;
mod random;
mod tlb;
mod waits;

use crate::error::Result;
use crate::gpu::{Device, Engine, Node};
use crate::report::Reporter;

pub(super) use beside_hang::run as beside_hang;
pub(super) use blitter::run as blits;
pub(super) use errors::{fault, instruction, resets, signs};
pub(super) use fences::run as fences;
pub(super) use mi_commands::run as mi_commands;
pub(super) use power::{busyness, forcewake, frequency, rc6, runtime};
pub(super) use tlb::run as tlb;
pub(super) use waits::run as waits;

/// `heartbeat_interval_ms`, between two looks of the kernel for a hang: as good as never (0 is refused
/// where contexts cannot displace each other).
const SELDOM: &str = "600000";
/// The same: as often as is sensible under an emulator.
const OFTEN: &str = "100";

/// A piece of a check: runs on one engine of a client, judges by what it left in memory, takes some
/// milliseconds, and can be repeated beside whatever else goes on.
pub(crate) struct Work {
    /// What it is about, in a word or two.
    name: &'static str,
    /// The engines that have it.
    on: fn(Engine) -> bool,
    /// Does it; what was seen, in words.
    run: fn(&Device, Engine) -> Result<String>,
}

/// A work that takes two engines; otherwise as [`Work`].
pub(crate) struct Pair {
    /// What it is about, in a word or two.
    name: &'static str,
    /// Does it; what was seen, in words.
    run: fn(&Device, Engine, Engine) -> Result<String>,
}

/// The works of every family, by file.
const FAMILIES: &[&[&[Work]]] =
    &[mi_commands::FAMILIES, waits::FAMILIES, tlb::FAMILIES, &[blitter::WORKS, fences::WORKS]];
/// Likewise those that take two engines.
const PAIRS: &[&[Pair]] = &[waits::PAIRS, tlb::PAIRS];

/// All works that `engine` has.
fn works_on(engine: Engine) -> impl Iterator<Item = &'static Work> {
    let works = FAMILIES.iter().copied().flatten().copied().flatten();
    works.filter(move |work| (work.on)(engine))
}

/// For [`Work::on`]: each engine has it.
fn everywhere(_: Engine) -> bool {
    true
}

/// For [`Work::on`]: the engine that draws.
fn blitter(engine: Engine) -> bool {
    engine.is_copy()
}

/// For [`Work::on`]: the render engine alone has it.
fn on_render(engine: Engine) -> bool {
    engine.is_render()
}

/// Runs `works`: a result for each work and engine.
fn run_all(reporter: &mut Reporter, works: &[Work]) -> Result<()> {
    let device = Device::open(Node::Render)?;
    let engines = device.engines()?;
    for work in works {
        for &engine in engines.iter().filter(|engine| (work.on)(**engine)) {
            let subject = format!("{engine} {}", work.name);
            reporter.result(Some(&subject), (work.run)(&device, engine));
        }
    }
    Ok(())
}

/// Runs `pairs`: a result for each work and ordered pair of engines.
fn run_pairs(reporter: &mut Reporter, pairs: &[Pair]) -> Result<()> {
    let device = Device::open(Node::Render)?;
    let engines = device.engines()?;
    for pair in pairs {
        for (first, second) in ordered_pairs(&engines) {
            let subject = format!("{first} {second} {}", pair.name);
            reporter.result(Some(&subject), (pair.run)(&device, first, second));
        }
    }
    Ok(())
}

/// Each engine with each other one.
fn ordered_pairs(engines: &[Engine]) -> impl Iterator<Item = (Engine, Engine)> {
    let with_others = |first| engines.iter().map(move |second| (first, *second));
    engines.iter().copied().flat_map(with_others).filter(|(first, second)| first != second)
}
