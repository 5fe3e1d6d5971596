//! Contexts by the thousand: made, used, destroyed; memory is in the end what it was.

use std::time::Instant;

use crate::error::{Error, Result};
use crate::gpu::{Device, Engine, Node, Worker};
use crate::memory::{Growth, Memory, Sample};
use crate::report::{Figure, Reporter};

/// Cycles ahead of the first sample: caches and pools of the kernel fill.
const WARM_UP: u32 = 100;

/// `cycles` times a context with an address space of its own, a batch in it with a result that is
/// looked at, and its end. The objects stay, so that what the context bound of them is at stake.
pub(super) fn run(reporter: &mut Reporter, cycles: u32) -> Result<()> {
    let device = Device::open(Node::Render)?;
    let engines = device.engines()?;
    let worker = Worker::new(&device)?;
    cycle(&device, &engines, &worker, WARM_UP)?;
    let before = Sample::take()?;
    let start = Instant::now();
    cycle(&device, &engines, &worker, cycles)?;
    let took = start.elapsed();
    let growth = Growth { before, after: Sample::take()?, cycles };
    let detail = format!("{cycles} cycles, every value right; {growth}");
    match growth.judge() {
        Memory::Flat => {}
        Memory::Unknown => {
            reporter.skipped(Some("memory"), &format!("{cycles} cycles are too few to judge it"));
        }
        Memory::Grown => return Err(Error::Wrong(format!("memory has grown: {detail}"))),
    }
    let value = took.as_secs_f64() * 1e6 / f64::from(cycles);
    let detail = format!("{detail}; {:.0} cycles/s", 1e6 / value);
    reporter.measured(None, &detail, Figure { name: "context_cycle", value, unit: "us" });
    Ok(())
}

fn cycle(device: &Device, engines: &[Engine], worker: &Worker, cycles: u32) -> Result<()> {
    for (number, engine) in (0..cycles).zip(engines.iter().cycle()) {
        let context = device.context(*engine)?;
        worker
            .run(&context, 0x1000_0000 + number)
            .map_err(|error| Error::Wrong(format!("cycle {number} on {engine}: {error}")))?;
    }
    Ok(())
}
