//! An engine: ring registers, execlists or legacy ring submission, and a command streamer.
//!
//! Register accesses only change state; everything that touches memory happens in
//! [`Engine::step`], in slices. What stops an engine (a page fault, an undecodable command, a
//! context that makes no sense) holds it at the command until a reset, as on the hardware.

mod command_streamer;
mod context_image;
mod context_registers;
mod context_switch;
mod defects;
mod execlists;
mod inspect;
mod parser;
mod registers;
mod ring;
mod rules;
mod status_buffer;
mod tell;
mod translate;

use gen8_spec::commands::mi::set_predicate;
use gen8_spec::engine::EngineId;
use gen8_spec::interrupts as irq;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::registers::ring::RULES;

use crate::bus::{Bus, EngineActivity};
use crate::commands::blitter;
use crate::config::GpuConfig;
use crate::event::{Event, Interests, Invalidation};
use crate::guest_rule::{GuestRule, Origin};
use crate::registers::RegisterFile;
use crate::tlb::Tlb;
use context_registers::ContextRegisters;
use defects::Defects;
use execlists::Execlists;
use parser::Parser;
use ring::Ring;
use translate::{AddressSpace, FetchPage};

pub use inspect::Elements;

pub(crate) use command_streamer::{Command, Flow};
pub(crate) use parser::{Batch, Level};
pub(crate) use rules::Tell;
pub(crate) use tell::Piece;
pub use translate::Space;
pub(crate) use translate::Word;

/// Dwords of the general-purpose registers.
pub(crate) const GPR_DWORDS: usize = 2 * reg::GPR_COUNT as usize;

/// Why an engine stopped. The event and the registers that tell of it were set where it arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stop {
    /// A translation failed ("fault and hang").
    PageFault,
    /// A command could not be decoded or is wrong in itself.
    Instruction,
    /// A context image or ring makes no sense.
    Context,
}

/// One engine.
#[derive(Clone, Debug, Hash)]
pub struct Engine {
    pub(crate) id: EngineId,
    /// Registers that are storage.
    pub(crate) registers: RegisterFile,
    /// General-purpose registers.
    pub(crate) gprs: [u32; GPR_DWORDS],
    context_registers: ContextRegisters,
    pub(crate) ring: Ring,
    execlists: Execlists,
    pub(crate) parser: Parser,
    space: AddressSpace,
    tlb: Tlb,
    fetch_page: FetchPage,
    stop: Option<Stop>,
    /// What is left of the slice is shorter by so many commands.
    spent: u32,
    /// What setup packets of the blitter left.
    pub(crate) blitter_setup: blitter::Setup,
    /// GFX_MODE: contexts come by ELSP. A copy of the register's bit for the hot path.
    execlists_mode: bool,
    /// MI_MODE: what MI_SET_PREDICATE set. A copy of the register's field for the hot path.
    pub(crate) predication: u32,
    /// MI_MODE: STOP_RING. A copy of the register's bit for the hot path.
    stop_ring: bool,
    /// CONTEXT_CONTROL value of the running context's image, mask bits included.
    control_image: u32,
    /// CTX_TIMESTAMP when the running context was restored.
    context_ticks: u32,
    /// Device time of that.
    context_since_ns: u64,
    /// Of mutation checks.
    defects: Defects,
}

impl Engine {
    /// An engine after reset.
    pub fn new(id: EngineId, config: &GpuConfig) -> Engine {
        Engine {
            id,
            registers: RegisterFile::new(RULES),
            gprs: [0; GPR_DWORDS],
            context_registers: ContextRegisters::new(id),
            ring: Ring::default(),
            execlists: Execlists::new(),
            parser: Parser::new(),
            space: AddressSpace::default(),
            tlb: Tlb::new(config.mutations.tlb_never_invalidates),
            fetch_page: FetchPage::NONE,
            stop: None,
            spent: 0,
            blitter_setup: blitter::Setup::default(),
            execlists_mode: false,
            predication: set_predicate::NEVER,
            stop_ring: false,
            control_image: 0,
            context_ticks: 0,
            context_since_ns: 0,
            defects: Defects::default(),
        }
    }

