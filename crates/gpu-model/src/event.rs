//! What the device tells its observer.

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;

use crate::display::PlaneId;
use crate::guest_rule::{GuestRule, Origin};
use crate::interests::Interests;

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
    },
    /// A command could not be decoded or executed.
    InstructionError {
        /// Engine.
        engine: EngineId,
        /// Header dword.
        header: u32,
        /// Address of the command (ring offset or batch VA).
        address: u64,
    },
    /// A register write from a non-privileged batch was dropped.
    PrivilegeViolation {
        /// Engine.
        engine: EngineId,
        /// Register offset in BAR0.
        register: u32,
    },
    /// A TLB entry was used although the page tables say otherwise now.
    StaleTlb {
        /// Engine.
        engine: EngineId,
        /// Virtual page.
        address: u64,
        /// Translation that was used.
        used: u64,
        /// Translation that a walk gives now, if any.
        current: Option<u64>,
    },
    /// Something else that a driver should not do; `rule` names it.
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
}

impl Event {
    /// The group that the event belongs to, by which observers ask for it.
    pub const fn group(&self) -> Interests {
        match self {
            Event::StaleTlb { .. } => Interests::STALE_TLB,
            _ => Interests::BASICS,
        }
    }
}

/// Receives the device's events. Called with the device borrowed: an observer keeps what it needs
/// and returns; it can read guest memory through its own handle to it.
pub trait Observer: Send {
    /// The groups of events that the observer wants to hear. Asked once, when it is set.
    fn interests(&self) -> Interests {
        Interests::DEFAULT
    }

    /// One event, at device time `now_ns`, in nanoseconds.
    fn event(&mut self, now_ns: u64, event: &Event);
}

/// Where the device's blocks put events: an observer or nothing.
#[derive(Default)]
pub struct EventSink {
    observer: Option<Box<dyn Observer>>,
    /// What the observer wants: no event of another group is made.
    interests: Interests,
    now_ns: u64,
}

impl EventSink {
    /// Replaces the observer.
    pub fn set_observer(&mut self, observer: Option<Box<dyn Observer>>) {
        self.interests = observer.as_ref().map_or(Interests::NONE, |observer| observer.interests());
        self.observer = observer;
    }

    /// Sets the device time that events carry, in nanoseconds.
    pub fn set_time(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Whether anybody wants events of `group`: blocks may skip work that only serves such events.
    #[inline]
    pub fn wants(&self, group: Interests) -> bool {
        self.interests.intersects(group)
    }

    /// Tells the observer an event of [`Interests::BASICS`]; `event` is not evaluated when nobody
    /// wants those.
    #[inline]
    pub fn emit(&mut self, event: impl FnOnce() -> Event) {
        self.emit_for(Interests::BASICS, event);
    }

    /// Tells the observer an event of `group`; `event` is not evaluated when nobody wants those.
    #[inline]
    pub fn emit_for(&mut self, group: Interests, event: impl FnOnce() -> Event) {
        if self.wants(group) {
            self.tell(group, &event());
        }
    }

    #[cold]
    fn tell(&mut self, group: Interests, event: &Event) {
        debug_assert_eq!(event.group(), group, "{event:?}");
        if let Some(observer) = &mut self.observer {
            observer.event(self.now_ns, event);
        }
    }
}

impl core::fmt::Debug for EventSink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { observer, interests, now_ns } = self;
        f.debug_struct("EventSink")
            .field("observed", &observer.is_some())
            .field("interests", interests)
            .field("now_ns", now_ns)
            .finish()
    }
}
