//! The GPU's registers, read past i915 through its PCI function, as Debian's `intel_reg` does.

use std::fs::{File, OpenOptions};

use super::Node;
use crate::error::{Error, Result};
use crate::sys::Mapping;

/// BAR0 holds registers up to here; the GGTT's entries follow.
const BYTES: usize = 2 << 20;

/// All registers.
pub(crate) struct Registers {
    mapping: Mapping,
}

impl Registers {
    /// Of i915's GPU.
    pub(crate) fn open() -> Result<Registers> {
        let path = Node::Card.sysfs()?.join("device/resource0");
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|error| Error::file(&path, error))?;
        Ok(Registers { mapping: Mapping::new(&file, 0, BYTES)? })
    }

    /// Reads the register at `offset`.
    pub(crate) fn read(&self, offset: u32) -> u32 {
        self.mapping.read(offset as usize / size_of::<u32>())
    }

    /// Writes the register at `offset`.
    pub(crate) fn write(&self, offset: u32, value: u32) {
        self.mapping.write(offset as usize / size_of::<u32>(), value);
    }
}

/// Keeps the GPU awake and its registers reachable, by i915's own means.
pub(crate) struct Awake {
    _file: File,
}

impl Awake {
    /// From now on.
    pub(crate) fn keep() -> Result<Awake> {
        let path = Node::debugfs()?.join("i915_forcewake_user");
        let file = File::open(&path).map_err(|error| Error::file(&path, error))?;
        Ok(Awake { _file: file })
    }
}
