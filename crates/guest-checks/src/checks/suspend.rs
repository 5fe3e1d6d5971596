//! The GPU is suspended when idle and works after it woke.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::files::{self, Setting};
use crate::gpu::{Device, Node, Worker};
use crate::report::Reporter;

/// i915 lets go of the idle GPU after a second or two; emulators are slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// `rounds` times: wait until the kernel says that the device is suspended, then run a batch.
pub(super) fn run(reporter: &mut Reporter, rounds: u32) -> Result<()> {
    let power = Node::Render.sysfs()?.join("device/power");
    let (control, delay, status, asleep) = (
        power.join("control"),
        power.join("autosuspend_delay_ms"),
        power.join("runtime_status"),
        power.join("runtime_suspended_time"),
    );
    let device = Device::open(Node::Render)?;
    let engines = device.engines()?;
    let contexts: Vec<_> =
        engines.iter().map(|engine| device.context(*engine)).collect::<Result<_>>()?;
    let worker = Worker::new(&device)?;
    let _delay = Setting::set(&delay, "10")?;
    let _control = Setting::set(&control, "auto")?;
    let slept_before = files::read_number(&asleep)?;
    for round in 1..=rounds {
        files::wait_until("going to sleep", PATIENCE, || Ok(files::read(&status)? == "suspended"))?;
        for (context, engine) in contexts.iter().zip(&engines) {
            worker
                .run(context, 0x5000_0000 + round)
                .map_err(|error| Error::Wrong(format!("round {round} on {engine}: {error}")))?;
        }
    }
    let slept = files::read_number(&asleep)?.saturating_sub(slept_before);
    if slept == 0 {
        return Err(Error::Wrong("the kernel counted no time of sleep".into()));
    }
    reporter.passed(None, &format!("{rounds} times asleep and awake; asleep for {slept} ms"));
    Ok(())
}
