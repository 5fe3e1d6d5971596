//! What the lifetimes half asks of the hardware half.
//!
//! A trait of its own, so that the lifetime rules can be tested over a GPU that completes requests
//! on demand. The real one is [`Gt`].

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use ppgtt::PhysicalMemory;

use crate::gt::{
    ContextError, Gt, HangSample, NoSpace, ResetError, ResetReport, SubmitError, Submitted, Work,
};
use crate::platform::Platform;

/// The GPU, as the lifetime rules see it. See the methods of [`Gt`] of the same names.
pub trait Hardware {
    /// Memory that CPU and GPU share.
    type Memory: PhysicalMemory;
    /// A context's image and ring on one engine.
    type EngineContext;
    /// Pages bound in the GGTT.
    type GgttNode;

    /// Memory that CPU and GPU share.
    fn memory(&self) -> &Self::Memory;
    /// The engines of this part.
    fn engines(&self) -> &[EngineId];
    /// Monotonic time.
    fn now_ns(&mut self) -> u64;
    /// Allocates a zeroed page.
    fn alloc_page(&mut self, kind: PageKind, owner: u32) -> Option<u64>;
    /// Frees a page.
    fn free_page(&mut self, page: u64);
    /// Gives an ownership hint.
    fn hint(&mut self, hint: Hint);
    /// Binds pages in the GGTT; returns the node and its address.
    fn ggtt_bind(&mut self, pages: &[u64]) -> Result<(Self::GgttNode, u64), NoSpace>;
    /// Unbinds pages from the GGTT.
    fn ggtt_unbind(&mut self, node: Self::GgttNode);
    /// Makes a context known to an engine.
    fn context_create(
        &mut self,
        context: u32,
        engine: EngineId,
    ) -> Result<Self::EngineContext, ContextError>;
    /// Frees a context's image on an engine.
    fn context_destroy(&mut self, context: Self::EngineContext);
    /// Submits a request.
    fn submit(
        &mut self,
        context: &mut Self::EngineContext,
        work: &Work,
    ) -> Result<Submitted, SubmitError>;
    /// Submits an empty request of the kernel's context.
    fn switch_to_kernel_context(
        &mut self,
        engine: EngineId,
        token: u64,
    ) -> Result<Submitted, SubmitError>;
    /// The last seqno that the engine wrote.
    fn completed_seqno(&mut self, engine: EngineId) -> u32;
    /// Runs the interrupt handler.
    fn poll(&mut self);
    /// The next request that left the hardware (execlists).
    fn take_switched_out(&mut self, engine: EngineId) -> Option<u64>;
    /// Whether nothing is queued or running.
    fn queue_idle(&self, engine: EngineId) -> bool;
    /// Lets the device work for a short while.
    fn relax(&mut self);
    /// Lets every engine forget its translations, at once.
    fn invalidate_tlbs(&mut self);
    /// Looks at an engine's progress.
    fn sample(&mut self, engine: EngineId) -> HangSample;
    /// Resets one engine.
    fn reset_engine(&mut self, engine: EngineId) -> Result<ResetReport, ResetError>;
}

impl<P: Platform> Hardware for Gt<P> {
    type Memory = P::Memory;
    type EngineContext = crate::gt::EngineContext;
    type GgttNode = crate::gt::GgttNode;

    fn memory(&self) -> &P::Memory {
        self.platform().memory()
    }
    fn engines(&self) -> &[EngineId] {
        Gt::engines(self)
    }
    fn now_ns(&mut self) -> u64 {
        self.platform_mut().now_ns()
    }
    fn alloc_page(&mut self, kind: PageKind, owner: u32) -> Option<u64> {
        Gt::alloc_page(self, kind, owner)
    }
    fn free_page(&mut self, page: u64) {
        Gt::free_page(self, page);
    }
    fn hint(&mut self, hint: Hint) {
        Gt::hint(self, hint);
    }
    fn ggtt_bind(&mut self, pages: &[u64]) -> Result<(Self::GgttNode, u64), NoSpace> {
        let node = Gt::ggtt_bind(self, pages, 0)?;
        let address = node.address();
        Ok((node, address))
    }
    fn ggtt_unbind(&mut self, node: Self::GgttNode) {
        Gt::ggtt_unbind(self, node);
    }
    fn context_create(
        &mut self,
        context: u32,
        engine: EngineId,
    ) -> Result<Self::EngineContext, ContextError> {
        Gt::context_create(self, context, engine)
    }
    fn context_destroy(&mut self, context: Self::EngineContext) {
        Gt::context_destroy(self, context);
    }
    fn submit(
        &mut self,
        context: &mut Self::EngineContext,
        work: &Work,
    ) -> Result<Submitted, SubmitError> {
        Gt::submit(self, context, work)
    }
    fn switch_to_kernel_context(
        &mut self,
        engine: EngineId,
        token: u64,
    ) -> Result<Submitted, SubmitError> {
        Gt::switch_to_kernel_context(self, engine, token)
    }
    fn completed_seqno(&mut self, engine: EngineId) -> u32 {
        Gt::completed_seqno(self, engine)
    }
    fn poll(&mut self) {
        Gt::poll(self);
    }
    fn take_switched_out(&mut self, engine: EngineId) -> Option<u64> {
        Gt::take_switched_out(self, engine)
    }
    fn queue_idle(&self, engine: EngineId) -> bool {
        Gt::queue_idle(self, engine)
    }
    fn relax(&mut self) {
        Gt::relax(self);
    }
    fn invalidate_tlbs(&mut self) {
        Gt::invalidate_tlbs(self);
    }
    fn sample(&mut self, engine: EngineId) -> HangSample {
        Gt::sample(self, engine)
    }
    fn reset_engine(&mut self, engine: EngineId) -> Result<ResetReport, ResetError> {
        Gt::reset_engine(self, engine)
    }
}
