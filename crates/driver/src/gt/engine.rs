//! An engine: its status page, its contexts and the requests on their way.

use alloc::collections::{BTreeMap, VecDeque};

use gen8_spec::context_image;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{ContextDescriptor, csb};
use gen8_spec::hwsp::CSB_ENTRIES;
use gen8_spec::mmio::{TLB_INVALIDATE_REQUEST, ring as reg};
use ppgtt::PageTableRoot;

use super::context::Context;
use super::error::{ContextError, OutOfMemory};
use super::execlists::{Element, Queue};
use super::ggtt::Ggtt;
use super::hardware::Hardware;
use super::ring::Ring;
use super::seqno::seqno_passed;
use super::status_page::StatusPage;
use super::types::{GLOBAL_OWNER, HangSample, KERNEL_CONTEXT, PtLevels};
use crate::Platform;

/// Entry that both CSB pointers name after a reset: the next event lands in slot 0.
pub(super) const CSB_START: u32 = CSB_ENTRIES - 1;

/// i915 `TLB_INVAL_TIMEOUT_US`, with room for a busy host.
const TLB_INVALIDATE_LIMIT_NS: u64 = 4_000_000;

/// How requests get to the hardware.
pub(super) enum Backend {
    /// One ring; the page tables that it loaded last.
    Legacy { ring: Ring, root: Option<PageTableRoot> },
    /// A queue of contexts.
    Execlists(Queue),
}

/// A request that may not be complete yet. Offsets are in its ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) token: u64,
    pub(super) seqno: u32,
    pub(super) context: u32,
    /// Page tables that are loaded once its commands before the payload have run.
    pub(super) root: Option<PageTableRoot>,
    /// First command.
    pub(super) head: u32,
    /// First command of the work itself, after context and page-table switch.
    pub(super) payload: u32,
    /// First command of the breadcrumb.
    pub(super) postfix: u32,
}

/// One engine.
pub(super) struct Engine {
    pub(super) id: EngineId,
    pub(super) status: StatusPage,
    pub(super) backend: Backend,
    pub(super) contexts: BTreeMap<u32, Context>,
    pub(super) in_flight: VecDeque<InFlight>,
    /// The seqno given out last.
    pub(super) last_seqno: u32,
    levels: PtLevels,
}

impl Engine {
    pub(super) fn new<P: Platform>(
        hw: &mut Hardware<P>,
        ggtt: &mut Ggtt,
        id: EngineId,
        execlists: bool,
        levels: PtLevels,
    ) -> Result<Self, OutOfMemory> {
        let status = StatusPage::new(hw, ggtt)?;
        let backend = if execlists {
            Backend::Execlists(Queue::default())
        } else {
            match Ring::new(hw, ggtt, GLOBAL_OWNER) {
                Ok(ring) => Backend::Legacy { ring, root: None },
                Err(error) => {
                    status.free(hw, ggtt);
                    return Err(error);
                }
            }
        };
        let mut engine = Engine {
            id,
            status,
            backend,
            contexts: BTreeMap::new(),
            in_flight: VecDeque::new(),
            last_seqno: 0,
            levels,
        };
        match engine.create_context(hw, ggtt, KERNEL_CONTEXT) {
            Ok(()) => Ok(engine),
            Err(_) => {
                engine.free(hw, ggtt);
                Err(OutOfMemory)
            }
        }
    }

    /// Frees everything, contexts that were not destroyed included.
    pub(super) fn free<P: Platform>(self, hw: &mut Hardware<P>, ggtt: &mut Ggtt) {
        for (_, context) in self.contexts {
            context.free(hw, ggtt);
        }
        if let Backend::Legacy { ring, .. } = self.backend {
            ring.free(hw, ggtt);
        }
        self.status.free(hw, ggtt);
    }

