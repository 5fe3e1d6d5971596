//! Taking the GPU from i915 and giving it back, through sysfs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;
use crate::gpu::Node;

/// Where i915 lists its devices and takes orders.
const DRIVER: &str = "/sys/bus/pci/drivers/i915";

/// The GPU's PCI function, by its name (`0000:00:02.0`).
pub(crate) struct Function(String);

impl Function {
    /// The one that i915 drives now.
    pub(crate) fn of_i915() -> Result<Function> {
        let device = Node::Render.sysfs()?.join("device");
        let path = fs::canonicalize(&device).map_err(|error| Error::file(&device, error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Function(name))
    }

    /// Takes it from i915, which ends all that it has there. Nobody may have it open.
    pub(crate) fn unbind(&self) -> Result<()> {
        files::write(&order("unbind"), &self.0)
    }

    /// Gives it to i915, which begins anew.
    pub(crate) fn bind(&self) -> Result<()> {
        files::write(&order("bind"), &self.0)
    }

    /// Whether i915 has it.
    pub(crate) fn is_bound(&self) -> bool {
        order(&self.0).exists()
    }
}

fn order(name: &str) -> PathBuf {
    Path::new(DRIVER).join(name)
}

/// A console on the GPU's frame buffer would hold the driver.
pub(crate) fn release_consoles() -> Result<()> {
    let Ok(consoles) = fs::read_dir("/sys/class/vtconsole") else { return Ok(()) };
    for console in consoles.flatten() {
        let console = console.path();
        if files::read(&console.join("name"))?.contains("frame buffer") {
            files::write(&console.join("bind"), "0")?;
        }
    }
    Ok(())
}
