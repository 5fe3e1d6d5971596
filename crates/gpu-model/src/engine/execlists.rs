//! The execlists scheduler of one engine: submit port, running and pending list. Pure state: it
//! decides transitions, the engine carries them out.

use gen8_spec::execlists::{ContextDescriptor, csb, status};

use super::inspect::Elements;
use super::status_buffer::StatusBuffer;

/// Dword writes that make a submission: element 1 upper, lower, element 0 upper, lower.
const PORT_WRITES: usize = 4;

/// The list that the engine works on.
#[derive(Clone, Copy, Debug, Hash)]
struct Running {
    elements: Elements,
    /// 0 or 1.
    current: usize,
}

/// What a write to ELSP did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PortWrite {
    /// The submission is not complete yet.
    Collecting,
    /// The list is pending.
    Accepted,
    /// The list is pending, and replaced one that hardware had not looked at.
    Overwrote,
    /// Element 0 was not valid: nothing was submitted.
    Rejected,
}

/// What the engine does with its contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Restore this context; nothing ran before.
    Start(ContextDescriptor),
    /// Save the running context, restore this one.
    Switch(ContextDescriptor),
    /// Save the running context; nothing follows.
    Stop,
    /// Keep running, with TAIL read again from the context image.
    LiteRestore(ContextDescriptor),
}

/// A scheduling decision and the status that reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transition {
    /// What to do.
    pub(crate) action: Action,
    /// CSB entry, low dword.
    pub(crate) status: u32,
    /// CSB entry, high dword: id of the context that left, 0 if none did.
    pub(crate) context: u32,
}

/// The execlists state of one engine.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Execlists {
    port: [u32; PORT_WRITES],
    written: usize,
    running: Option<Running>,
    pending: Option<Elements>,
    /// What was reported.
    pub(crate) status_buffer: StatusBuffer,
}

impl Execlists {
    /// The state after reset: nothing submitted, nothing reported.
    pub(crate) fn new() -> Execlists {
        Execlists {
            port: [0; PORT_WRITES],
            written: 0,
            running: None,
            pending: None,
            status_buffer: StatusBuffer::new(),
        }
    }

    /// One dword written to ELSP.
    pub(crate) fn write_port(&mut self, value: u32) -> PortWrite {
        self.port[self.written] = value;
        self.written += 1;
        if self.written < PORT_WRITES {
            return PortWrite::Collecting;
        }
        self.written = 0;
        let [upper1, lower1, upper0, lower0] = self.port;
        let elements = [descriptor(upper0, lower0), descriptor(upper1, lower1)];
        if !elements[0].is_valid() {
            return PortWrite::Rejected;
        }
        match self.pending.replace(elements) {
            None => PortWrite::Accepted,
            Some(_) => PortWrite::Overwrote,
        }
    }

    /// The list that writing `value` to the port would submit, if the port is filled with it.
    pub(crate) fn submission_by(&self, value: u32) -> Option<Elements> {
        let [upper1, lower1, upper0, _] = self.port;
        (self.written + 1 == PORT_WRITES)
            .then(|| [descriptor(upper0, value), descriptor(upper1, lower1)])
    }

    /// Descriptor of the running context.
    pub(crate) fn current(&self) -> Option<ContextDescriptor> {
        self.running.map(|list| list.elements[list.current])
    }

    /// The list that runs, and which of its elements does.
    pub(crate) fn running(&self) -> Option<(Elements, usize)> {
        self.running.map(|list| (list.elements, list.current))
    }

    /// The list that waits.
    pub(crate) fn pending(&self) -> Option<Elements> {
        self.pending
    }

