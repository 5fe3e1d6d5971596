//! Forcewake: who keeps the GPU awake, and that it sleeps when nobody does.

use std::time::Duration;

use super::let_go;
use crate::error::{Result, expect_dword};
use crate::files::{self, Setting};
use crate::gpu::{Awake, Node, Registers};
use crate::report::Reporter;

/// Which requests are granted (`FORCEWAKE_ACK_HSW` of `intel_uncore.h`); it can be read without one.
const ACKNOWLEDGED: u32 = 0x13_0044;
/// The kernel's request (`FORCEWAKE_KERNEL`).
const KERNEL: u32 = 1;
/// How long i915 may hold on to its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// One result.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    let control = Node::Card.sysfs()?.join("device/power/control");
    let _on = Setting::set(&control, "on")?;
    let registers = Registers::open()?;
    let asleep = || Ok(registers.read(ACKNOWLEDGED) == 0);
    let_go()?;
    files::wait_until("falling asleep", PATIENCE, asleep)?;
    let awake = Awake::keep()?;
    expect_dword("the acknowledged requests", registers.read(ACKNOWLEDGED), KERNEL)?;
    let second = Awake::keep()?;
    drop(awake);
    expect_dword("the acknowledged requests", registers.read(ACKNOWLEDGED), KERNEL)?;
    drop(second);
    files::wait_until("falling asleep again", PATIENCE, asleep)?;
    reporter.passed(None, "the request is acknowledged until its last user goes");
    Ok(())
}
