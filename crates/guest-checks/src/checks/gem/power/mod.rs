//! Sleep, frequency and how busy the engines are, as i915 tells of them.

mod busyness;
mod forcewake;
mod frequency;
mod rc6;
mod runtime;

use std::time::{Duration, Instant};

use super::SELDOM;
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::Node;

pub(in crate::checks) use busyness::run as busyness;
pub(in crate::checks) use forcewake::run as forcewake;
pub(in crate::checks) use frequency::run as frequency;
pub(in crate::checks) use rc6::run as rc6;
pub(in crate::checks) use runtime::run as runtime;

/// How long start and end of a batch may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// `i915_gem_drop_caches`: retire, and wait until the GPU is idle (`DROP_RETIRE`, `DROP_IDLE`,
/// `DROP_FREED` of `i915_debugfs.c`).
const LET_GO: &str = "0x54";

/// Has i915 let go of everything, so that the GPU may sleep.
fn let_go() -> Result<()> {
    files::write(&Node::debugfs()?.join("i915_gem_drop_caches"), LET_GO)
}

/// How much of the time while `wait` runs a counter of nanoseconds ran, and that time.
fn share_of(
    count: impl Fn() -> Result<u64>,
    wait: impl FnOnce() -> Result<()>,
) -> Result<(f64, Duration)> {
    let (start, before) = (Instant::now(), count()?);
    wait()?;
    let (after, took) = (count()?, start.elapsed());
    let counted = after.checked_sub(before);
    let counted = counted.ok_or_else(|| Error::Wrong("a counter went backwards".into()))?;
    Ok((counted as f64 / took.as_nanos() as f64, took))
}

/// In percent, for people.
fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
