//! What the kernel's tracepoints count of lifetimes, as checks report it.

use serde::{Deserialize, Serialize};

/// How often something began and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Balance {
    pub(super) began: u64,
    pub(super) ended: u64,
}

/// Address spaces, VMAs and contexts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Balances {
    pub(super) vms: Balance,
    pub(super) vmas: Balance,
    pub(super) contexts: Balance,
}
