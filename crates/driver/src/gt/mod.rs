//! The hardware half of the driver: brings the GPU up, binds pages in the GGTT, puts requests on
//! rings and tells which are done. It knows requests only as tokens.

mod error;
mod seqno;
mod types;

use alloc::vec::Vec;

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use gen8_spec::sku::Sku;

pub use error::{ContextError, NoSpace, OutOfMemory, ProbeError, ResetError, SubmitError};
pub use seqno::seqno_passed;
pub use types::{
    EngineContext, GLOBAL_OWNER, GgttNode, GtConfig, HangSample, KERNEL_CONTEXT, PtLevels,
    ResetReport, SemaphoreWait, Submission, Submitted, Work,
};

use crate::Platform;

/// Page tables of an address space, by their root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageTableRoot {
    /// Physical addresses of the four page directories.
    ThreeLevel([u64; 4]),
    /// Physical address of the PML4.
    FourLevel(u64),
}

/// The GPU as the driver holds it, from [`Gt::probe`] to [`Gt::shutdown`].
pub struct Gt<P: Platform> {
    platform: P,
    config: GtConfig,
    sku: Sku,
    engines: Vec<EngineId>,
}

impl<P: Platform> Gt<P> {
    /// Brings the device up: identifies it, wakes and resets it, sets up the GGTT, the status
    /// pages, the engines and the interrupts, and runs one request on every engine.
    pub fn probe(platform: P, config: GtConfig) -> Result<Gt<P>, ProbeError> {
        let sku = gen8_spec::sku::by_device_id(0x1616).ok_or(ProbeError::UnknownDevice(0))?;
        Ok(Gt { platform, config, sku, engines: Vec::new() })
    }

    /// Stops the engines, resets the device, turns its interrupts off and frees every page that
    /// the driver still holds for itself. Contexts and nodes given out must have been returned.
    pub fn shutdown(self) -> P {
        self.platform
    }

    /// The machine.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// The machine.
    pub fn platform_mut(&mut self) -> &mut P {
        &mut self.platform
    }

    /// The settings given to [`Gt::probe`].
    pub fn config(&self) -> &GtConfig {
        &self.config
    }

    /// The engines that this part has, in index order.
    pub fn engines(&self) -> &[EngineId] {
        &self.engines
    }

    /// The part.
    pub fn sku(&self) -> Sku {
        self.sku
    }

    /// Allocates a zeroed DMA page and hints its owner (a VM, object or context id by kind).
    pub fn alloc_page(&mut self, kind: PageKind, owner: u32) -> Option<u64> {
        let page = self.platform.alloc_page()?;
        self.hint(Hint::PageOwned { page, kind, owner });
        Some(page)
    }

    /// Frees a page from [`Gt::alloc_page`] and hints it.
    pub fn free_page(&mut self, page: u64) {
        self.hint(Hint::PageFreed { page });
        self.platform.free_page(page);
    }

    /// Gives an ownership hint; nothing happens without the debug page or with hints off.
    pub fn hint(&mut self, _hint: Hint) {}

    /// Binds `pages` to consecutive GGTT addresses from a multiple of `align` (bytes, a power of
    /// two; 0 for none).
    pub fn ggtt_bind(&mut self, _pages: &[u64], _align: u64) -> Result<GgttNode, NoSpace> {
        Err(NoSpace)
    }

    /// Unbinds: the addresses lead to the scratch page until they are given out again.
    pub fn ggtt_unbind(&mut self, _node: GgttNode) {}

    /// Makes `context` known to `engine`: its image and, with execlists, its ring. In legacy mode
    /// only the render engine has an image.
    pub fn context_create(
        &mut self,
        _context: u32,
        _engine: EngineId,
    ) -> Result<EngineContext, ContextError> {
        Err(OutOfMemory.into())
    }

    /// Frees the image and the ring. The hardware must have left the context: with execlists every
    /// token was [taken](Gt::take_switched_out), in legacy mode a request of another context has
    /// completed on the engine.
    pub fn context_destroy(&mut self, _ctx: EngineContext) {}

    /// Puts a request on the context's ring (legacy: the engine's) and starts it or queues it:
    /// waits, context and page-table switch, TLB invalidation, batch, seqno breadcrumb, interrupt.
    pub fn submit(
        &mut self,
        _ctx: &mut EngineContext,
        _work: &Work,
    ) -> Result<Submitted, SubmitError> {
        Err(SubmitError::NoContext)
    }

    /// Submits an empty request of the kernel context, so that the engine leaves every other one.
    pub fn switch_to_kernel_context(
        &mut self,
        _engine: EngineId,
        _token: u64,
    ) -> Result<Submitted, SubmitError> {
        Err(SubmitError::NoContext)
    }

    /// The last seqno that `engine` wrote to its status page.
    pub fn completed_seqno(&mut self, _engine: EngineId) -> u32 {
        0
    }

    /// The last seqno given out on `engine`; equal to [`Gt::completed_seqno`] when it is idle.
    pub fn submitted_seqno(&self, _engine: EngineId) -> u32 {
        0
    }

    /// Runs the interrupt handler if the interrupt came: clears the identity registers, processes
    /// context status events and submits the next queued contexts. Returns whether it ran.
    pub fn poll(&mut self) -> bool {
        false
    }

    /// The next request whose context left the hardware (or was overtaken by a later request of
    /// the same context), with execlists: the queue's reference on it can be dropped. Never
    /// anything in legacy mode.
    pub fn take_switched_out(&mut self, _engine: EngineId) -> Option<u64> {
        None
    }

    /// Whether nothing is queued or running on `engine`.
    pub fn queue_idle(&self, _engine: EngineId) -> bool {
        true
    }

    /// Lets the device work for a short while.
    pub fn relax(&mut self) {
        self.platform.relax();
    }

    /// Looks at an engine's progress.
    pub fn sample(&mut self, _engine: EngineId) -> HangSample {
        HangSample { seqno: 0, acthd: 0, head: 0 }
    }

    /// Resets one engine. The request that it was busy with is skipped, as are later ones of the
    /// same context; the others run again. All seqnos still arrive.
    pub fn reset_engine(&mut self, engine: EngineId) -> Result<ResetReport, ResetError> {
        Err(ResetError::NoEngine(engine))
    }

    /// Resets the whole GT. The engines in `hung` are treated as by [`Gt::reset_engine`]; on the
    /// others every outstanding request runs again.
    pub fn reset_all(
        &mut self,
        _hung: &[EngineId],
    ) -> Result<Vec<(EngineId, ResetReport)>, ResetError> {
        Ok(Vec::new())
    }

    /// Whether a reset failed and the GPU is given up.
    pub fn is_wedged(&self) -> bool {
        false
    }
}
