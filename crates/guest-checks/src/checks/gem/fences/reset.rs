//! Resets of the whole GPU while the CPU uses a fence: they clear the fences, and the kernel must keep
//! the CPU away until it has written them anew.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::tiled::Tiled;
use crate::checks::gem::random::Random;
use crate::error::{Error, Result};
use crate::files::{self, Setting};
use crate::gpu::blt::Layout;
use crate::gpu::{Device, Engine, Node};
use crate::report::expect_resets;

/// Writing a mask of engines here, in debugfs, resets them.
const WEDGED: &str = "i915_wedged";
const ALL_ENGINES: &str = "0xffffffff";
/// 1: the whole GPU is reset, never an engine alone.
const RESET_PARAMETER: &str = "i915_params/reset";
const RESETS: u32 = 4;
/// Between two of them.
const BREATH: Duration = Duration::from_millis(20);

/// Uses a fence until the resets are over.
pub(super) fn run(device: &Device, engine: Engine) -> Result<String> {
    let debugfs = Node::debugfs()?;
    let [wedged, parameter] = [WEDGED, RESET_PARAMETER].map(|name| debugfs.join(name));
    for path in [&wedged, &parameter] {
        if !path.exists() {
            return Err(Error::NotHere(format!("there is no {}", path.display())));
        }
    }
    expect_resets(true);
    let result = through_resets(device, engine, wedged, &parameter);
    expect_resets(false);
    result
}

fn through_resets(
    device: &Device,
    engine: Engine,
    wedged: PathBuf,
    parameter: &Path,
) -> Result<String> {
    const BYTES: usize = 128 << 10;
    let _full = Setting::set(parameter, "1")?;
    // It has seen no reset yet.
    let context = device.context(engine)?;
    let before = context.reset_stats()?.reset_count;
    let tiled = Tiled::new(device, BYTES, Layout::Y, 1024)?;
    let resets = thread::spawn(move || {
        for _ in 0..RESETS {
            files::write(&wedged, ALL_ENGINES)?;
            thread::sleep(BREATH);
        }
        Ok(())
    });
    let mut random = Random::new(7);
    let mut spans = 0;
    let mut seen = Ok(());
    // The thread ends in any case, so that a fault found here is told after all resets.
    while !resets.is_finished() {
        let (at, bytes) = (random.within(0, BYTES as i32 - 32) as usize, random.bytes(32));
        seen = seen.and_then(|()| tiled.check(at, &bytes));
        spans += 1;
    }
    resets.join().map_err(|_| Error::Wrong("the thread of the resets panicked".into()))??;
    seen?;
    let counted = context.reset_stats()?.reset_count - before;
    if counted < RESETS {
        return Err(Error::Wrong(format!("{counted} resets in place of {RESETS}")));
    }
    Ok(format!("{spans} spans during {counted} resets"))
}
