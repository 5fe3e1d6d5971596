//! `gen8emu plug` and `gen8emu unplug`: connect a monitor to a running server's GPU, or take it away.

use anyhow::{Context, Result};

use crate::cli::{PlugArgs, UnplugArgs};
use crate::control::monitors::{Changed, Plug, Unplug};

/// What is written before the file of an EDID.
const EDID_FILE: &str = "hdmi=edid:";

/// Connects a monitor.
pub(crate) fn plug(arguments: &PlugArgs) -> Result<()> {
    let output = match arguments.output.strip_prefix(EDID_FILE) {
        // The server works in another directory.
        Some(file) if !file.is_empty() => {
            let file = std::path::absolute(file).context("there is no working directory")?;
            format!("{EDID_FILE}{}", file.display())
        }
        _ => arguments.output.clone(),
    };
    let wanted = Plug { port: arguments.port.to_string(), output };
    let changed: Changed = control_client::ask(&arguments.control, "plug", &wanted)?;
    println!("port {}: {} is connected", changed.port, arguments.output);
    Ok(())
}

/// Takes a monitor away.
pub(crate) fn unplug(arguments: &UnplugArgs) -> Result<()> {
    let wanted = Unplug { port: arguments.port.to_string() };
    let changed: Changed = control_client::ask(&arguments.control, "unplug", &wanted)?;
    println!("port {}: no monitor", changed.port);
    Ok(())
}
