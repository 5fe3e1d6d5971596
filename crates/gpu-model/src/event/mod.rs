//! What the device tells its observer: [`Event`]s, in groups that an observer asks for.

mod interests;
mod parts;
mod sink;

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;
use ppgtt::PageTableRoot;

use crate::display::PlaneId;
use crate::engine::Space;
use crate::guest_rule::{GuestRule, Origin};
use crate::pci::InterruptMessage;

pub use interests::Interests;
pub use parts::{Actor, Invalidation, MemoryWrite, Site, Submission, WriteKind};
pub use sink::{EventSink, Observer};

/// Something that happened in the device. Typed, so that checks need no log parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The guest gave an ownership hint through the debug page.
    Hint(Hint),
    /// An engine loaded page-directory pointers (context restore or register write).
    PdpLoaded {
        /// Engine.
        engine: EngineId,
        /// 3 or 4.
        levels: u32,
        /// PDP0..3; with four levels only the first counts and names the PML4.
        pdps: [u64; 4],
        /// Context id (execlists) or CCID (legacy).
        context: u32,
    },
    /// MI_NOOP loaded NOPID with an identification number. Batches without privilege may do that,
    /// so a guest can mark the address space that the engine has loaded (its last `PdpLoaded`).
    NopId {
        /// Engine.
        engine: EngineId,
        /// Context id (execlists) or CCID (legacy).
        context: u32,
        /// The number, 22 bits.
        value: u32,
    },
    /// A translation or access failed.
    Fault(crate::fault::GpuFault),
    /// A plane took effect that shows something which no memory holds. Told once, with the blanking
    /// that let it take effect.
    PlaneFault {
        /// Pipe, 0 to 2.
        pipe: u32,
        /// Which of its planes.
        plane: PlaneId,
        /// GGTT address of the first byte that has no memory, or that hardware cannot fetch.
        address: u64,
        /// Device time of the blanking, nanoseconds: the event may be told later.
        blanked_ns: u64,
    },
    /// A register that no block knows was accessed.
    UnknownRegister {
        /// Offset in BAR0.
        offset: u32,
        /// The value, for a write.
        written: Option<u32>,
        /// Who did that.
        origin: Origin,
    },
    /// A command could not be decoded or executed.
    InstructionError {
        /// Engine.
        engine: EngineId,
        /// Header dword.
        header: u32,
        /// Address of the command (ring offset or batch VA).
        address: u64,
        /// Whose command it is.
        origin: Origin,
    },
    /// A register write from a non-privileged batch was dropped.
    PrivilegeViolation {
        /// Engine.
        engine: EngineId,
        /// Register offset in BAR0.
        register: u32,
    },
    /// A TLB entry was used although the page tables say otherwise now. Told at every use.
    StaleTlb {
        /// Engine.
        engine: EngineId,
        /// Virtual page.
        address: u64,
        /// For a write.
        write: bool,
        /// Translation that was used.
        used: u64,
        /// Translation that a walk gives now, if any.
        current: Option<u64>,
    },
    /// Something else that a driver should not do; `rule` names it. Rules that the device has to look
    /// for are of the group [`Interests::RULES`].
    GuestError {
        /// The rule that was broken.
        rule: GuestRule,
        /// Who broke it.
        origin: Origin,
        /// A register offset, address or value that says where; the rule tells which.
        detail: u64,
    },
    /// A context switch: what was written to the CSB.
    ContextSwitch {
        /// Engine.
        engine: EngineId,
        /// Entry of the CSB.
        slot: u32,
        /// Low dword (status).
        status: u32,
        /// Context id that left.
        context: u32,
    },
    /// An engine or the whole GT was reset.
    Reset {
        /// Bits of GDRST.
        domains: u32,
    },
    /// The whole function was reset, as by a machine that starts anew.
    FunctionReset,
    /// A batch was started from the ring while the engine has other page directories loaded than the
    /// running context's image names: they were changed without a reload ([`Interests::STALE_TLB`]).
    StalePdps {
        /// What the engine ran.
        site: Site,
        /// PDP0..3 that it has loaded; with four levels only the first counts.
        loaded: [u64; 4],
        /// The same in the image.
        image: [u64; 4],
    },
    /// A register is written; told before anything comes of it ([`Interests::REGISTER_WRITES`]).
    /// Writes to no register are told as well.
    RegisterWritten {
        /// Offset in BAR0.
        offset: u32,
        /// The dword; a narrow write has its other bytes as they read.
        value: u32,
        /// By whom.
        by: Actor,
    },
    /// A CPU read a register ([`Interests::REGISTER_READS`]). Told before what the read changes.
    RegisterRead {
        /// Offset in BAR0.
        offset: u32,
        /// The dword.
        value: u32,
    },
    /// A GGTT entry was written ([`Interests::GGTT_WRITES`]).
    GgttWritten {
        /// Which: its GGTT page.
        index: u64,
        /// The entry before.
        old: u64,
        /// The entry now.
        new: u64,
        /// By whom.
        by: Actor,
    },
    /// Memory was written through the device ([`Interests::MEMORY_WRITES`]): by commands, by blits, by the
    /// aperture, and by hardware (statuses, context images).
    MemoryWritten(MemoryWrite),
    /// An engine reached memory for data, or for commands of a page that it did not fetch from
    /// last ([`Interests::ACCESSES`]). Told before the access.
    Accessed {
        /// What the engine ran.
        site: Site,
        /// Address space of `address`.
        space: Space,
        /// Virtual or GGTT address.
        address: u64,
        /// Where that is in memory.
        physical: u64,
        /// For a write.
        write: bool,
        /// For commands.
        fetch: bool,
    },
    /// A TLB was filled with a translation ([`Interests::TLB`]). What was in its place is forgotten.
    TlbFilled {
        /// What the engine ran.
        site: Site,
        /// Virtual page.
        address: u64,
        /// Physical page.
        page: u64,
        /// Whether writes go through.
        writable: bool,
        /// Filled for a write.
        write: bool,
        /// The page tables.
        root: PageTableRoot,
        /// Physical address of the leaf entry that says so.
        pte_address: u64,
    },
    /// Software or the engine did what empties the TLB ([`Interests::TLB`]). A reset does too; that is
    /// told as [`Event::Reset`] or [`Event::FunctionReset`].
    TlbInvalidated {
        /// What the engine ran.
        site: Site,
        /// By what.
        by: Invalidation,
    },
    /// Work was handed to an engine ([`Interests::SUBMISSIONS`]).
    Submitted {
        /// Engine.
        engine: EngineId,
        /// How.
        how: Submission,
    },
    /// An engine took a context over from its image ([`Interests::CONTEXTS`]); page directories are
    /// told as [`Event::PdpLoaded`].
    ContextLoaded {
        /// Engine.
        engine: EngineId,
        /// Context id (execlists) or CCID (legacy).
        context: u32,
        /// GGTT address of the image.
        image: u64,
        /// Physical address of the page that was read: the state page (execlists), else the first.
        page: u64,
        /// RING_HEAD, wrap count included.
        head: u32,
        /// RING_TAIL.
        tail: u32,
        /// A lite restore: the context ran already, and only TAIL was taken.
        lite: bool,
    },
    /// An engine wrote a context back to its image ([`Interests::CONTEXTS`]).
    ContextSaved {
        /// Engine.
        engine: EngineId,
        /// Context id (execlists) or CCID (legacy).
        context: u32,
        /// GGTT address of the image.
        image: u64,
        /// Physical address of the page that was written: the state page (execlists), else the first.
        page: u64,
        /// RING_HEAD, wrap count included.
        head: u32,
        /// RING_TAIL as the engine had it.
        tail: u32,
    },
    /// A batch begins ([`Interests::REQUESTS`]): MI_BATCH_BUFFER_START was executed.
    BatchStarted {
        /// What the engine ran: the command's place.
        site: Site,
        /// Address space of the batch.
        space: Space,
        /// Address of the batch.
        address: u64,
        /// 1: from the ring, or chained to; 2: called by a batch.
        level: u32,
        /// Offset of HEAD in the ring, behind the command if that stands in the ring.
        head: u32,
    },
    /// A batch ends ([`Interests::REQUESTS`]).
    BatchEnded {
        /// What the engine ran: the place of the command that ended it.
        site: Site,
        /// As in [`Event::BatchStarted`]; 1 ends a batch of level 2 as well. 0: a batch that a context's
        /// restore ran.
        level: u32,
    },
    /// An engine's event that may become an interrupt ([`Interests::INTERRUPTS`]).
    InterruptRaised {
        /// Engine.
        engine: EngineId,
        /// Bits of `gen8_spec::interrupts` for one engine, not shifted.
        bits: u32,
        /// Those of them that the ring's IMR lets through.
        passed: u32,
    },
    /// The machine took an interrupt message to deliver it ([`Interests::INTERRUPTS`]).
    InterruptTaken(InterruptMessage),
}