    pub(super) fn create_context<P: Platform>(
        &mut self,
        hw: &mut Hardware<P>,
        ggtt: &mut Ggtt,
        context: u32,
    ) -> Result<(), ContextError> {
        if self.contexts.contains_key(&context) {
            return Err(ContextError::Duplicate(context));
        }
        let state = match self.backend {
            Backend::Execlists(_) => Context::with_ring(hw, ggtt, self.id, context)?,
            Backend::Legacy { .. } => Context::without_ring(hw, ggtt, self.id, context)?,
        };
        self.contexts.insert(context, state);
        Ok(())
    }

    pub(super) fn destroy_context<P: Platform>(
        &mut self,
        hw: &mut Hardware<P>,
        ggtt: &mut Ggtt,
        context: u32,
    ) {
        if let Backend::Execlists(queue) = &self.backend
            && queue.has_context(context)
        {
            log::error!("{}: context {context} is freed while it is queued", self.id.name());
        }
        if let Some(state) = self.contexts.remove(&context) {
            state.free(hw, ggtt);
        }
    }

    /// Sets the registers up after a reset (i915 `gen8_init_common_ring`, `init_ring_common`). A
    /// legacy ring continues at `head`.
    pub(super) fn start<P: Platform>(&mut self, hw: &mut Hardware<P>, head: u32) {
        use gen8_spec::{masked_disable, masked_enable};
        let id = self.id;
        hw.ring_write(id, reg::HWSTAM, !0);
        let ppgtt = match self.levels {
            PtLevels::Three => reg::GFX_MODE_PPGTT,
            PtLevels::Four => reg::GFX_MODE_PPGTT | reg::GFX_MODE_48BIT,
        };
        let mode = match self.backend {
            Backend::Execlists(_) => masked_enable(reg::GFX_MODE_EXECLISTS),
            Backend::Legacy { .. } => {
                masked_enable(ppgtt) | masked_disable(reg::GFX_MODE_EXECLISTS)
            }
        };
        hw.ring_write(id, reg::GFX_MODE, mode);
        hw.ring_write(id, reg::MI_MODE, masked_disable(reg::MI_MODE_STOP_RING));
        hw.ring_write_posted(id, reg::HWS_PGA, self.status.address() as u32);
        hw.ring_write(id, reg::EMR, !0);
        hw.ring_write(id, reg::EIR, !0);
        let error = hw.ring_read(id, reg::ESR);
        if error != 0 {
            log::warn!("{}: ESR reads {error:#x} at start", id.name());
        }
        hw.ring_write(id, reg::EMR, !reg::EIR_INSTRUCTION);
        match &mut self.backend {
            Backend::Execlists(queue) => {
                queue.read_index = CSB_START;
                self.status.set_csb_write_index(hw, CSB_START);
                hw.ring_write(id, reg::CSB_PTR, csb::set_pointers(CSB_START, CSB_START));
            }
            Backend::Legacy { ring, .. } => {
                hw.ring_write(id, reg::CTL, 0);
                hw.ring_write_posted(id, reg::START, ring.address());
                hw.ring_write(id, reg::HEAD, head);
                hw.ring_write(id, reg::TAIL, head);
                hw.ring_write_posted(id, reg::CTL, ring.control());
            }
        }
    }

    /// Drops the engine's translations by its own register, in the middle of a batch if need be.
    pub(super) fn invalidate_tlb<P: Platform>(&self, hw: &mut Hardware<P>) {
        let register = self.id.tlb_invalidate_register();
        hw.write(register, TLB_INVALIDATE_REQUEST);
        if !hw.wait_register(register, TLB_INVALIDATE_REQUEST, 0, TLB_INVALIDATE_LIMIT_NS) {
            log::error!("{}: TLB invalidation does not end", self.id.name());
        }
    }

    pub(super) fn completed<P: Platform>(&self, hw: &Hardware<P>) -> u32 {
        self.status.seqno(hw)
    }

