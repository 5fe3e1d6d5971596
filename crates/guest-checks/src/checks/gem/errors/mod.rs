//! Instruction errors, page faults, hangs: what the GPU shows of them, what i915 keeps, and who
//! suffers by the resets.

mod fault;
mod instruction;
mod resets;
mod signs;

use std::path::PathBuf;
use std::time::Duration;

use super::{OFTEN, SELDOM};
use crate::error::{Error, Result};
use crate::files::{self, Setting};
use crate::gpu::{Batch, Device, Endless, Engine, Node};
use crate::report::{Reporter, expect_resets};

pub(in crate::checks) use fault::run as fault;
pub(in crate::checks) use instruction::run as instruction;
pub(in crate::checks) use resets::run as resets;
pub(in crate::checks) use signs::run as signs;

/// How long the kernel may take to end what hangs once it looks often. Emulators are slow.
const PATIENCE: Duration = Duration::from_secs(40);
/// i915's parameter `error_capture`: hangs are not written down, which takes seconds each under an
/// emulator.
const FORGET: &str = "0";
/// A command that no engine has: MI, with an opcode that is reserved, and a mark to know it by.
const UNKNOWN: u32 = 0x3f << 23 | 0xbad;

/// Registers of an engine, from its base (PRM for Broadwell, volume 2c; `intel_engine_regs.h`).
mod register {
    pub(super) const TAIL: u32 = 0x30;
    pub(super) const HEAD: u32 = 0x34;
    pub(super) const ACTHD_UDW: u32 = 0x5c;
    pub(super) const IPEHR: u32 = 0x68;
    pub(super) const ACTHD: u32 = 0x74;
    pub(super) const EIR: u32 = 0xb0;
    pub(super) const EMR: u32 = 0xb4;
    pub(super) const ESR: u32 = 0xb8;
    pub(super) const EXECLIST_STATUS_LO: u32 = 0x234;
    pub(super) const EXECLIST_STATUS_HI: u32 = 0x238;
    pub(super) const PDP0_LDW: u32 = 0x270;
    pub(super) const PDP0_UDW: u32 = 0x274;
    /// The register of faults, which all engines share: it holds one.
    pub(super) const FAULT_VALID: u32 = 1;
    /// EIR, EMR, ESR: the command cannot be understood.
    pub(super) const INSTRUCTION_ERROR: u32 = 1;
}

/// A result for each of the first `most` engines, with i915's reports of resets expected.
fn on_engines(
    reporter: &mut Reporter,
    most: u32,
    check: impl Fn(Engine) -> Result<String>,
) -> Result<()> {
    let engines = Device::open(Node::Render)?.engines()?;
    expect_resets(true);
    for engine in engines.into_iter().take(most as usize) {
        reporter.result(Some(&engine.to_string()), check(engine));
    }
    expect_resets(false);
    Ok(())
}

/// The file that says how often the kernel looks for a hang of `engine`.
fn heartbeat(engine: Engine) -> Result<PathBuf> {
    Ok(engine.sysfs()?.join("heartbeat_interval_ms"))
}

fn base(engine: Engine) -> Result<u32> {
    engine.register_base().ok_or_else(|| Error::NotHere("its registers are not known".into()))
}

/// A batch that comes to a command that no engine has.
fn unknown_command() -> Batch {
    Batch::default().raw(UNKNOWN).nothing(4).end()
}

/// The kernel must end it, for which it looks often, and blame its context.
fn must_be_ended(endless: &Endless, engine: Engine) -> Result<Duration> {
    let heartbeat = heartbeat(engine)?;
    let impatient = Setting::set(&heartbeat, OFTEN)?;
    let took = ended(endless)?;
    drop(impatient);
    must_be_guilty(endless)?;
    Ok(took)
}

/// Waits until the kernel has ended it, or it itself.
fn ended(endless: &Endless) -> Result<Duration> {
    files::wait_until("the batch", PATIENCE, || Ok(!endless.is_running()?))
}

fn must_be_guilty(endless: &Endless) -> Result<()> {
    match endless.context().reset_stats()?.batch_active {
        1 => Ok(()),
        blamed => Err(Error::Wrong(format!("the context was blamed {blamed} times, not once"))),
    }
}

/// Fails in words unless `what` is so.
fn must(is: bool, what: impl FnOnce() -> String) -> Result<()> {
    if is { Ok(()) } else { Err(Error::Wrong(what())) }
}

/// A parameter of i915's that can be changed while it runs.
fn parameter(name: &str) -> Result<PathBuf> {
    let path = Node::debugfs()?.join("i915_params").join(name);
    if path.exists() { Ok(path) } else { Err(Error::NotHere(format!("no {}", path.display()))) }
}
