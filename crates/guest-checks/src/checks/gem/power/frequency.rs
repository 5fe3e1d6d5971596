//! Frequencies: they follow the load, within the limits that were set.

use std::path::PathBuf;
use std::time::Duration;

use super::{PATIENCE, SELDOM, let_go};
use crate::error::{Error, Result};
use crate::files::{self, Setting};
use crate::gpu::{Device, Endless, Engine, Node};
use crate::report::Reporter;

/// How long i915 may take to change its mind: it looks every so many milliseconds.
const INERTIA: Duration = Duration::from_secs(10);
/// Limits to set, in MHz.
const LOW: u64 = 400;
const HIGH: u64 = 700;

/// A result for each engine as load, and one for limits.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    let device = Device::open(Node::Render)?;
    let control = Node::Card.sysfs()?.join("device/power/control");
    let _on = Setting::set(&control, "on")?;
    let files = Files::find()?;
    let engines = device.engines()?;
    for &engine in &engines {
        reporter.result(Some(&engine.to_string()), follows(&device, engine, &files));
    }
    if let Some(&engine) = engines.first() {
        reporter.result(Some("limits"), limits(&device, engine, &files));
    }
    Ok(())
}

/// i915's files of frequencies, in MHz.
struct Files {
    requested: PathBuf,
    actual: PathBuf,
    lowest: PathBuf,
    highest: PathBuf,
    boost: PathBuf,
    /// What the hardware can do.
    hardware: [u64; 2],
}

impl Files {
    fn find() -> Result<Files> {
        let card = Node::Card.sysfs()?;
        let file = |name: &str| card.join(name);
        Ok(Files {
            requested: file("gt_cur_freq_mhz"),
            actual: file("gt_act_freq_mhz"),
            lowest: file("gt_min_freq_mhz"),
            highest: file("gt_max_freq_mhz"),
            boost: file("gt_boost_freq_mhz"),
            hardware: [
                files::read_number(&file("gt_RPn_freq_mhz"))?,
                files::read_number(&file("gt_RP0_freq_mhz"))?,
            ],
        })
    }

    /// Waits until `frequency` is what i915 asks for, and looks whether the GPU runs at it.
    fn must_become(&self, frequency: u64, when: &str) -> Result<()> {
        let what = format!("coming to {frequency} MHz {when}");
        files::wait_until(&what, INERTIA, || Ok(files::read_number(&self.requested)? == frequency))
            .map_err(|error| self.with_frequency(error))?;
        match files::read_number(&self.actual)? {
            actual if actual == frequency => Ok(()),
            actual => Err(Error::Wrong(format!(
                "the GPU runs at {actual} MHz {when}, asked for are {frequency}"
            ))),
        }
    }

    /// At rest i915 tells as requested what it is going to begin with; what there is it reads.
    fn must_rest_at(&self, frequency: u64) -> Result<()> {
        let what = format!("coming to rest at {frequency} MHz");
        files::wait_until(&what, INERTIA, || Ok(files::read_number(&self.actual)? == frequency))?;
        Ok(())
    }

    fn with_frequency(&self, error: Error) -> Error {
        match files::read(&self.requested) {
            Ok(now) => Error::Wrong(format!("{error}: it is at {now} MHz")),
            Err(_) => error,
        }
    }
}

/// Up to the highest while an engine works, down to the lowest when it is done.
fn follows(device: &Device, engine: Engine, files: &Files) -> Result<String> {
    let [lowest, highest] = files.hardware;
    let heartbeat = engine.sysfs()?.join("heartbeat_interval_ms");
    let _blind = Setting::set(&heartbeat, SELDOM)?;
    let_go()?;
    files.must_rest_at(lowest)?;
    let endless = Endless::start(device, engine, false, PATIENCE)?;
    let up = files.must_become(highest, "under load");
    endless.release();
    endless.wait()?;
    up?;
    let_go()?;
    files.must_rest_at(lowest)?;
    Ok(format!("{lowest} MHz at rest, {highest} under load, {lowest} afterwards"))
}

/// What is set as limits holds under load and at rest.
fn limits(device: &Device, engine: Engine, files: &Files) -> Result<String> {
    let heartbeat = engine.sysfs()?.join("heartbeat_interval_ms");
    let _blind = Setting::set(&heartbeat, SELDOM)?;
    let low = LOW.to_string();
    let high = HIGH.to_string();
    let _boost = Setting::set(&files.boost, &high)?;
    let _highest = Setting::set(&files.highest, &high)?;
    let _lowest = Setting::set(&files.lowest, &low)?;
    let endless = Endless::start(device, engine, false, PATIENCE)?;
    let up = files.must_become(HIGH, "under load with a limit");
    let pinned = up.and_then(|()| {
        let _all = Setting::set(&files.lowest, &high)?;
        files.must_become(HIGH, "with both limits alike")
    });
    endless.release();
    endless.wait()?;
    pinned?;
    Ok(format!("{HIGH} MHz under load where {LOW} to {HIGH} are allowed"))
}
