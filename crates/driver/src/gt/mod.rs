//! The hardware half of the driver: brings the GPU up, binds pages in the GGTT, puts requests on
//! rings and tells which are done. It knows requests only as tokens.

mod context;
mod emit;
mod engine;
mod error;
mod execlists;
mod forcewake;
mod ggtt;
mod hardware;
mod hints;
mod interrupts;
mod probe;
mod reset;
mod ring;
mod seqno;
mod status_page;
mod submit;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod types;

use alloc::vec::Vec;

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use gen8_spec::sku::Sku;
pub use ppgtt::PageTableRoot;

pub use error::{ContextError, NoSpace, OutOfMemory, ProbeError, ResetError, SubmitError};
pub use seqno::seqno_passed;
pub use types::{
    EngineContext, GLOBAL_OWNER, GgttNode, GtConfig, HangSample, KERNEL_CONTEXT, PtLevels,
    ResetReport, SemaphoreWait, Submission, Submitted, Work,
};

use crate::Platform;
use engine::{Backend, Engine};
use ggtt::{Ggtt, Placement};
use hardware::Hardware;
use submit::ResolvedWait;

/// The GPU as the driver holds it, from [`Gt::probe`] to [`Gt::shutdown`].
pub struct Gt<P: Platform> {
    hw: Hardware<P>,
    config: GtConfig,
    sku: Sku,
    ggtt: Ggtt,
    /// Ids of `engines`, in the same order.
    ids: Vec<EngineId>,
    engines: Vec<Engine>,
    wedged: bool,
}

impl<P: Platform> Gt<P> {
    /// The machine.
    pub fn platform(&self) -> &P {
        &self.hw.platform
    }

    /// The machine.
    pub fn platform_mut(&mut self) -> &mut P {
        &mut self.hw.platform
    }

    /// The settings given to [`Gt::probe`].
    pub fn config(&self) -> &GtConfig {
        &self.config
    }

    /// The engines that this part has, in index order.
    pub fn engines(&self) -> &[EngineId] {
        &self.ids
    }

    /// The part.
    pub fn sku(&self) -> Sku {
        self.sku
    }

    /// Allocates a zeroed DMA page and hints its owner (a VM, object or context id by kind).
    pub fn alloc_page(&mut self, kind: PageKind, owner: u32) -> Option<u64> {
        self.hw.alloc_page(kind, owner)
    }

    /// Frees a page from [`Gt::alloc_page`] and hints it.
    pub fn free_page(&mut self, page: u64) {
        self.hw.free_page(page);
    }

    /// Gives an ownership hint; nothing happens without the debug page or with hints off.
    pub fn hint(&mut self, hint: Hint) {
        self.hw.hint(hint);
    }

    /// Binds `pages` to consecutive GGTT addresses from a multiple of `align` (bytes, a power of
    /// two; 0 for none). The addresses are low, where the aperture reaches.
    pub fn ggtt_bind(&mut self, pages: &[u64], align: u64) -> Result<GgttNode, NoSpace> {
        self.ggtt.bind(&mut self.hw, pages, align, Placement::Low)
    }

    /// Unbinds: the addresses lead to the scratch page until they are given out again.
    pub fn ggtt_unbind(&mut self, node: GgttNode) {
        self.ggtt.unbind(&mut self.hw, node);
    }

    /// Makes `context` known to `engine`: its image and, with execlists, its ring. In legacy mode
    /// only the render engine has an image.
    pub fn context_create(
        &mut self,
        context: u32,
        engine: EngineId,
    ) -> Result<EngineContext, ContextError> {
        let index = self.index(engine).ok_or(ContextError::NoEngine(engine))?;
        self.engines[index].create_context(&mut self.hw, &mut self.ggtt, context)?;
        Ok(EngineContext { engine, context })
    }

    /// Frees the image and the ring. The hardware must have left the context: with execlists every
    /// token was [taken](Gt::take_switched_out), in legacy mode a request of another context has
    /// completed on the engine.
    pub fn context_destroy(&mut self, ctx: EngineContext) {
        if let Some(index) = self.index(ctx.engine) {
            self.engines[index].destroy_context(&mut self.hw, &mut self.ggtt, ctx.context);
        }
    }

    /// Puts a request on the context's ring (legacy: the engine's) and starts it or queues it:
    /// waits, context and page-table switch, TLB invalidation, batch, seqno breadcrumb, interrupt.
    pub fn submit(
        &mut self,
        ctx: &mut EngineContext,
        work: &Work,
    ) -> Result<Submitted, SubmitError> {
        self.submit_in(ctx.engine, ctx.context, work)
    }

    /// Submits an empty request of the kernel context, so that the engine leaves every other one
    /// and its page tables.
    pub fn switch_to_kernel_context(
        &mut self,
        engine: EngineId,
        token: u64,
    ) -> Result<Submitted, SubmitError> {
        let address_space = Some(self.empty_root());
        self.submit_in(engine, KERNEL_CONTEXT, &Work { address_space, ..Work::empty(token) })
    }

    /// Page tables that translate nothing: the scratch page holds zeros only. A register that
    /// names a page of ours can never reach a table that somebody else freed.
    fn empty_root(&self) -> PageTableRoot {
        let scratch = self.ggtt.scratch();
        match self.config.levels {
            PtLevels::Three => PageTableRoot::ThreeLevel([scratch; 4]),
            PtLevels::Four => PageTableRoot::FourLevel(scratch),
        }
    }

