//! Where events go.

use super::{Event, Interests};
use crate::memory::GuestRam;

/// Receives the device's events. Called with the device borrowed: an observer keeps what it needs
/// and returns; it can read guest memory through the handle that it was given.
pub trait Observer: Send {
    /// The groups of events that the observer wants to hear. Asked once, when it is set.
    fn interests(&self) -> Interests {
        Interests::DEFAULT
    }

    /// The memory that the device reaches from now on: told when the observer is set, and whenever the
    /// machine changes it. For observers that walk page tables while they hear an event; at other times they
    /// read the device's memory ([`crate::Gpu::memory`]), since what is read here gets into a recording.
    fn memory(&mut self, _memory: &GuestRam) {}

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
    /// Replaces the observer of a device that reaches `memory`. It hears nothing in a build without the
    /// feature `events` ([`crate::TELLS`]).
    pub fn set_observer(&mut self, observer: Option<Box<dyn Observer>>, memory: &GuestRam) {
        self.interests = observer.as_ref().map_or(Interests::NONE, |observer| observer.interests());
        self.observer = observer;
        self.set_memory(memory);
    }

    /// The device reaches other memory than before.
    pub fn set_memory(&mut self, memory: &GuestRam) {
        if let Some(observer) = &mut self.observer {
            observer.memory(memory);
        }
    }

    /// Sets the device time that events carry, in nanoseconds.
    pub fn set_time(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Whether anybody wants events of `group`: blocks may skip work that only serves such events.
    #[inline]
    pub fn wants(&self, group: Interests) -> bool {
        crate::TELLS && self.interests.intersects(group)
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
            self.tell(group, event);
        }
    }

    /// Out of line with the making of the event, so that the paths that tell stay short.
    #[cold]
    #[inline(never)]
    fn tell(&mut self, group: Interests, event: impl FnOnce() -> Event) {
        let event = &event();
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
