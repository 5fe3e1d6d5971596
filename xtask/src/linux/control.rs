//! Asking the GPU's server over its control socket (docs/control.md).

use std::path::Path;

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How often the guest used BAR0: registers and GGTT entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Accesses {
    pub(super) reads: u64,
    pub(super) writes: u64,
}

impl Accesses {
    /// Those since the server started.
    pub(super) fn ask(socket: &Path) -> Result<Accesses> {
        execute(socket, "accesses")
    }

    /// Those since `earlier`.
    pub(super) fn since(self, earlier: Accesses) -> Accesses {
        Accesses {
            reads: self.reads.saturating_sub(earlier.reads),
            writes: self.writes.saturating_sub(earlier.writes),
        }
    }
}

/// The server's answer to `command`.
pub(super) fn execute<T: DeserializeOwned>(socket: &Path, command: &str) -> Result<T> {
    execute_with(socket, command, Value::Null)
}

/// The server's answer to `command` with arguments.
pub(super) fn execute_with<T: DeserializeOwned>(
    socket: &Path,
    command: &str,
    arguments: Value,
) -> Result<T> {
    Ok(control_client::ask(socket, command, &arguments)?)
}
