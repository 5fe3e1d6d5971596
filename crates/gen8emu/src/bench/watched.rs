//! `control_overhead` and `observe_overhead`: what observers cost the device's users.

use anyhow::Result;
use rigs::Program;

use super::measure::Pair;
use super::{Bench, Target, Unit, measure};
use crate::control::Watch;

/// Rules are most of it: they hear every write of a register.
pub(super) const CONTROL_OVERHEAD: Bench = Bench {
    name: "control_overhead",
    about: "a batch through the driver, on a device as of `serve --control`",
    limit: "the same on a device without observers",
    unit: Unit::Microseconds,
    target: Target::Ratio(1.6),
    run: || overhead(&Watch::new()),
};

/// Provenance is most of it: it compares page tables at every load of an address space.
pub(super) const OBSERVE_OVERHEAD: Bench = Bench {
    name: "observe_overhead",
    about: "a batch through the driver, on a device as of `serve --observe`",
    limit: "the same on a device without observers",
    unit: Unit::Microseconds,
    target: Target::Ratio(40.0),
    run: || overhead(&Watch::closely("a device")),
};

fn overhead(watch: &Watch) -> Result<Pair> {
    let mut watched = Program::new(None, Some(Box::new(watch.observers())))?;
    let mut plain = Program::new(None, None)?;
    Ok(measure::pair(
        |rounds| (0..rounds).filter(|_| watched.run().is_ok()).count() as u64,
        |rounds| (0..rounds).filter(|_| plain.run().is_ok()).count() as u64,
    ))
}