    /// Forgets every seqno given out; all are complete.
    pub(super) fn restart_seqnos<P: Platform>(&mut self, hw: &Hardware<P>) {
        self.in_flight.clear();
        let rings = self.contexts.values_mut().filter_map(|context| context.ring.as_mut());
        let legacy = match &mut self.backend {
            Backend::Legacy { ring, .. } => Some(ring),
            Backend::Execlists(_) => None,
        };
        rings.chain(legacy).for_each(Ring::retire_all);
        self.last_seqno = 0;
        self.status.set_seqno(hw, 0);
    }

    /// Whether everything given out is complete.
    pub(super) fn is_complete<P: Platform>(&self, hw: &Hardware<P>) -> bool {
        seqno_passed(self.completed(hw), self.last_seqno)
    }

    /// Whether the hardware has nothing of ours queued. Legacy rings forget a request with its
    /// breadcrumb.
    pub(super) fn is_idle<P: Platform>(&self, hw: &Hardware<P>) -> bool {
        match &self.backend {
            Backend::Execlists(queue) => queue.is_empty(),
            Backend::Legacy { .. } => self.is_complete(hw),
        }
    }

    pub(super) fn sample<P: Platform>(&self, hw: &mut Hardware<P>) -> HangSample {
        let low = hw.ring_read(self.id, reg::ACTHD);
        let high = hw.ring_read(self.id, reg::ACTHD_UDW);
        HangSample {
            seqno: self.completed(hw),
            acthd: u64::from(high) << 32 | u64::from(low),
            head: hw.ring_read(self.id, reg::HEAD) & reg::HEAD_ADDR,
        }
    }

    /// Queues an element and starts it if the engine has nothing to do.
    pub(super) fn enqueue<P: Platform>(&mut self, hw: &mut Hardware<P>, element: Element) {
        if let Backend::Execlists(queue) = &mut self.backend
            && queue.push(element)
        {
            self.submit_ports(hw);
        }
    }

    /// Writes the contexts at the front of the queue to the ELSP.
    pub(super) fn submit_ports<P: Platform>(&mut self, hw: &mut Hardware<P>) {
        let Backend::Execlists(queue) = &mut self.backend else { return };
        let Some((first, second)) = queue.next_pair() else { return };
        let first = self.prepare(hw, &first);
        let second = second.map_or(ContextDescriptor::default(), |e| self.prepare(hw, &e));
        for value in [second.upper(), second.lower(), first.upper(), first.lower()] {
            hw.ring_write(self.id, reg::ELSP, value);
        }
    }

    /// Writes an element into its context's image; returns the descriptor that submits it.
    fn prepare<P: Platform>(&self, hw: &Hardware<P>, element: &Element) -> ContextDescriptor {
        let Some(context) = self.contexts.get(&element.context) else {
            log::error!("{}: context {} is queued but gone", self.id.name(), element.context);
            return ContextDescriptor::default();
        };
        let Some(image) = &context.image else { return ContextDescriptor::default() };
        image.set(hw, context_image::RING_TAIL, element.tail);
        if let Some(root) = &element.root {
            image.set_pdps(hw, root);
        }
        let mut descriptor =
            ContextDescriptor::new(image.address(), element.context, self.levels.addressing());
        if element.force_restore {
            descriptor.0 |= ContextDescriptor::FORCE_RESTORE;
        }
        descriptor
    }

    /// Processes the status entries that arrived (i915 `intel_lrc_irq_handler`).
    pub(super) fn process_status<P: Platform>(&mut self, hw: &mut Hardware<P>) {
        let Backend::Execlists(queue) = &mut self.backend else { return };
        let write = self.status.csb_write_index(hw);
        if write >= CSB_ENTRIES {
            log::error!("{}: status write index is {write}", self.id.name());
            return;
        }
        if queue.read_index == write {
            return;
        }
        let mut left = false;
        while queue.read_index != write {
            queue.read_index = (queue.read_index + 1) % CSB_ENTRIES;
            let (status, context) = self.status.csb_entry(hw, queue.read_index);
            left |= queue.event(status, context);
        }
        hw.ring_write(self.id, reg::CSB_PTR, csb::set_read_pointer(queue.read_index));
        if left {
            self.submit_ports(hw);
        }
    }
}