impl Event {
    /// The group that the event belongs to, by which observers ask for it.
    pub const fn group(&self) -> Interests {
        match self {
            Event::Hint(_)
            | Event::PdpLoaded { .. }
            | Event::NopId { .. }
            | Event::Fault(_)
            | Event::PlaneFault { .. }
            | Event::UnknownRegister { .. }
            | Event::InstructionError { .. }
            | Event::PrivilegeViolation { .. }
            | Event::ContextSwitch { .. }
            | Event::Reset { .. }
            | Event::FunctionReset => Interests::BASICS,
            Event::GuestError { rule, .. } => rule.group(),
            Event::StaleTlb { .. } | Event::StalePdps { .. } => Interests::STALE_TLB,
            Event::RegisterWritten { .. } => Interests::REGISTER_WRITES,
            Event::RegisterRead { .. } => Interests::REGISTER_READS,
            Event::GgttWritten { .. } => Interests::GGTT_WRITES,
            Event::MemoryWritten(write) => write.kind.group(),
            Event::Accessed { .. } => Interests::ACCESSES,
            Event::TlbFilled { .. } | Event::TlbInvalidated { .. } => Interests::TLB,
            Event::Submitted { .. } => Interests::SUBMISSIONS,
            Event::ContextLoaded { .. } | Event::ContextSaved { .. } => Interests::CONTEXTS,
            Event::BatchStarted { .. } | Event::BatchEnded { .. } => Interests::REQUESTS,
            Event::InterruptRaised { .. } | Event::InterruptTaken(_) => Interests::INTERRUPTS,
        }
    }
}