    fn submit_in(
        &mut self,
        engine: EngineId,
        context: u32,
        work: &Work,
    ) -> Result<Submitted, SubmitError> {
        if self.wedged {
            return Err(SubmitError::Wedged);
        }
        let index = self.index(engine).ok_or(SubmitError::NoContext)?;
        let waits = self.resolve_waits(&work.waits);
        if self.engines[index].seqno_wraps() {
            self.wrap_seqno(index)?;
        }
        self.engines[index].submit(&mut self.hw, context, work, &waits)
    }

    /// Looks up the status pages that semaphores watch; what has passed needs no wait.
    fn resolve_waits(&self, waits: &[SemaphoreWait]) -> Vec<ResolvedWait> {
        waits
            .iter()
            .filter_map(|wait| {
                let engine = &self.engines[self.index(wait.engine)?];
                let passed = seqno_passed(engine.completed(&self.hw), wait.seqno);
                let slot = engine.status.seqno_address();
                (!passed).then_some(ResolvedWait { slot, seqno: wait.seqno })
            })
            .collect()
    }

    /// Starts an engine's seqnos again at 1. Nobody may be waiting for one of the old ones, since
    /// semaphores compare without wrapping.
    fn wrap_seqno(&mut self, index: usize) -> Result<(), SubmitError> {
        if !self.engines.iter().all(|engine| engine.is_complete(&self.hw)) {
            return Err(SubmitError::SeqnoWrap);
        }
        self.engines[index].restart_seqnos(&self.hw);
        Ok(())
    }

    /// The last seqno that `engine` wrote to its status page.
    pub fn completed_seqno(&mut self, engine: EngineId) -> u32 {
        self.index(engine).map_or(0, |index| self.engines[index].completed(&self.hw))
    }

    /// The last seqno given out on `engine`; equal to [`Gt::completed_seqno`] when it is idle.
    pub fn submitted_seqno(&self, engine: EngineId) -> u32 {
        self.index(engine).map_or(0, |index| self.engines[index].last_seqno)
    }

    fn is_complete(&self, engine: EngineId) -> bool {
        self.index(engine).is_none_or(|index| self.engines[index].is_complete(&self.hw))
    }

    /// Runs the interrupt handler if the interrupt came: clears the identity registers, processes
    /// context status events and submits the next queued contexts. Returns whether it ran.
    pub fn poll(&mut self) -> bool {
        if !self.hw.platform.take_interrupt() {
            return false;
        }
        interrupts::handle(&mut self.hw, &mut self.engines);
        true
    }

    /// The next request whose context left the hardware (or was overtaken by a later request of
    /// the same context), with execlists: the queue's reference on it can be dropped. Never
    /// anything in legacy mode.
    pub fn take_switched_out(&mut self, engine: EngineId) -> Option<u64> {
        let index = self.index(engine)?;
        match &mut self.engines[index].backend {
            Backend::Execlists(queue) => queue.take_switched_out(),
            Backend::Legacy { .. } => None,
        }
    }

    /// Whether nothing is queued or running on `engine`.
    pub fn queue_idle(&self, engine: EngineId) -> bool {
        self.index(engine).is_none_or(|index| self.engines[index].is_idle(&self.hw))
    }

    /// Lets the device work for a short while.
    pub fn relax(&mut self) {
        self.hw.platform.relax();
    }

    /// Lets every engine forget its translations, whatever it is running: pages that it could still
    /// reach by them are about to go (i915 `intel_gt_invalidate_tlbs`, from 5.17 on).
    pub fn invalidate_tlbs(&mut self) {
        for engine in &self.engines {
            engine.invalidate_tlb(&mut self.hw);
        }
    }

    /// Looks at an engine's progress.
    pub fn sample(&mut self, engine: EngineId) -> HangSample {
        match self.index(engine) {
            Some(index) => self.engines[index].sample(&mut self.hw),
            None => HangSample { seqno: 0, acthd: 0, head: 0 },
        }
    }

    /// Resets one engine. The request that it was busy with is skipped, as are later ones of the
    /// same context; the others run again. All seqnos still arrive.
    ///
    /// # Errors
    /// The GPU is wedged then.
    pub fn reset_engine(&mut self, engine: EngineId) -> Result<ResetReport, ResetError> {
        let index = self.index(engine).ok_or(ResetError::NoEngine(engine))?;
        reset::reset_hardware(&mut self.hw, &[engine], false)
            .inspect_err(|_| self.wedged = true)?;
        Ok(self.engines[index].resume(&mut self.hw, true))
    }

    /// Resets the whole GT. The engines in `hung` are treated as by [`Gt::reset_engine`]; on the
    /// others every outstanding request runs again.
    ///
    /// # Errors
    /// The GPU is wedged then.
    pub fn reset_all(
        &mut self,
        hung: &[EngineId],
    ) -> Result<Vec<(EngineId, ResetReport)>, ResetError> {
        reset::reset_hardware(&mut self.hw, &self.ids, true).inspect_err(|_| self.wedged = true)?;
        probe::init_gt(&mut self.hw);
        let hw = &mut self.hw;
        let resume = |engine: &mut Engine| {
            let report = engine.resume(hw, hung.contains(&engine.id));
            (engine.id, report)
        };
        Ok(self.engines.iter_mut().map(resume).collect())
    }

    /// Whether a reset failed and the GPU is given up.
    pub fn is_wedged(&self) -> bool {
        self.wedged
    }

    fn index(&self, engine: EngineId) -> Option<usize> {
        self.ids.iter().position(|&id| id == engine)
    }
}
