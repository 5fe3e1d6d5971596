//! Typed failures of the hardware half.

use gen8_spec::engine::EngineId;
use thiserror::Error;

/// Why the device could not be brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// No Intel function answers.
    #[error("vendor id {0:#06x} is not Intel's")]
    NotIntel(u16),
    /// Intel's, but not a Broadwell.
    #[error("device id {0:#06x} is not a Broadwell GPU")]
    UnknownDevice(u16),
    /// GMCH_CTRL says that there are no GGTT entries.
    #[error("GMCH_CTRL {0:#06x} gives no GGTT")]
    NoGgtt(u16),
    /// The forcewake request was not acknowledged.
    #[error("forcewake was not acknowledged")]
    Forcewake,
    /// The first reset failed.
    #[error("reset at probe: {0}")]
    Reset(#[from] ResetError),
    /// An interrupt identity register did not clear.
    #[error("interrupt identity register {register:#x} reads {value:#010x} after it was cleared")]
    StuckInterrupt {
        /// Offset in BAR0.
        register: u32,
        /// What it reads.
        value: u32,
    },
    /// An engine did not complete its first request.
    #[error("engine {} did not complete its first request", .0.name())]
    EngineDead(EngineId),
    /// No DMA page was left.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

/// No DMA page or no GGTT space was left. Nothing was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("out of DMA pages or GGTT space")]
pub struct OutOfMemory;

/// Why a context was not made known to an engine. Nothing was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContextError {
    /// No DMA page or GGTT space was left.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// This part lacks the engine.
    #[error("no engine {}", .0.name())]
    NoEngine(EngineId),
    /// The engine already knows a context of that id.
    #[error("context {0} exists on the engine")]
    Duplicate(u32),
}

/// The GGTT has no hole of that size and alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no hole in the GGTT")]
pub struct NoSpace;

impl From<NoSpace> for OutOfMemory {
    fn from(_: NoSpace) -> Self {
        OutOfMemory
    }
}

/// Why a request was not submitted. The ring and the queue are as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The ring has no room: wait for an earlier request and try again.
    #[error("ring is full")]
    RingFull,
    /// The request can never fit into the ring.
    #[error("request is larger than the ring")]
    TooLarge,
    /// The seqno would wrap while requests are outstanding: let every engine become idle and try
    /// again.
    #[error("seqno wraps: idle the GPU first")]
    SeqnoWrap,
    /// The context does not exist on that engine.
    #[error("no such context on the engine")]
    NoContext,
    /// A reset failed earlier; the GPU is declared dead.
    #[error("GPU is wedged")]
    Wedged,
}

/// Why a reset failed. The GPU is unusable ("wedged").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The engine is not there.
    #[error("no engine {}", .0.name())]
    NoEngine(EngineId),
    /// RESET_CTL never reported ready.
    #[error("engine {} does not get ready for reset", .0.name())]
    NotReady(EngineId),
    /// GDRST did not clear itself.
    #[error("GDRST keeps bits {0:#x}")]
    Stuck(u32),
}
