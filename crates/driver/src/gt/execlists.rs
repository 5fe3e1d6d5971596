//! The execlist queue of an engine, in the way of kernels 4.3 and 4.4: the two contexts at the
//! front go to the ELSP ports, and only when one of them leaves the hardware are ports written
//! again. Pure bookkeeping; [`super::engine`] moves it to the hardware.

use alloc::collections::VecDeque;

use gen8_spec::execlists::csb;
use ppgtt::PageTableRoot;

/// A request whose context is to run, or runs, up to `tail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) token: u64,
    pub(super) seqno: u32,
    pub(super) context: u32,
    /// TAIL for the context image.
    pub(super) tail: u32,
    /// TAIL for a second submission (WaIdleLiteRestore): past NOOPs behind `tail`, since the
    /// hardware must not be given a context with nothing to do.
    pub(super) resubmit_tail: u32,
    pub(super) root: Option<PageTableRoot>,
    /// Restore from memory even if the hardware ran this context last.
    pub(super) force_restore: bool,
    /// How many ELSP writes named its context and were not answered by an event yet (i915
    /// `elsp_submitted`).
    pub(super) submitted: u32,
}

/// The queue. Front elements with a non-zero count are on the hardware.
#[derive(Default)]
pub(super) struct Queue {
    elements: VecDeque<Element>,
    /// Tokens that the hardware has no more to do with.
    switched_out: VecDeque<u64>,
    /// Status entry processed last.
    pub(super) read_index: u32,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    pub(super) fn take_switched_out(&mut self) -> Option<u64> {
        self.switched_out.pop_front()
    }

    /// Whether a queued or running request belongs to `context`.
    pub(super) fn has_context(&self, context: u32) -> bool {
        self.elements.iter().any(|e| e.context == context)
    }

    /// Adds a request. Returns whether the ports are to be written now: only if nothing runs; else
    /// the next context switch does it.
    pub(super) fn push(&mut self, element: Element) -> bool {
        self.elements.push_back(element);
        self.elements.len() == 1
    }

    /// Chooses what to write to the ports: the front context and the next different one. Requests
    /// of one context that follow each other are one submission up to the last one's tail.
    pub(super) fn next_pair(&mut self) -> Option<(Element, Option<Element>)> {
        self.coalesce(0);
        self.coalesce(1);
        let first = self.elements.front_mut()?;
        if first.submitted > 0 {
            first.tail = first.resubmit_tail;
        }
        let first = submit(first);
        let second = self.elements.get_mut(1).map(submit);
        Some((first, second))
    }

    /// Replaces the element at `index` by the last of the run of the same context that it starts.
    fn coalesce(&mut self, index: usize) {
        while let (Some(this), Some(next)) =
            (self.elements.get(index).copied(), self.elements.get_mut(index + 1))
            && this.context == next.context
        {
            next.submitted = this.submitted;
            next.force_restore |= this.force_restore;
            // The image gets what the first request starts with; if the later one needs another
            // root, it loads it from the ring.
            next.root = this.root;
            self.elements.remove(index);
            self.switched_out.push_back(this.token);
        }
    }

    /// Takes one status entry into account. Returns whether a context left the hardware, so that
    /// the ports can be written again.
    pub(super) fn event(&mut self, status: u32, context: u32) -> bool {
        if status & csb::IDLE_ACTIVE != 0 {
            return false;
        }
        let mut left = false;
        if status & csb::PREEMPTED != 0 {
            if status & csb::LITE_RESTORE == 0 {
                log::warn!("context {context:#x} was preempted without a lite restore");
            }
            if self.acknowledge(context) {
                log::warn!("lite restore removed the request of context {context:#x}");
                left = true;
            }
        }
        if status & (csb::ACTIVE_IDLE | csb::ELEMENT_SWITCH) != 0 {
            left |= self.acknowledge(context);
        }
        left
    }

    /// One submission of the front context was answered; true if it was the last one and the
    /// context left (i915 `execlists_check_remove_request`).
    fn acknowledge(&mut self, context: u32) -> bool {
        let Some(front) = self.elements.front_mut() else { return false };
        if front.context != context {
            return false;
        }
        front.submitted = front.submitted.saturating_sub(1);
        if front.submitted > 0 {
            return false;
        }
        self.switched_out.push_back(front.token);
        self.elements.pop_front();
        true
    }

    /// Starts over after a reset: nothing is on the hardware, `done` requests are out, the others
    /// wait to be submitted with a full restore.
    pub(super) fn restart(&mut self, done: impl Fn(u32) -> bool) {
        let switched_out = &mut self.switched_out;
        self.elements.retain_mut(|element| {
            element.submitted = 0;
            element.force_restore = true;
            if done(element.seqno) {
                switched_out.push_back(element.token);
                return false;
            }
            true
        });
    }
}