    /// Which engine this is.
    pub fn id(&self) -> EngineId {
        self.id
    }

    /// Domain reset by GDRST: the engine stops, its queue is empty, its registers are at their
    /// reset values. The address of the status page stays (it is not part of the domain).
    pub fn reset(&mut self) {
        let status_page = self.registers.get(reg::HWS_PGA);
        self.registers.reset();
        self.registers.set(reg::HWS_PGA, status_page);
        self.gprs = [0; GPR_DWORDS];
        self.ring = Ring::default();
        self.execlists = Execlists::new();
        self.parser = Parser::new();
        self.space = AddressSpace::default();
        self.stop = None;
        self.blitter_setup = blitter::Setup::default();
        self.refresh_modes();
        self.control_image = 0;
        self.context_ticks = 0;
        self.flush_tlb();
    }

    /// RESET_CTL's ready bit: software requested a reset of this engine.
    pub fn reset_ready(&self) -> bool {
        self.registers.get(reg::RESET_CTL) & reg::RESET_CTL_REQUEST != 0
    }

    /// What the engine would do in a slice.
    pub fn activity(&self) -> EngineActivity {
        if self.stop_ring || !self.has_work() {
            EngineActivity::Idle
        } else if self.stop.is_some() || self.parser.waiting || self.parser.is_spinning() {
            EngineActivity::Waiting
        } else {
            EngineActivity::Busy
        }
    }

    /// Takes the mode bits over from their registers.
    pub(crate) fn refresh_modes(&mut self) {
        let gfx_mode = self.registers.get(reg::GFX_MODE);
        self.execlists_mode = gfx_mode & reg::GFX_MODE_EXECLISTS != 0;
        let mi_mode = self.registers.get(reg::MI_MODE);
        self.stop_ring = mi_mode & reg::MI_MODE_STOP_RING != 0;
        self.predication = match self.id {
            EngineId::Rcs => mi_mode & reg::MI_MODE_PREDICATE,
            _ => set_predicate::NEVER,
        };
    }

    /// Whether there are commands to run, whatever may hold them.
    pub(crate) fn has_work(&self) -> bool {
        if self.execlists_mode { !self.execlists.is_idle() } else { self.has_legacy_work() }
    }

    /// Whether the legacy ring has commands or is in a batch.
    fn has_legacy_work(&self) -> bool {
        self.parser.level != Level::Ring || (self.ring.defect().is_none() && !self.ring.is_empty())
    }

    /// MI_MODE's idle bit.
    fn is_idle(&self) -> bool {
        self.stop_ring || !self.has_work()
    }

    /// Whether the running context has page tables of its own.
    #[inline]
    pub(crate) fn has_ppgtt(&self) -> bool {
        self.space.levels.is_some()
    }

    /// Address space that an access means: `ggtt` is the command's bit, which only privileged
    /// commands may use; for others the access goes to the PPGTT.
    pub(crate) fn data_space(&self, ggtt: bool) -> Space {
        let global = ggtt && self.is_privileged();
        if global || !self.has_ppgtt() { Space::Ggtt } else { Space::Ppgtt }
    }

    /// The same for commands that have no effect when a batch without privilege sets the bit
    /// ("User Mode Privileged Commands"): then `None`, and the observer is told.
    #[inline]
    pub(crate) fn permitted_space(&mut self, ggtt: bool, bus: &mut Bus<'_>) -> Option<Space> {
        let space = self.data_space(ggtt);
        if ggtt && space == Space::Ppgtt {
            self.forbid(GuestRule::GgttInUserBatch, bus);
            return None;
        }
        Some(space)
    }

    /// Whose command the engine executes.
    pub(crate) fn origin(&self) -> Origin {
        match self.parser.is_privileged() {
            true => Origin::Engine(self.id),
            false => Origin::UserBatch(self.id),
        }
    }

