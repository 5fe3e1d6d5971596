//! What the GPU shows of a batch that runs and runs: its head moves, and its context has a name.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use super::{SELDOM, base, heartbeat, must, on_engines, register};
use crate::error::{Error, Result, expect_dword};
use crate::files::{self, Setting};
use crate::gpu::{Awake, Batch, Device, Endless, Engine, Node, Registers};
use crate::report::Reporter;

/// How long the start may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Commands in the loop: enough for the head to be at many places.
const COMMANDS: usize = 300;
/// Looks at the head, and between two of them.
const LOOKS: usize = 40;
const BREATH: Duration = Duration::from_millis(3);
/// EXECLIST_STATUS: the first or the second context of the list runs.
const ACTIVE: u32 = 3 << 14 | 3 << 17;

/// A result for each engine.
pub(in crate::checks) fn run(reporter: &mut Reporter, most: u32) -> Result<()> {
    on_engines(reporter, most, signs)
}

fn signs(engine: Engine) -> Result<String> {
    let device = Device::open(Node::Render)?;
    let (heartbeat, base) = (heartbeat(engine)?, base(engine)?);
    let _blind = Setting::set(&heartbeat, SELDOM)?;
    let (_awake, registers) = (Awake::keep()?, Registers::open()?);
    let read = |register| registers.read(base + register);
    let round = Batch::default().nothing(COMMANDS).jump(Endless::LOOP).end();
    let endless = Endless::start_with(&device, engine, &round, PATIENCE)?;
    let heads: BTreeSet<u32> = (0..LOOKS)
        .map(|_| {
            thread::sleep(BREATH);
            read(register::ACTHD)
        })
        .collect();
    let end = Endless::LOOP + 4 * (COMMANDS as u64 + 3);
    if let Some(head) = heads.iter().find(|at| !(Endless::LOOP..end).contains(&u64::from(**at))) {
        return Err(Error::Wrong(format!("ACTHD {head:#x} is not in the loop")));
    }
    must(heads.len() > 1, || format!("ACTHD stands still in {LOOKS} looks, at {heads:#x?}"))?;
    let (status, context) =
        (read(register::EXECLIST_STATUS_LO), read(register::EXECLIST_STATUS_HI));
    expect_dword("the context in EXECLIST_STATUS", context, active_context(engine)?)?;
    must(status & ACTIVE != 0, || format!("EXECLIST_STATUS {status:#x}: nothing is active"))?;
    endless.release();
    endless.wait()?;
    Ok(format!("{} places of ACTHD in {LOOKS} looks; context {context:#x} named", heads.len()))
}

/// The context that i915 has in the first port.
fn active_context(engine: Engine) -> Result<u32> {
    const ACTIVE: &str = "Active[0]:";
    let info = files::read(&Node::debugfs()?.join("i915_engine_info"))?;
    let mut lines = info.lines().skip_while(|line| *line != engine.to_string());
    let line = lines.find(|line| line.trim_start().starts_with(ACTIVE));
    let id = line.and_then(|line| line.split_once("ccid:")).and_then(|(_, rest)| rest.get(..8));
    id.and_then(|id| u32::from_str_radix(id, 16).ok())
        .ok_or_else(|| Error::Wrong("i915_engine_info names no active context".into()))
}
