//! What batches can ask for, short of shaders: the group `gem`.
//!
//! Its checks consist of [`Work`]s. Each family of works has a file, and a check that runs it; all
//! of them run once more while another engine hangs ([`beside_hang`]).

mod beside_hang;
mod blitter;
mod errors;
mod fences;
mod layout;
mod mi_commands;
mod power;
mod random;

use crate::error::Result;
use crate::gpu::{Device, Engine, Node};
use crate::report::Reporter;

pub(super) use beside_hang::run as beside_hang;
pub(super) use blitter::run as blits;
pub(super) use errors::{fault, instruction, resets, signs};
pub(super) use fences::run as fences;
pub(super) use mi_commands::run as mi_commands;
pub(super) use power::{busyness, forcewake, frequency, rc6, runtime};

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

/// The works of every family.
const FAMILIES: &[&[Work]] = &[mi_commands::WORKS, blitter::WORKS, fences::WORKS];

/// For [`Work::on`]: each engine has it.
fn everywhere(_: Engine) -> bool {
    true
}

/// For [`Work::on`]: the engine that draws.
fn blitter(engine: Engine) -> bool {
    engine.to_string().starts_with("bcs")
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