    /// Whether a context runs.
    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether a list waits for hardware to look at it.
    #[inline]
    pub(crate) fn has_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether nothing runs and nothing is pending.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_none() && self.pending.is_none()
    }

    /// Starts the pending list on an idle engine.
    pub(crate) fn start(&mut self) -> Option<Transition> {
        if self.running.is_some() {
            return None;
        }
        let elements = self.pending.take()?;
        self.running = Some(Running { elements, current: 0 });
        Some(Transition {
            action: Action::Start(elements[0]),
            status: csb::IDLE_ACTIVE,
            context: 0,
        })
    }

    /// An arbitration point inside the running context: takes the pending list, by lite restore if
    /// it begins with the running context.
    pub(crate) fn arbitrate(&mut self) -> Option<Transition> {
        let current = self.current()?;
        let elements = self.pending.take()?;
        self.running = Some(Running { elements, current: 0 });
        Some(if is_lite(current, elements[0]) {
            Transition {
                action: Action::LiteRestore(elements[0]),
                status: csb::PREEMPTED | csb::LITE_RESTORE,
                context: current.context_id(),
            }
        } else {
            Transition {
                action: Action::Switch(elements[0]),
                status: csb::PREEMPTED,
                context: current.context_id(),
            }
        })
    }

    /// The running context reached HEAD == TAIL.
    pub(crate) fn complete(&mut self) -> Option<Transition> {
        let list = self.running?;
        let current = list.elements[list.current];
        if self.pending.is_some_and(|pending| is_lite(current, pending[0])) {
            return self.arbitrate();
        }
        let context = current.context_id();
        let next = list.elements[1];
        if list.current == 0 && next.is_valid() {
            self.running = Some(Running { current: 1, ..list });
            return Some(Transition {
                action: Action::Switch(next),
                status: csb::ELEMENT_SWITCH | csb::COMPLETE,
                context,
            });
        }
        // A pending list starts from idle afterwards: two events, as i915 expects them.
        self.running = None;
        Some(Transition { action: Action::Stop, status: csb::ACTIVE_IDLE | csb::COMPLETE, context })
    }

    /// The running context waits on a semaphore and lets itself be switched out: the other element
    /// follows, or nothing.
    pub(crate) fn wait(&mut self, polls: bool) -> Option<Transition> {
        let list = self.running?;
        let context = list.elements[list.current].context_id();
        let reason = csb::WAIT_SEMAPHORE | if polls { csb::WAIT_POLLS } else { 0 };
        let next = list.elements[1];
        if list.current == 0 && next.is_valid() {
            self.running = Some(Running { current: 1, ..list });
            let status = csb::ELEMENT_SWITCH | reason;
            return Some(Transition { action: Action::Switch(next), status, context });
        }
        self.running = None;
        Some(Transition { action: Action::Stop, status: csb::ACTIVE_IDLE | reason, context })
    }

    /// EXECLIST_STATUS, low dword.
    pub(crate) fn status(&self, arbitration: bool) -> u32 {
        let mut value = self.status_buffer.last_reason() << status::SWITCH_REASON_SHIFT;
        if arbitration {
            value |= status::ARB_ENABLED;
        }
        if self.pending.is_some() {
            value |= status::QUEUE_FULL;
        }
        let Some(list) = self.running else {
            return value;
        };
        if list.current == 0 {
            value |= status::ELEMENT0_VALID | status::ELEMENT0_ACTIVE;
        } else {
            value |= status::ELEMENT1_ACTIVE;
        }
        if list.elements[1].is_valid() {
            value |= status::ELEMENT1_VALID;
        }
        value | (list.current as u32 + 1) << status::CURRENT_SHIFT
    }
}

fn descriptor(upper: u32, lower: u32) -> ContextDescriptor {
    ContextDescriptor(u64::from(upper) << 32 | u64::from(lower))
}

