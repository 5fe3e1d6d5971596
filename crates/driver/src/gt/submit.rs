//! From a piece of work to commands on a ring, and the start of the ring.

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;

use super::emit::Commands;
use super::engine::{Backend, Engine, InFlight};
use super::error::SubmitError;
use super::execlists::Element;
use super::hardware::Hardware;
use super::seqno::seqno_passed;
use super::types::{Submitted, Work};
use crate::Platform;

/// Bytes of NOOPs behind an execlist request: what a lite restore of an idle context runs
/// (i915 `WaIdleLiteRestore`).
const RESUBMIT_BYTES: u32 = 8;

/// A semaphore wait with its address looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResolvedWait {
    /// GGTT address of the seqno slot.
    pub(super) slot: u64,
    pub(super) seqno: u32,
}

/// A request as commands. Offsets are bytes from its start.
struct Request {
    commands: Commands,
    payload: u32,
    postfix: u32,
    /// Up to where TAIL goes; only NOOPs follow.
    end: u32,
}

impl Engine {
    /// The seqno that the next request gets: never 0.
    pub(super) fn next_seqno(&self) -> u32 {
        self.last_seqno.wrapping_add(1).max(1)
    }

    /// Whether the next seqno is smaller than the last one. Semaphores compare without wrapping.
    pub(super) fn seqno_wraps(&self) -> bool {
        self.last_seqno == u32::MAX
    }

    /// Writes a request to the ring and hands it to the hardware.
    pub(super) fn submit<P: Platform>(
        &mut self,
        hw: &mut Hardware<P>,
        context: u32,
        work: &Work,
        waits: &[ResolvedWait],
    ) -> Result<Submitted, SubmitError> {
        let completed = self.completed(hw);
        self.forget_completed(completed);
        let seqno = self.next_seqno();
        let request = self.build(context, work, waits, seqno)?;
        let state = self.contexts.get_mut(&context).ok_or(SubmitError::NoContext)?;
        let ring = match &mut self.backend {
            Backend::Legacy { ring, .. } => ring,
            Backend::Execlists(_) => state.ring.as_mut().ok_or(SubmitError::NoContext)?,
        };

        let head = ring.begin(hw, request.commands.dwords().len(), completed)?;
        ring.emit(hw, request.commands.dwords());
        let postfix = head + request.postfix;
        ring.track(seqno, postfix);
        let tail = ring.advance(head, request.end);
        let resubmit_tail = ring.advance(tail, RESUBMIT_BYTES);

        let force_restore = !state.submitted;
        state.submitted = true;
        if work.address_space.is_some() {
            state.root = work.address_space;
        }
        self.last_seqno = seqno;
        hw.hint(Hint::RequestSubmitted { context, engine: self.id, seqno });
        let token = work.token;
        let element = Element {
            token,
            seqno,
            context,
            tail,
            resubmit_tail,
            root: state.root,
            force_restore,
            submitted: 0,
        };
        let root = match &mut self.backend {
            Backend::Legacy { root, .. } => {
                if work.address_space.is_some() {
                    *root = work.address_space;
                }
                hw.ring_write(self.id, reg::TAIL, tail);
                *root
            }
            Backend::Execlists(_) => {
                self.enqueue(hw, element);
                element.root
            }
        };
        let payload = head + request.payload;
        self.in_flight.push_back(InFlight { token, seqno, context, root, head, payload, postfix });
        Ok(Submitted { seqno, head, postfix, tail })
    }

    /// Order: context, page tables, then the work (waits, invalidation, batch), then the
    /// breadcrumb. No context switch inside, so that a wait is never taken for an end.
    fn build(
        &self,
        context: u32,
        work: &Work,
        waits: &[ResolvedWait],
        seqno: u32,
    ) -> Result<Request, SubmitError> {
        let state = self.contexts.get(&context).ok_or(SubmitError::NoContext)?;
        let mut commands = Commands::new(self.id);
        let loaded_root = match &self.backend {
            Backend::Legacy { root, .. } => {
                // In each request: a ring that goes on after a reset needs its context again, and
                // the hardware skips a switch to the context that it has.
                if self.id == EngineId::Rcs
                    && let Some(image) = &state.image
                {
                    commands.set_context(image.address(), !state.submitted);
                }
                *root
            }
            Backend::Execlists(_) => {
                commands.arbitration(false);
                // The first restore takes the root from the image.
                if state.submitted { state.root } else { work.address_space }
            }
        };
        if let Some(root) = &work.address_space
            && (work.reload_pdps || loaded_root != work.address_space)
        {
            commands.load_pdps(root);
        }
        let payload = commands.bytes();
        for wait in waits {
            commands.semaphore_wait(wait.slot, wait.seqno);
        }
        commands.invalidate();
        if let Some(address) = work.batch {
            commands.batch_start(address, !work.batch_in_ggtt);
        }
        let postfix = commands.bytes();
        commands.breadcrumb(self.status.seqno_address(), seqno);
        if matches!(self.backend, Backend::Execlists(_)) {
            commands.arbitration(true);
        }
        commands.align_qword();
        let end = commands.bytes();
        if matches!(self.backend, Backend::Execlists(_)) {
            for _ in 0..RESUBMIT_BYTES / 4 {
                commands.noop();
            }
        }
        Ok(Request { commands, payload, postfix, end })
    }

    fn forget_completed(&mut self, completed: u32) {
        while let Some(front) = self.in_flight.front()
            && seqno_passed(completed, front.seqno)
        {
            self.in_flight.pop_front();
        }
    }
}
