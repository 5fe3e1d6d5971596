//! i915 is unloaded and loaded again, and every engine works.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::engines;
use crate::driver::{self, Function};
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::{Device, Node};
use crate::report::{Figure, Reporter};

/// How long device nodes may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// `rounds` times. In every second round the device is unbound before the module goes.
pub(super) fn run(reporter: &mut Reporter, rounds: u32) -> Result<()> {
    if !Path::new("/sys/module/i915/initstate").exists() {
        reporter.skipped(None, "i915 is no module of this kernel");
        return Ok(());
    }
    driver::release_consoles()?;
    let start = Instant::now();
    for round in 1..=rounds {
        round_trip(round).map_err(|error| Error::Wrong(format!("round {round}: {error}")))?;
    }
    let value = start.elapsed().as_secs_f64() * 1e3 / f64::from(rounds);
    let detail = format!("{rounds} times unloaded and loaded, all engines right after each");
    reporter.measured(None, &detail, Figure { name: "i915_reload", value, unit: "ms" });
    Ok(())
}

fn round_trip(round: u32) -> Result<()> {
    if round.is_multiple_of(2) {
        Function::of_i915()?.unbind()?;
    }
    command("rmmod", &["i915"])?;
    if Path::new("/sys/module/i915").exists() {
        return Err(Error::Wrong("i915 is still there after rmmod".into()));
    }
    command("modprobe", &["i915"])?;
    files::wait_until("the render node", PATIENCE, || {
        Ok(Node::Render.path().is_ok_and(|path| path.exists()))
    })?;
    let device = Device::open(Node::Render)?;
    for engine in device.engines()? {
        engines::check(&device, engine)
            .map_err(|error| Error::Wrong(format!("{engine}: {error}")))?;
    }
    Ok(())
}

fn command(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| Error::file(Path::new(program), error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Wrong(format!("{program} ({}): {}", output.status, said.trim())))
}
