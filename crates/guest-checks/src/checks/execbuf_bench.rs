//! How long a batch takes from the submission to the client's waking.

use std::time::Instant;

use crate::error::Result;
use crate::gpu::{Batch, Device, Node};
use crate::report::{Figure, Reporter};

const WARM_UP: usize = 50;

/// The median of `rounds` empty batches, each waited for, in guest time.
pub(super) fn run(reporter: &mut Reporter, rounds: u32) -> Result<()> {
    let device = Device::open(Node::Render)?;
    let engine = device.engines()?.remove(0);
    let context = device.context(engine)?;
    let code = device.object(4096)?;
    Batch::default().end().write_to(&code.open()?);
    let mut times = Vec::new();
    for _ in 0..WARM_UP + rounds as usize {
        let start = Instant::now();
        context.submit(&[], code.at(0x10_0000))?;
        code.wait()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let mut times = times.split_off(WARM_UP);
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let detail = format!(
        "{engine}, {rounds} empty batches: median {:.0} us, 10 % {:.0}, 90 % {:.0}",
        at(50),
        at(10),
        at(90)
    );
    let figure = Figure { name: "guest_execbuf", value: at(50), unit: "us" };
    reporter.measured(None, &detail, figure);
    Ok(())
}
