//! What the two halves of the driver tell each other.

use alloc::vec::Vec;

use gen8_spec::engine::EngineId;
use gen8_spec::execlists::Addressing;

/// Context id of the driver's own (kernel) context on every engine, in context descriptors and
/// ownership hints. The ids of other contexts must differ from it, and must be unique among the
/// contexts that exist.
pub const KERNEL_CONTEXT: u32 = 0x000f_ffff;

/// Owner named in hints for pages that belong to the driver as a whole.
pub const GLOBAL_OWNER: u32 = 0;

/// How requests reach an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Submission {
    /// One ring an engine, started by writing its TAIL register; MI_SET_CONTEXT on the render
    /// engine (i915 `enable_execlists=0`).
    LegacyRing,
    /// Contexts with rings of their own, submitted through ELSP (kernels 4.3 and 4.4).
    Execlists,
    /// As [`Submission::Execlists`]; the lifetimes half also keeps a reference on the context that
    /// an engine ran last (kernels from 4.5 on).
    ExeclistsLastCtx,
}

impl Submission {
    /// Whether requests go through ELSP.
    pub const fn uses_execlists(self) -> bool {
        !matches!(self, Submission::LegacyRing)
    }
}

/// Levels of the page tables of per-process address spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PtLevels {
    /// Four page directories, 4 GiB (i915 `enable_ppgtt=2`).
    Three,
    /// One PML4, 256 TiB (i915 `enable_ppgtt=3`).
    Four,
}

impl PtLevels {
    /// The number of levels.
    pub const fn count(self) -> u32 {
        match self {
            PtLevels::Three => 3,
            PtLevels::Four => 4,
        }
    }

    /// Addressing mode of context descriptors.
    pub const fn addressing(self) -> Addressing {
        match self {
            PtLevels::Three => Addressing::Legacy32,
            PtLevels::Four => Addressing::Legacy64,
        }
    }
}

/// Settings of the hardware half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GtConfig {
    /// Submission mode of all engines.
    pub submission: Submission,
    /// Levels of every address space.
    pub levels: PtLevels,
    /// Give ownership hints if the debug page is there.
    pub hints: bool,
}

/// Pages bound in the GGTT: from [`Gt::ggtt_bind`](super::Gt::ggtt_bind) until
/// [`Gt::ggtt_unbind`](super::Gt::ggtt_unbind).
#[derive(Debug, PartialEq, Eq)]
pub struct GgttNode {
    pub(super) start: u64,
    pub(super) pages: u64,
}

impl GgttNode {
    /// GGTT address of the first byte.
    pub const fn address(&self) -> u64 {
        self.start
    }

    /// Size in bytes.
    pub const fn size(&self) -> u64 {
        self.pages * gen8_spec::PAGE_SIZE
    }
}

/// A context's presence on one engine: its image, and in execlists mode its ring. A handle; the
/// state is with the engine, which needs it for submission and reset.
#[derive(Debug, PartialEq, Eq)]
pub struct EngineContext {
    pub(super) engine: EngineId,
    pub(super) context: u32,
}

impl EngineContext {
    /// The engine.
    pub const fn engine(&self) -> EngineId {
        self.engine
    }

    /// The context id given to [`Gt::context_create`](super::Gt::context_create).
    pub const fn context(&self) -> u32 {
        self.context
    }
}

/// Waits on another engine before the work starts (MI_SEMAPHORE_WAIT on its status page).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemaphoreWait {
    /// The engine waited for.
    pub engine: EngineId,
    /// Its seqno that must have passed.
    pub seqno: u32,
}

/// One request, as the hardware half sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The caller's name for the request.
    pub token: u64,
    /// Page tables to run with; `None` for work that uses no per-process address.
    pub address_space: Option<super::PageTableRoot>,
    /// The page-directory pointers changed since this context last ran (i915 `pd_dirty_rings`):
    /// load them from the ring, which also drops stale TLB entries.
    pub reload_pdps: bool,
    /// Batch buffer to run: a virtual address, or a GGTT address with `batch_in_ggtt`.
    pub batch: Option<u64>,
    /// The batch is in the GGTT and runs privileged.
    pub batch_in_ggtt: bool,
    /// Requests of other engines to wait for.
    pub waits: Vec<SemaphoreWait>,
}

impl Work {
    /// A request without a batch: its breadcrumb only.
    pub const fn empty(token: u64) -> Self {
        Work {
            token,
            address_space: None,
            reload_pdps: false,
            batch: None,
            batch_in_ggtt: false,
            waits: Vec::new(),
        }
    }
}

/// A request that was handed to the hardware. Offsets are bytes in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The engine writes this to its status page when the work is done.
    pub seqno: u32,
    /// First command.
    pub head: u32,
    /// First command of the breadcrumb.
    pub postfix: u32,
    /// After the last command.
    pub tail: u32,
}

/// What hang detection looks at. Two equal samples with work pending mean no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HangSample {
    /// Seqno in the status page.
    pub seqno: u32,
    /// Active head: ring offset or batch address.
    pub acthd: u64,
    /// Ring HEAD.
    pub head: u32,
}

/// What a reset did with the requests of one engine, by their tokens in submission order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResetReport {
    /// The request that the engine was busy with: its commands were replaced by NOOPs.
    pub guilty: Option<u64>,
    /// Later requests of the guilty context, skipped likewise: they may rely on lost state.
    pub skipped: Vec<u64>,
    /// Requests of innocent contexts, which run again.
    pub replayed: Vec<u64>,
}
