//! Rules that take a memory: what came before decides whether an event breaks one.

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use gen8_spec::execlists::{ContextDescriptor, csb};
use gen8_spec::interrupts as irq;
use gen8_spec::mmio::GDRST_FULL;
use gen8_spec::{PAGE_SIZE, mmio};
use gpu_model::event::{Actor, MemoryWrite, Submission, WriteKind};
use gpu_model::{Event, Origin, Space};

use super::check::ObservedRule;

/// Ranges of GGTT entries that wait for a flush; more are not kept, and not judged.
const UNFLUSHED: usize = 4096;
/// Banks of interrupts: those of the GT, the pipes, ports and the PCH.
const BANKS: [u32; 10] = [
    irq::gt_bank(0),
    irq::gt_bank(1),
    irq::gt_bank(2),
    irq::gt_bank(3),
    irq::pipe_bank(0),
    irq::pipe_bank(1),
    irq::pipe_bank(2),
    irq::PORT_BANK,
    irq::MISC_BANK,
    irq::PCH_BANK,
];

/// Takes a broken rule, by whom, and its detail.
pub(super) type Tell<'a> = &'a mut dyn FnMut(ObservedRule, Origin, u64);

/// What is remembered. It does not grow without bound.
#[derive(Debug, Default)]
pub(super) struct History {
    engines: [Engine; ENGINE_COUNT],
    banks: [Bank; BANKS.len()],
    /// First and last GGTT page of each range that was written since the last flush.
    unflushed: Vec<(u64, u64)>,
}

/// What an engine did last.
#[derive(Clone, Copy, Debug, Default)]
struct Engine {
    /// Runs a batch that its ring started.
    in_batch: bool,
    /// Context whose batch ended without a seqno so far.
    owes: Option<u32>,
    /// Physical address of the loaded context's page that the engine will write.
    image: Option<u64>,
}

/// An interrupt bank as software saw and set it.
#[derive(Clone, Copy, Debug)]
struct Bank {
    imr: u32,
    ier: u32,
    /// Bits of IIR that software has read and not cleared.
    shown: u32,
}

impl Default for Bank {
    /// After a reset all is masked.
    fn default() -> Bank {
        Bank { imr: u32::MAX, ier: 0, shown: 0 }
    }
}

impl History {
    /// Looks at an event, and remembers it.
    pub(super) fn event(&mut self, event: &Event, tell: Tell<'_>) {
        match *event {
            Event::Hint(Hint::PageFreed { page }) => self.page_freed(page, tell),
            Event::RegisterRead { offset, value } => self.read(offset, value),
            Event::RegisterWritten { offset, value, .. } => self.written(offset, value, tell),
            Event::GgttWritten { index, old, new, .. } if old != new => self.unflush(index),
            Event::Submitted { engine, how: Submission::Elsp { elements, .. } } => {
                self.submitted(engine, elements, tell);
            }
            Event::ContextLoaded { engine, page, lite: false, .. } => {
                *self.engine(engine) = Engine { image: Some(page), ..Engine::default() };
            }
            Event::ContextSaved { engine, page, .. } => self.saved(engine, page, tell),
            Event::ContextSwitch { engine, status, context, .. } => {
                self.switched(engine, status, context, tell);
            }
            Event::BatchStarted { site, level: 1, .. } => self.engine(site.engine).in_batch = true,
            Event::BatchEnded { site, level: 1 } => {
                let engine = self.engine(site.engine);
                (engine.in_batch, engine.owes) = (false, Some(site.context));
            }
            Event::MemoryWritten(MemoryWrite {
                by: Actor::Engine(site),
                kind: WriteKind::Command,
                space: Space::Ggtt,
                ..
            }) if !site.in_batch => self.engine(site.engine).owes = None,
            Event::InterruptRaised { engine, bits, .. } if bits & irq::USER_INTERRUPT != 0 => {
                self.interrupted(engine, tell);
            }
            Event::Reset { domains } => {
                let reset = |id: &EngineId| domains & (GDRST_FULL | id.reset_domain()) != 0;
                for id in EngineId::ALL.into_iter().filter(reset) {
                    *self.engine(id) = Engine::default();
                }
            }
            Event::FunctionReset => *self = History::default(),
            _ => {}
        }
    }

    fn engine(&mut self, engine: EngineId) -> &mut Engine {
        &mut self.engines[engine.index()]
    }

    fn page_freed(&self, page: u64, tell: Tell<'_>) {
        for id in EngineId::ALL {
            if self.engines[id.index()].image == Some(page) {
                tell(ObservedRule::ContextFreedWhileLoaded, Origin::Cpu, page);
            }
        }
    }

    fn saved(&mut self, id: EngineId, page: u64, tell: Tell<'_>) {
        let loaded = self.engine(id).image.take();
        if loaded.is_some_and(|loaded| loaded != page) {
            tell(ObservedRule::ContextSavedElsewhere, Origin::Engine(id), page);
        }
    }

    fn interrupted(&mut self, id: EngineId, tell: Tell<'_>) {
        let engine = self.engine(id);
        if let Some(context) = engine.owes.filter(|_| !engine.in_batch) {
            tell(ObservedRule::InterruptBeforeSeqno, Origin::Engine(id), context.into());
        }
    }

    fn switched(&mut self, id: EngineId, status: u32, context: u32, tell: Tell<'_>) {
        let owes = self.engine(id).owes.take();
        if owes == Some(context) && status & csb::COMPLETE != 0 {
            tell(ObservedRule::CompleteBeforeSeqno, Origin::Engine(id), context.into());
        }
    }

    fn unflush(&mut self, index: u64) {
        let room = self.unflushed.len() < UNFLUSHED;
        match self.unflushed.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ if room => self.unflushed.push((index, index)),
            _ => {}
        }
    }

    fn submitted(&self, id: EngineId, elements: [ContextDescriptor; 2], tell: Tell<'_>) {
        for element in elements.into_iter().filter(|element| element.is_valid()) {
            let first = u64::from(element.lrca()) / PAGE_SIZE;
            let last = first + id.context_image_pages() - 1;
            let open = self.unflushed.iter().find(|&&(from, to)| from <= last && first <= to);
            if let Some(&(from, _)) = open {
                let address = from.max(first) * PAGE_SIZE;
                tell(ObservedRule::GgttNotFlushed, Origin::Cpu, address);
            }
        }
    }

    /// The bank with a register at `offset`, and which register that is.
    fn bank(&mut self, offset: u32) -> Option<(&mut Bank, u32)> {
        let base = offset & !(irq::BANK_STRIDE - 1);
        let place = BANKS.iter().position(|&bank| bank == base)?;
        Some((&mut self.banks[place], offset - base))
    }

    fn read(&mut self, offset: u32, value: u32) {
        if let Some((bank, irq::IIR)) = self.bank(offset) {
            bank.shown = value;
        }
    }

    fn written(&mut self, offset: u32, value: u32, tell: Tell<'_>) {
        if offset == mmio::GFX_FLSH_CNTL && value & mmio::GFX_FLSH_CNTL_EN != 0 {
            self.unflushed.clear();
        }
        match self.bank(offset) {
            Some((bank, irq::IMR)) => bank.imr = value,
            Some((bank, irq::IER)) => bank.ier = value,
            Some((bank, irq::IIR)) => {
                if value & bank.ier & !bank.imr & !bank.shown != 0 {
                    tell(ObservedRule::IirClearedUnread, Origin::Cpu, offset.into());
                }
                bank.shown &= !value;
            }
            _ => {}
        }
    }
}
