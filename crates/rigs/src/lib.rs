//! Devices that are ready for batches, for `gen8emu bench`.
//!
//! [`Rig`] is a device by itself, [`Program`] one under our driver. The program `gen8-rig` measures one of them
//! for another process: so builds can be compared that cannot be in one process ([`Workload`], [`serve`]).

mod error;
mod program;
mod rig;
mod server;
mod workload;

use gpu_model::GpuConfig;

pub use error::RigError;
pub use program::Program;
pub use rig::{BATCH_ROOM, CONTEXT_ID, DATA_VA, ENGINE, Rig, SECOND_BATCH, STATUS_PAGE};
pub use server::serve;
pub use workload::{Ready, Workload};

/// A GT2 part.
const DEVICE_ID: u16 = 0x1616;

/// What `gen8-rig` says first: whether its device `tells` observers.
pub fn greeting(tells: bool) -> &'static str {
    if tells { "tells" } else { "tells nobody" }
}

/// The configuration of every device here.
///
/// # Errors
///
/// gpu-model does not know the part.
pub fn config() -> Result<GpuConfig, RigError> {
    GpuConfig::by_device_id(DEVICE_ID).ok_or(RigError::Part)
}
