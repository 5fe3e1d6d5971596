//! Requests, and waiting for them: the place where struct_mutex hurts.

use alloc::vec::Vec;

use gen8_spec::engine::EngineId;

use crate::context::Context;
use crate::error::Error;
use crate::findings::Finding;
use crate::gem::{Gem, next};
use crate::gt::{HangSample, seqno_passed};
use crate::hardware::Hardware;
use crate::object::Object;
use crate::slab::Id;
use crate::vma::Vma;

/// One submitted batch.
#[derive(Debug)]
pub(crate) struct Request {
    /// Driver-wide number.
    pub(crate) number: u32,
    /// References: the engine's list, the execlist queue, `object.last_*`, and waiters.
    pub(crate) refs: u32,
    pub(crate) engine: EngineId,
    /// 0 until submitted.
    pub(crate) seqno: u32,
    /// One context reference; `None` for the kernel's context.
    pub(crate) context: Option<Id<Context>>,
    /// On the engine's request list: not retired.
    pub(crate) listed: bool,
    /// The context that the engine ran before: one reference, until this request retires (4.5).
    pub(crate) previous_context: Option<Id<Context>>,
    /// VMAs that this request uses; not counted (per-VMA activity).
    pub(crate) vmas: Vec<Id<Vma>>,
    /// Images of dead contexts that the hardware may save until this request completes.
    pub(crate) images: Vec<u32>,
}

/// Samples of the engines over time; tells whether the GPU stands still.
pub(crate) struct Stillness {
    samples: Vec<HangSample>,
    since_ns: u64,
    /// Quiescence times in a row without a movement.
    windows: u32,
}

/// A request that nobody can help is given up after so many quiescence times without a movement.
/// Far more than one: under KVM the device is a thread of a busy host.
const HANG_WINDOWS: u32 = 100;

impl<H: Hardware> Gem<H> {
    /// A request with one reference, owned by the caller. Takes a context reference.
    pub(crate) fn request_create(
        &mut self,
        engine: EngineId,
        context: Option<Id<Context>>,
    ) -> Result<Id<Request>, Error> {
        if let Some(context) = context {
            self.context_get(context)?;
        }
        let number = next(&mut self.numbers.request);
        Ok(self.requests.insert(Request {
            number,
            refs: 1,
            engine,
            seqno: 0,
            context,
            listed: false,
            previous_context: None,
            vmas: Vec::new(),
            images: Vec::new(),
        }))
    }

    /// Takes a reference.
    pub(crate) fn request_get(&mut self, request: Id<Request>) -> Result<(), Error> {
        self.requests.get_mut(request)?.refs += 1;
        Ok(())
    }

    /// Drops a reference. The last one drops the context reference, wherever we are.
    pub(crate) fn request_put(&mut self, request: Id<Request>) -> Result<(), Error> {
        let record = self.requests.get_mut(request)?;
        record.refs -= 1;
        if record.refs > 0 {
            return Ok(());
        }
        let record = self.requests.remove(request)?;
        record.images.into_iter().for_each(|image| self.free_image(image));
        if let Some(previous) = record.previous_context {
            self.context_put(previous)?;
        }
        record.context.map_or(Ok(()), |context| self.context_put(context))
    }

    /// Whether the GPU has finished it.
    pub(crate) fn request_completed(&mut self, request: Id<Request>) -> Result<bool, Error> {
        let record = self.requests.get(request)?;
        let (engine, seqno, listed) = (record.engine, record.seqno, record.listed);
        Ok(!listed || self.wedged || seqno_passed(self.hw.completed_seqno(engine), seqno))
    }

    /// Waits with struct_mutex held, then retires requests up to this one (i915
    /// `i915_wait_request`). Objects are not retired.
    pub(crate) fn wait_request(&mut self, request: Id<Request>) -> Result<(), Error> {
        if !self.request_completed(request)? {
            self.lock.record_wait();
            if self.lock.in_destructor() {
                let request = self.requests.get(request)?.number;
                self.report(Finding::WaitUnderLockInDestructor { request });
            }
            self.wait_completion(request, None)?;
        }
        self.retire_requests_upto(request)
    }