/// Whether `next` continues `current` instead of replacing it.
fn is_lite(current: ContextDescriptor, next: ContextDescriptor) -> bool {
    current.context_id() == next.context_id()
        && current.lrca() == next.lrca()
        && !next.force_restore()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen8_spec::execlists::Addressing;

    const NONE: ContextDescriptor = ContextDescriptor(0);

    fn context(id: u32) -> ContextDescriptor {
        ContextDescriptor::new(id << 16, id, Addressing::Legacy64)
    }

    fn submit(e: &mut Execlists, first: ContextDescriptor, second: ContextDescriptor) -> PortWrite {
        e.write_port(second.upper());
        e.write_port(second.lower());
        e.write_port(first.upper());
        e.write_port(first.lower())
    }

    fn status_of(t: Option<Transition>) -> (u32, u32) {
        t.map(|t| (t.status, t.context)).unwrap()
    }

    #[test]
    fn fourth_write_submits() {
        let mut e = Execlists::new();
        assert_eq!(e.write_port(0), PortWrite::Collecting);
        assert!(!e.has_pending());
        e.write_port(0);
        e.write_port(1);
        assert_eq!(e.write_port(context(1).lower()), PortWrite::Accepted);
        assert!(e.has_pending());
    }

    #[test]
    fn single_context_reports_0x1_then_0x18() {
        let mut e = Execlists::new();
        submit(&mut e, context(5), NONE);
        assert_eq!(status_of(e.start()), (0x1, 0));
        assert_eq!(e.current(), Some(context(5)));
        assert_eq!(status_of(e.complete()), (0x18, 5));
        assert!(e.is_idle());
    }

    #[test]
    fn two_elements_report_0x1_0x14_0x18() {
        let mut e = Execlists::new();
        submit(&mut e, context(1), context(2));
        assert_eq!(status_of(e.start()), (0x1, 0));
        assert_eq!(status_of(e.complete()), (0x14, 1));
        assert_eq!(e.current(), Some(context(2)));
        assert_eq!(status_of(e.complete()), (0x18, 2));
    }

    #[test]
    fn same_context_is_a_lite_restore_0x8002() {
        let mut e = Execlists::new();
        submit(&mut e, context(1), NONE);
        e.start();
        submit(&mut e, context(1), context(2));
        let t = e.arbitrate().unwrap();
        assert_eq!((t.status, t.context), (0x8002, 1));
        assert_eq!(t.action, Action::LiteRestore(context(1)));
    }

    #[test]
    fn lite_restore_is_taken_at_ring_idle_before_any_switch() {
        let mut e = Execlists::new();
        submit(&mut e, context(1), context(2));
        e.start();
        submit(&mut e, context(1), context(3));
        assert_eq!(status_of(e.complete()), (0x8002, 1));
        assert_eq!(status_of(e.complete()), (0x14, 1));
        assert_eq!(e.current(), Some(context(3)));
    }

    #[test]
    fn force_restore_makes_it_a_true_preemption() {
        let mut e = Execlists::new();
        submit(&mut e, context(1), NONE);
        e.start();
        let forced = ContextDescriptor(context(1).0 | ContextDescriptor::FORCE_RESTORE);
        submit(&mut e, forced, NONE);
        let t = e.arbitrate().unwrap();
        assert_eq!((t.status, t.action), (0x2, Action::Switch(forced)));
    }

    #[test]
    fn other_context_preempts_0x2() {
        let mut e = Execlists::new();
        submit(&mut e, context(1), NONE);
        e.start();
        submit(&mut e, context(2), NONE);
        assert_eq!(status_of(e.arbitrate()), (0x2, 1));
        assert_eq!(e.arbitrate(), None);
    }

    #[test]
    fn completion_with_another_list_pending_reports_0x18_then_0x1() {
        let mut e = Execlists::new();
        submit(&mut e, context(1), NONE);
        e.start();
        submit(&mut e, context(2), NONE);
        assert_eq!(status_of(e.complete()), (0x18, 1));
        assert_eq!(status_of(e.start()), (0x1, 0));
    }

    #[test]
    fn third_list_overwrites_the_pending_one_and_says_so() {
        let mut e = Execlists::new();
        submit(&mut e, context(1), NONE);
        e.start();
        assert_eq!(submit(&mut e, context(2), NONE), PortWrite::Accepted);
        assert_eq!(submit(&mut e, context(3), NONE), PortWrite::Overwrote);
        e.arbitrate();
        assert_eq!(e.current(), Some(context(3)));
    }

    #[test]
    fn list_without_element_0_is_rejected() {
        let mut e = Execlists::new();
        assert_eq!(submit(&mut e, NONE, context(1)), PortWrite::Rejected);
        assert!(e.is_idle());
    }

    #[test]
    fn status_names_queue_and_current_element() {
        let mut e = Execlists::new();
        submit(&mut e, context(1), context(2));
        assert_eq!(e.status(false), status::QUEUE_FULL);
        e.start();
        let first = e.status(true);
        assert_eq!(first >> status::CURRENT_SHIFT & 3, 1);
        assert_ne!(first & status::ELEMENT0_ACTIVE, 0);
        assert_ne!(first & status::ARB_ENABLED, 0);
        e.complete();
        assert_eq!(e.status(true) >> status::CURRENT_SHIFT & 3, 2);
    }
}