/// The element as it goes to a port now; marks it submitted.
fn submit(element: &mut Element) -> Element {
    let now = *element;
    element.submitted += 1;
    element.force_restore = false;
    now
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const COMPLETE_SWITCH: u32 = csb::COMPLETE | csb::ELEMENT_SWITCH;
    const COMPLETE_IDLE: u32 = csb::COMPLETE | csb::ACTIVE_IDLE;
    const LITE: u32 = csb::PREEMPTED | csb::LITE_RESTORE;

    fn element(token: u64, context: u32) -> Element {
        let tail = token as u32 * 0x100;
        Element {
            token,
            seqno: token as u32,
            context,
            tail,
            resubmit_tail: tail + 8,
            root: None,
            force_restore: false,
            submitted: 0,
        }
    }

    /// What the ports get, as (context, tail).
    fn ports(queue: &mut Queue) -> Vec<(u32, u32)> {
        let Some((first, second)) = queue.next_pair() else { return Vec::new() };
        core::iter::once(first).chain(second).map(|e| (e.context, e.tail)).collect()
    }

    fn out(queue: &mut Queue) -> Vec<u64> {
        core::iter::from_fn(|| queue.take_switched_out()).collect()
    }

    #[test]
    fn only_the_first_request_of_an_idle_engine_writes_the_ports() {
        let mut queue = Queue::default();
        assert!(queue.push(element(1, 10)));
        assert_eq!(ports(&mut queue), [(10, 0x100)]);
        assert!(!queue.push(element(2, 20)));
    }

    #[test]
    fn idle_to_active_and_foreign_contexts_change_nothing() {
        let mut queue = Queue::default();
        queue.push(element(1, 10));
        queue.next_pair();
        assert!(!queue.event(csb::IDLE_ACTIVE, 0));
        assert!(!queue.event(COMPLETE_IDLE, 99));
        assert!(!queue.is_empty());
        assert!(queue.event(COMPLETE_IDLE, 10));
        assert!(queue.is_empty());
        assert_eq!(out(&mut queue), [1]);
    }

    #[test]
    fn requests_of_one_context_coalesce_into_the_last_tail() {
        let mut queue = Queue::default();
        for (token, context) in [(1, 10), (2, 10), (3, 20), (4, 20), (5, 10)] {
            queue.push(element(token, context));
        }
        assert_eq!(ports(&mut queue), [(10, 0x200), (20, 0x400)]);
        assert_eq!(out(&mut queue), [1, 3], "overtaken requests are done with the queue");
    }

    #[test]
    fn an_element_switch_resubmits_the_running_context_as_a_lite_restore() {
        let mut queue = Queue::default();
        for (token, context) in [(1, 10), (2, 20), (3, 30)] {
            queue.push(element(token, context));
        }
        assert_eq!(ports(&mut queue), [(10, 0x100), (20, 0x200)]);
        assert!(queue.event(COMPLETE_SWITCH, 10));
        // Context 20 runs already: its tail moves past the NOOPs, 30 takes the second port.
        assert_eq!(ports(&mut queue), [(20, 0x208), (30, 0x300)]);
        assert!(!queue.event(LITE, 20), "still one submission to be answered");
        assert!(queue.event(COMPLETE_SWITCH, 20));
        assert_eq!(ports(&mut queue), [(30, 0x308)]);
        assert!(!queue.event(LITE, 30));
        assert!(queue.event(COMPLETE_IDLE, 30));
        assert_eq!(out(&mut queue), [1, 2, 3]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_context_that_idles_before_its_lite_restore_runs_twice() {
        let mut queue = Queue::default();
        for (token, context) in [(1, 10), (2, 20), (3, 30)] {
            queue.push(element(token, context));
        }
        queue.next_pair();
        queue.event(COMPLETE_SWITCH, 10);
        queue.next_pair();
        // 20 was done before the second ELSP write arrived.
        assert!(!queue.event(COMPLETE_IDLE, 20));
        assert!(!queue.event(csb::IDLE_ACTIVE, 0));
        assert!(queue.event(COMPLETE_SWITCH, 20));
        assert_eq!(out(&mut queue), [1, 2]);
    }

    #[test]
    fn a_request_that_follows_the_running_one_inherits_its_count() {
        let mut queue = Queue::default();
        queue.push(element(1, 10));
        queue.push(element(2, 20));
        queue.next_pair();
        queue.push(element(3, 20));
        assert!(queue.event(COMPLETE_SWITCH, 10));
        assert_eq!(ports(&mut queue), [(20, 0x308)]);
        assert!(!queue.event(LITE, 20));
        assert!(queue.event(COMPLETE_IDLE, 20));
        assert_eq!(out(&mut queue), [1, 2, 3]);
    }

    #[test]
    fn force_restore_goes_out_once() {
        let mut queue = Queue::default();
        queue.push(Element { force_restore: true, ..element(1, 10) });
        queue.push(element(2, 10));
        assert!(queue.next_pair().unwrap().0.force_restore, "inherited by the later request");
        assert!(!queue.next_pair().unwrap().0.force_restore);
    }

    #[test]
    fn restart_keeps_what_is_not_done_in_order() {
        let mut queue = Queue::default();
        for (token, context) in [(1, 10), (2, 20), (3, 10)] {
            queue.push(element(token, context));
        }
        queue.next_pair();
        queue.restart(|seqno| seqno <= 1);
        assert_eq!(out(&mut queue), [1]);
        let (first, second) = queue.next_pair().unwrap();
        assert_eq!((first.context, first.tail, first.force_restore), (20, 0x200, true));
        assert_eq!(second.map(|e| e.context), Some(10));
    }

    #[test]
    fn events_without_a_submission_are_harmless() {
        let mut queue = Queue::default();
        for status in 0..=0xffff {
            assert!(!queue.event(status, 7));
        }
    }
}
