//! What events are made of.

use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;

use super::Interests;
use crate::engine::Space;

/// What an engine was running when it did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// Engine.
    pub engine: EngineId,
    /// Context id (execlists) or CCID (legacy).
    pub context: u32,
    /// Where the command stands: offset in the ring, or address in the batch (ACTHD).
    pub address: u64,
    /// Whether it stands in a batch.
    pub in_batch: bool,
}

/// Who did something to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Software, by an access to a BAR.
    Cpu,
    /// An engine.
    Engine(Site),
}

/// A piece of memory that was written through the device, after the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryWrite {
    /// By whom.
    pub by: Actor,
    /// For what.
    pub kind: WriteKind,
    /// Address space of `address`.
    pub space: Space,
    /// Virtual or GGTT address of the first byte.
    pub address: u64,
    /// Physical address of it.
    pub physical: u64,
    /// Bytes, all in one page. A blit to a Y-tiled surface writes some bytes of its page, and tells the
    /// whole page.
    pub len: u64,
    /// What was written, if that is at most eight bytes.
    pub value: Option<u64>,
}

/// Why memory was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// A command stored data, or its post-sync operation did.
    Command,
    /// A 2D packet drew.
    Blit,
    /// Hardware saved a context.
    ContextSave,
    /// Hardware told a status: a CSB entry, its write index, the ring's head.
    Status,
    /// A CPU wrote through the aperture.
    Aperture,
}

impl WriteKind {
    /// The groups of its event: whoever asked for one of them hears it.
    pub const fn group(self) -> Interests {
        match self {
            WriteKind::Command => Interests::MEMORY_WRITES.and(Interests::STORES),
            WriteKind::Blit | WriteKind::ContextSave | WriteKind::Status | WriteKind::Aperture => {
                Interests::MEMORY_WRITES
            }
        }
    }
}

/// What empties a TLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invalidation {
    /// A context was loaded that has other page tables, or forces a reload of its page directories.
    ContextLoad,
    /// A PDP register was written.
    PdpWrite,
    /// GFX_MODE turned the PPGTT on or off, or changed its levels.
    ModeChange,
    /// The engine's TLB-invalidate register was written (RTCR 0x4260 and its sisters).
    Register,
    /// MI_FLUSH_DW with the TLB bit.
    FlushDw,
    /// PIPE_CONTROL with the TLB bit.
    PipeControl,
    /// A batch began or ended, while GFX_MODE asks for no explicit invalidation.
    BatchBoundary,
}

/// How work was handed to an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Submission {
    /// The fourth write of ELSP made a list pending.
    Elsp {
        /// Its elements.
        elements: [ContextDescriptor; 2],
        /// It took the place of a list that hardware had not looked at.
        replaced: bool,
    },
    /// RING_TAIL was written.
    Tail {
        /// Its offset in the ring.
        tail: u32,
    },
}
