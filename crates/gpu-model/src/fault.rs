//! GPU page faults as values.

use gen8_spec::engine::EngineId;

/// A translation or access that failed, as the fault registers report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuFault {
    /// Engine that made the access; `None` for the CPU through the aperture.
    pub engine: Option<EngineId>,
    /// Whether the address is in the GGTT.
    pub ggtt: bool,
    /// Virtual (or GGTT) address.
    pub address: u64,
    /// Whether it was a write.
    pub write: bool,
    /// Level of the entry that failed: 0 PTE, 1 PDE, 2 PDPE, 3 PML4E.
    pub level: u32,
    /// The entry as read, if it was readable.
    pub entry: u64,
}
