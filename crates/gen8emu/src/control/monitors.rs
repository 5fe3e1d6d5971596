//! Monitors that come and go while the server runs.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use gpu_model::display::{Output, Port};
use serde::{Deserialize, Serialize};

use super::Held;
use crate::output;

/// What is to be connected.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plug {
    /// The port: B, C or D.
    pub(crate) port: String,
    /// The monitor, as on the command line; files by their path from the root.
    pub(crate) output: String,
}

/// What is to be taken away.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unplug {
    /// The port: B, C or D.
    pub(crate) port: String,
}

/// Where something was connected or taken away.
#[derive(Deserialize, Serialize)]
pub(crate) struct Changed {
    pub(crate) port: String,
}

/// Connects a monitor.
pub(super) fn plug(wanted: &Plug, device: &Held) -> Result<Changed> {
    let port: Port = wanted.port.parse()?;
    let output = Output::parse(&wanted.output, |file: &Path| {
        // The client's working directory is another.
        if !file.is_absolute() {
            return Err(io::Error::other("it is no path from the root"));
        }
        output::read(file)
    })?;
    let monitor = output.monitor.context("'hdmi=none' is no monitor: unplug takes one away")?;
    device.touch(|gpu| gpu.plug(port, monitor))??;
    Ok(Changed { port: port.to_string() })
}

/// Takes a monitor away.
pub(super) fn unplug(wanted: &Unplug, device: &Held) -> Result<Changed> {
    let port: Port = wanted.port.parse()?;
    device.touch(|gpu| gpu.unplug(port))??;
    Ok(Changed { port: port.to_string() })
}
