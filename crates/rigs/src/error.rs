//! Why there is no device to measure.

use gpu_model::memory::MemoryError;
use ppgtt::MapError;
use thiserror::Error;

/// A device is not ready, or does not do what it is measured by.
#[derive(Debug, Error)]
pub enum RigError {
    /// gpu-model does not know the part.
    #[error("no such part")]
    Part,
    /// No memory for the machine.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// No page tables.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The driver does not take the device.
    #[error(transparent)]
    Probe(#[from] driver::ProbeError),
    /// The driver refuses something.
    #[error(transparent)]
    Driver(#[from] driver::Error),
    /// An endless batch does not run.
    #[error("the engine executed only {executed} commands of the batch")]
    Stuck {
        /// Commands.
        executed: u64,
    },
    /// The server fails.
    #[error(transparent)]
    Server(#[from] device_server::ServerError),
    /// The server panicked.
    #[error("the server panicked")]
    Panic,
    /// A batch does not come to its end.
    #[error("no CSB entry after {steps} steps")]
    NoStatus {
        /// Calls of [`gpu_model::Gpu::step`].
        steps: u32,
    },
}
