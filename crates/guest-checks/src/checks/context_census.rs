//! Contexts by the thousand, each with an address space of its own, a batch that marks it and its
//! end, while the kernel's trace runs.

use crate::error::{Error, Result};
use crate::gpu::{Device, Node, Worker};
use crate::lifetimes::{Expected, TracedDriver, first_mark};
use crate::report::Reporter;
use crate::trace;

/// Cycles after which the trace is read, so that it loses nothing.
const READ_EVERY: u32 = 100;
/// Marks of one check.
const MOST: u32 = 65_535;

/// `cycles` times.
pub(super) fn run(reporter: &mut Reporter, cycles: u32) -> Result<()> {
    if cycles > MOST {
        return Err(Error::Wrong(format!("there are marks for {MOST} cycles")));
    }
    let Some(mut driver) = TracedDriver::start("context-census", reporter)? else { return Ok(()) };
    let first = first_mark(4);
    let device = Device::open(Node::Render)?;
    let engines = device.engines()?;
    let worker = Worker::new(&device)?;
    for (number, engine) in (1..=cycles).zip(engines.iter().cycle()) {
        let mark = first + number;
        trace::announce(mark)?;
        let context = device.context(*engine)?;
        worker
            .run_marked(&context, mark)
            .map_err(|error| Error::Wrong(format!("cycle {number} on {engine}: {error}")))?;
        drop(context);
        if number % READ_EVERY == 0 {
            driver.read()?;
        }
    }
    let marks = first + 1..=first + cycles;
    let settled = driver.settle("cycles", &[Expected::released(&marks)])?;
    reporter.result(Some("cycles"), settled.judge());
    drop(worker);
    drop(device);
    reporter.result(Some("driver"), driver.end());
    Ok(())
}
