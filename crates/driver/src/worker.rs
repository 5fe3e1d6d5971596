//! Deferred work: retire worker, idle worker, release worker; and what scenarios use to let
//! everything come to rest.

use alloc::vec::Vec;

use crate::bug::Bug;
use crate::error::Error;
use crate::gem::Gem;
use crate::gt::{Submission, SubmitError};
use crate::hardware::Hardware;
use crate::request::Request;
use crate::slab::Id;

/// Period of the retire worker (i915: 1 s).
const RETIRE_PERIOD_NS: u64 = 1_000_000_000;
/// Delay of the idle worker (i915: 100 ms).
const IDLE_DELAY_NS: u64 = 100_000_000;
/// Longest wait for an idle execlist queue whose requests have all completed.
const QUEUE_DRAIN_NS: u64 = 1_000_000_000;

/// When the workers are due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timers {
    pub(crate) retire_at: u64,
    /// `None` while the GPU is busy or already parked.
    pub(crate) idle_at: Option<u64>,
    pub(crate) hangcheck_at: u64,
}

impl<H: Hardware> Gem<H> {
    /// Runs the interrupt handler; requests that left the hardware go to the retired queues.
    pub(crate) fn poll_hardware(&mut self) {
        self.hw.poll();
        for engine in &mut self.engines {
            while let Some(token) = self.hw.take_switched_out(engine.id) {
                let request: Id<Request> = Id::from_token(token);
                if let Some(index) = engine.queue.iter().position(|&r| r == request) {
                    engine.queue.remove(index);
                    engine.retired_queue.push(request);
                }
            }
            if self.wedged {
                engine.retired_queue.append(&mut engine.queue);
            }
        }
    }

    /// One turn of the interrupt handler and the timers (retire worker, idle worker, hangcheck).
    pub fn poll(&mut self) {
        self.poll_hardware();
        let now = self.hw.now_ns();
        self.hangcheck(now);
        self.run_pending_reset();
        if now >= self.timers.retire_at {
            self.timers.retire_at = now.saturating_add(RETIRE_PERIOD_NS);
            self.retire();
            if self.is_idle() && self.timers.idle_at.is_none() {
                self.timers.idle_at = Some(now.saturating_add(IDLE_DELAY_NS));
            }
        }
        if self.timers.idle_at.is_some_and(|at| now >= at) {
            self.timers.idle_at = None;
            if self.is_idle() {
                let _ = self.park();
            }
        }
    }

    /// Whether every request is retired and every queue is empty.
    pub(crate) fn is_idle(&self) -> bool {
        self.engines
            .iter()
            .all(|e| e.requests.is_empty() && e.queue.is_empty() && e.retired_queue.is_empty())
    }

    /// Runs the release worker of address spaces (6.x).
    pub(crate) fn run_release_worker(&mut self) {
        while let Some(vm) = self.mm.dying_vms.pop() {
            // What is stale has become a finding; the other address spaces go nevertheless.
            let _ = self.locked("vm_release_worker", |gem| gem.vm_release_worker(vm));
        }
    }

    /// The GT goes idle.
    fn park(&mut self) -> Result<(), Error> {
        if self.config.park_switches_context {
            self.switch_to_kernel_contexts()?;
            self.wait_idle()?;
        }
        self.locked("park", Self::destroy_closed_vmas)
    }

    /// Waits for every request, without the lock, then retires.
    pub(crate) fn wait_idle(&mut self) -> Result<(), Error> {
        for index in 0..self.engines.len() {
            while let Some(&last) = self.engines[index].requests.back() {
                self.wait_unlocked(last, None)?;
                self.locked("retire", |gem| gem.retire_engine(index))?;
            }
        }
        self.drain_queues();
        self.locked("retire", Self::retire_all)
    }

    /// Waits with struct_mutex dropped; the request is held meanwhile.
    pub(crate) fn wait_unlocked(
        &mut self,
        request: Id<Request>,
        timeout_ns: Option<u64>,
    ) -> Result<(), Error> {
        self.request_get(request)?;
        let waited = self.wait_completion(request, timeout_ns);
        self.locked("request_put", |gem| gem.request_put(request))?;
        waited
    }