    /// Tells the observer of a command that breaks `rule`.
    #[cold]
    pub(crate) fn tell(&self, rule: GuestRule, detail: u64, bus: &mut Bus<'_>) {
        let origin = self.origin();
        bus.events.emit(|| Event::GuestError { rule, origin, detail });
    }

    /// Tells the observer of a command that has no effect because it breaks `rule`.
    #[cold]
    pub(crate) fn refuse(&self, rule: GuestRule, bus: &mut Bus<'_>) {
        self.tell(rule, self.parser.header.into(), bus);
    }

    /// As [`Engine::refuse`], for want of privilege: EIR tells of that.
    #[cold]
    pub(crate) fn forbid(&mut self, rule: GuestRule, bus: &mut Bus<'_>) {
        self.refuse(rule, bus);
        self.raise_error(reg::EIR_PRIVILEGE, bus);
    }

    /// Whether the command at hand may do everything.
    pub(crate) fn is_privileged(&self) -> bool {
        self.parser.is_privileged()
            || self.registers.get(reg::GFX_MODE) & reg::GFX_MODE_PRIVILEGE_OFF != 0
    }

    /// GGTT address of the status page that store-index operations mean: the running context's own
    /// in execlists mode, else the global one.
    pub(crate) fn index_page(&self) -> u64 {
        match self.execlists.current() {
            Some(context) if self.execlists_mode => u64::from(context.lrca()),
            _ => self.status_page(),
        }
    }

    /// GGTT address of the global status page.
    pub(crate) fn status_page(&self) -> u64 {
        u64::from(self.registers.get(reg::HWS_PGA))
    }

    /// Raises interrupt bits, unless the ring's mask register holds them back.
    #[inline]
    pub(crate) fn raise(&self, bits: u32, bus: &mut Bus<'_>) {
        let shift = self.id.interrupt_shift();
        let passed = (bits << shift & !self.registers.get(reg::IMR)) >> shift;
        let engine = self.id;
        bus.events.emit_for(Interests::INTERRUPTS, move || Event::InterruptRaised {
            engine,
            bits,
            passed,
        });
        if passed != 0 {
            bus.interrupts.raise_engine(self.id, passed);
        }
    }

    /// Errors that EMR lets through stand in EIR until software clears them, and interrupt. Those
    /// that it masks are in ESR alone, while they last (PRM volume 2c, EIR, EMR and ESR).
    pub(crate) fn raise_error(&mut self, bits: u32, bus: &mut Bus<'_>) {
        let reported = bits & !self.registers.get(reg::EMR);
        if reported != 0 {
            self.registers.set(reg::EIR, self.registers.get(reg::EIR) | reported);
            self.raise(irq::CS_ERROR, bus);
        }
    }

    /// ESR: the errors that last.
    fn error_status(&self) -> u32 {
        if self.stop == Some(Stop::Instruction) { reg::EIR_INSTRUCTION } else { 0 }
    }

    /// Whether contexts come by ELSP.
    pub fn is_in_execlists_mode(&self) -> bool {
        self.execlists_mode
    }

    /// The parser enters or leaves a batch: unless GFX_MODE keeps them, translations are forgotten.
    pub(crate) fn leave_translations(&mut self, bus: &mut Bus<'_>) {
        if self.registers.get(reg::GFX_MODE) & reg::GFX_MODE_TLB_EXPLICIT == 0 {
            self.invalidate_tlb(Invalidation::BatchBoundary, bus);
        }
    }

    /// Translates the next fetch anew.
    pub(crate) fn forget_fetch_page(&mut self) {
        self.fetch_page = FetchPage::NONE;
    }

    /// Id of the running context in execlists mode, CCID in legacy mode.
    pub fn context_id(&self) -> u32 {
        match self.execlists.current() {
            Some(context) if self.execlists_mode => context.context_id(),
            _ => self.registers.get(reg::CCID),
        }
    }

    /// The command-streamer timestamp.
    pub(crate) fn timestamp(bus: &Bus<'_>) -> u64 {
        (bus.now_ns / mmio::TIMESTAMP_TICK_NS) & ((1 << mmio::TIMESTAMP_BITS) - 1)
    }
}