    /// Waits until the request completes, or the time is over. The model of the era's deadlocks:
    /// when the GPU stands still, other threads get their turn; those that need struct_mutex
    /// cannot have it while the waiter holds it.
    pub(crate) fn wait_completion(
        &mut self,
        request: Id<Request>,
        timeout_ns: Option<u64>,
    ) -> Result<(), Error> {
        let start = self.hw.now_ns();
        let mut still = self.look(start);
        loop {
            self.poll_hardware();
            if self.request_completed(request)? {
                return Ok(());
            }
            let now = self.hw.now_ns();
            if timeout_ns.is_some_and(|limit| now.saturating_sub(start) >= limit) {
                return Err(Error::TimedOut);
            }
            self.hangcheck(now);
            if !self.reset_pending.is_empty() {
                if self.lock.holder().is_some() {
                    // The reset needs struct_mutex: the waiter must let go first.
                    return Err(Error::Again);
                }
                self.run_pending_reset();
                still = self.look(now);
                continue;
            }
            if self.stands_still(&mut still, now) {
                let patient = timeout_ns.is_some() || still.windows < HANG_WINDOWS;
                if self.on_quiescence(request, patient)? {
                    still = self.look(now);
                }
            }
            self.hw.relax();
        }
    }

    /// The GPU stands still before `request` is complete: somebody else must act. Returns whether
    /// somebody did; fails if nobody is left who could and the waiter is not `patient`.
    fn on_quiescence(&mut self, request: Id<Request>, patient: bool) -> Result<bool, Error> {
        let holder = self.lock.holder();
        if self.run_one_action(holder.is_none()) {
            return Ok(true);
        }
        let awaited = self.requests.get(request)?.number;
        if let (Some(waiter), Some(action)) = (holder, self.actions.front()) {
            let blocked_action = action.label;
            self.report(Finding::DeadlockDetected { waiter, awaited, blocked_action });
            // A real machine stops here for ever. To let the scenario end, the blocked action runs
            // as if the lock had been dropped; the finding stays.
            self.run_one_action(true);
            return Ok(true);
        }
        if self.config.hangcheck.is_some() || patient {
            return Ok(false);
        }
        self.report(Finding::HangDetected { request: awaited });
        Err(Error::Io)
    }

    /// Samples all engines.
    fn look(&mut self, now: u64) -> Stillness {
        Stillness { samples: self.samples(), since_ns: now, windows: 0 }
    }

    fn samples(&mut self) -> Vec<HangSample> {
        let ids: Vec<EngineId> = self.hw.engines().to_vec();
        ids.into_iter().map(|engine| self.hw.sample(engine)).collect()
    }

    /// Whether the engines look the same as one quiescence time before. A short batch in between
    /// shows in its engine's seqno, which is part of a sample.
    fn stands_still(&mut self, still: &mut Stillness, now: u64) -> bool {
        if now.saturating_sub(still.since_ns) < self.config.quiescence_ns {
            return false;
        }
        let samples = self.samples();
        let same = samples == still.samples;
        let windows = if same { still.windows + 1 } else { 0 };
        *still = Stillness { samples, since_ns: now, windows };
        same
    }

    /// Waits until the GPU is done with an object's reads and writes, or only its writes, with
    /// struct_mutex held (i915 `i915_gem_object_wait_rendering`).
    pub(crate) fn object_wait_rendering(
        &mut self,
        object: Id<Object>,
        for_write: bool,
    ) -> Result<(), Error> {
        for request in self.object_requests(object, for_write) {
            if !self.requests.contains(request) {
                continue;
            }
            let engine = self.requests.get(request)?.engine;
            self.wait_request(request)?;
            self.retire_object_after(object, engine)?;
        }
        Ok(())
    }

    /// Waits until the GPU is done with a VMA (4.9).
    pub(crate) fn vma_wait(&mut self, vma: Id<Vma>) -> Result<(), Error> {
        for request in self.vmas.get(vma)?.last_active.into_iter().flatten() {
            if self.requests.contains(request) {
                self.wait_request(request)?;
            }
        }
        Ok(())
    }
}