    /// Waits until the hardware has left every context that it was given.
    fn drain_queues(&mut self) {
        let limit = self.hw.now_ns().saturating_add(QUEUE_DRAIN_NS);
        loop {
            self.poll_hardware();
            let drained =
                self.engines.iter().all(|e| e.queue.is_empty() && self.hw.queue_idle(e.id));
            if drained || self.hw.now_ns() >= limit {
                return;
            }
            self.hw.relax();
        }
    }

    /// Lets every engine leave the context that it ran last.
    pub(crate) fn switch_to_kernel_contexts(&mut self) -> Result<(), Error> {
        let engines: Vec<usize> =
            (0..self.engines.len()).filter(|&i| self.engines[i].ran_user_context).collect();
        for index in engines {
            self.locked("switch_to_kernel", |gem| gem.switch_engine_to_kernel(index))?;
        }
        Ok(())
    }

    fn switch_engine_to_kernel(&mut self, index: usize) -> Result<(), Error> {
        let engine = self.engines[index].id;
        let request = self.request_create(engine, None)?;
        let submitted = self.hw.switch_to_kernel_context(engine, request.token());
        match submitted {
            Ok(submitted) => {
                self.requests.get_mut(request)?.seqno = submitted.seqno;
                self.request_emitted(request)?;
                self.engines[index].ran_user_context = false;
                Ok(())
            }
            Err(error) => {
                self.request_put(request)?;
                Err(match error {
                    SubmitError::Wedged => Error::Io,
                    _ => Error::Busy,
                })
            }
        }
    }

    /// Puts a submitted request on the lists that hold it, and hands `engine.last_context` over.
    /// Consumes the caller's reference.
    pub(crate) fn request_emitted(&mut self, request: Id<Request>) -> Result<(), Error> {
        let record = self.requests.get_mut(request)?;
        record.listed = true;
        let (engine, context) = (record.engine, record.context);
        let index = self.engine_index(engine)?;
        self.engines[index].requests.push_back(request);
        self.timers.idle_at = None;
        self.engines[index].ran_user_context |= context.is_some();
        if self.config.has(Bug::ContextUnpinnedAtBreadcrumb) {
            // Nothing but the request itself holds the context, and a request ends by its seqno.
            return Ok(());
        }
        if self.config.submission.uses_execlists() {
            self.request_get(request)?;
            self.engines[index].queue.push(request);
        }
        match self.config.submission {
            Submission::Execlists => Ok(()),
            Submission::LegacyRing if !self.config.switch_keeps_context => {
                let Some(old) = self.replace_last_context(index, context)? else { return Ok(()) };
                if let Ok(record) = self.contexts.get_mut(old) {
                    record.left_by[engine.index()] = Some(request);
                }
                self.context_put(old)
            }
            Submission::LegacyRing | Submission::ExeclistsLastCtx => {
                let old = self.replace_last_context(index, context)?;
                self.requests.get_mut(request)?.previous_context = old;
                Ok(())
            }
        }
    }

    /// The engine holds the context that it runs last; returns the one before, with its reference.
    fn replace_last_context(
        &mut self,
        index: usize,
        context: Option<Id<crate::context::Context>>,
    ) -> Result<Option<Id<crate::context::Context>>, Error> {
        let old = self.engines[index].last_context;
        if old == context {
            return Ok(None);
        }
        if let Some(context) = context {
            self.context_get(context)?;
        }
        self.engines[index].last_context = context;
        Ok(old)
    }

    /// Runs pending actions, waits until the GPU is idle, retires, runs the workers, parks. The
    /// engines keep the context that they ran last (unless the era's parking switches it).
    pub fn quiesce(&mut self) {
        while self.run_one_action(true) {}
        let rested = self.wait_idle().and_then(|()| self.park());
        if let Err(error) = rested {
            log::warn!("quiesce: {error}");
        }
    }

    /// `quiesce`, then switches every engine to the kernel's context and quiesces again.
    pub fn settle(&mut self) {
        self.quiesce();
        if let Err(error) = self.switch_to_kernel_contexts() {
            log::warn!("settle: {error}");
        }
        self.quiesce();
    }
}
