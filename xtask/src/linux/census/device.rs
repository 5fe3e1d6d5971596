//! What the device has seen, asked over the server's control socket.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::super::control;

/// The answer to `address-spaces`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Seen {
    pub(super) forgotten: u64,
    pub(super) spaces: Vec<Space>,
}

/// An address space that an engine loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Space {
    pub(super) number: u64,
    pub(super) root: Vec<u64>,
    pub(super) mark: Option<u32>,
    pub(super) engines: Vec<String>,
    pub(super) live_on: Vec<String>,
    pub(super) loads: u64,
    pub(super) replaced_ns: Option<u64>,
    pub(super) walk: Option<Walk>,
}

/// What is at its root now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Walk {
    pub(super) tables: Tables,
    pub(super) ptes: u64,
    pub(super) problems: usize,
    pub(super) truncated: bool,
}

/// Table pages that are not scratch. i915 shares its scratch between address spaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tables {
    pub(super) pml4: usize,
    pub(super) pdp: usize,
    pub(super) pd: usize,
    pub(super) pt: usize,
}

impl Tables {
    pub(super) fn pages(self) -> usize {
        self.pml4 + self.pdp + self.pd + self.pt
    }
}

/// Asks the server at `socket`.
pub(super) fn ask(socket: &Path) -> Result<Seen> {
    control::execute(socket, "address-spaces")
}
