//! Carrying out what the execlists scheduler decides: saving and restoring contexts, reporting
//! status.

use gen8_spec::context_image::{STATE_PAGE, control};
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{Addressing, ContextDescriptor};
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::{PAGE_SIZE, hwsp, interrupts as irq, masked_apply};
use ppgtt::{Levels, PhysicalMemory};

use super::context_image::{ContextState, StatePage, extra_place};
use super::execlists::{Action, Transition};
use super::parser::{Batch, RestoreBatch};
use super::ring::Ring;
use super::rules::{check_pat, check_ring_mapped};
use super::tell::{Piece, WriteNotes};
use super::translate::{AddressSpace, Space};
use super::{Engine, Stop};
use crate::bus::Bus;
use crate::event::{Event, Interests, Invalidation, WriteKind};
use crate::guest_rule::{GuestRule, Origin};

/// Bytes in a cache line, the unit of the indirect-context batch.
const CACHE_LINE: u64 = 64;
/// GGTT page of an address register.
const PAGE_MASK: u32 = !(PAGE_SIZE as u32 - 1);
/// Bits of an MI_MODE image value that a restore takes: STOP_RING is the engine's, not the
/// context's.
const MI_MODE_CONTEXT: u32 = 0xffff & !(reg::MI_MODE_STOP_RING | reg::MI_MODE_IDLE);

/// Mask half of a masked register's image value: the restore takes all of it.
const MASKED_WHOLE: u32 = 0xffff << 16;

impl Engine {
    /// Carries out a scheduling decision. The status is reported after the save and before the
    /// restore, so that whoever reads it finds the saved image.
    pub(super) fn perform(
        &mut self,
        transition: Transition,
        leaving: Option<ContextDescriptor>,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        if let (Action::Switch(_) | Action::Stop, Some(context)) = (transition.action, leaving) {
            self.save(context, bus)?;
        }
        self.report_status(transition.status, transition.context, bus);
        match transition.action {
            Action::Start(next) | Action::Switch(next) => self.restore(next, bus),
            Action::LiteRestore(next) => self.reread_tail(next, bus),
            Action::Stop => Ok(()),
        }
    }

    /// Writes a context status entry: to the status page, then to the registers, then the index
    /// in the status page, then the interrupt.
    fn report_status(&mut self, status: u32, context: u32, bus: &mut Bus<'_>) {
        let slot = self.execlists.status_buffer.push(status, context);
        let page = self.status_page();
        let entry = u64::from(context) << 32 | u64::from(status);
        let place = page + hwsp::CSB + 8 * u64::from(slot);
        if let Some(at) = self.locate_ggtt(place, true, bus) {
            let written = bus.memory.write_u64(at, entry);
            self.status_written(written, place, at, (entry, 8), bus);
        } else {
            self.tell(GuestRule::StatusPageUnmapped, page, bus);
        }
        let place = page + hwsp::CSB_WRITE_INDEX;
        if let Some(at) = self.locate_ggtt(place, true, bus) {
            let written = bus.memory.write_u32(at, slot);
            self.status_written(written, place, at, (slot.into(), 4), bus);
        }
        bus.events.emit(|| Event::ContextSwitch { engine: self.id, slot, status, context });
        self.raise(irq::CONTEXT_SWITCH, bus);
    }

    /// A status went to the status page, or could not be `written`.
    fn status_written(
        &self,
        written: bool,
        address: u64,
        physical: u64,
        (value, len): (u64, u64),
        bus: &mut Bus<'_>,
    ) {
        if written {
            let value = Some(value);
            let piece = Piece { space: Space::Ggtt, address, physical, len, value };
            self.tell_write(WriteKind::Status, piece, bus);
        } else {
            self.outside_ram(Space::Ggtt, address, physical, true, bus);
        }
    }

    /// Loads a context from its image.
    fn restore(&mut self, context: ContextDescriptor, bus: &mut Bus<'_>) -> Result<(), Stop> {
        let page = self.image_page(context, STATE_PAGE, false, bus)?;
        let Some(image) = StatePage::new(bus.memory, page, self.id).load() else {
            return Err(self.image_outside_ram(context, page, false, bus));
        };
        self.ring = Ring::new(image.head, image.tail, image.start, image.ctl);
        if let Some(rule) = self.ring.defect() {
            return Err(self.bad_context(rule, context, bus));
        }
        let Ok(levels) = levels(context) else {
            return Err(self.bad_context(GuestRule::ContextAddressingAdvanced, context, bus));
        };
        self.look(bus, |bus, tell| {
            let state = StatePage::new(bus.observed_memory, page, self.id);
            self.check_image(context, levels, &image, &state, tell);
            if levels.is_some() {
                check_pat(bus, tell);
            }
            check_ring_mapped(&self.ring, bus, tell);
        });
        let space = AddressSpace { pdps: image.pdps, levels };
        let force = context.force_pd_restore() || !self.keeps_tlb();
        self.tell_loaded(context, page, false, bus);
        self.load_address_space(space, force, context.context_id(), bus);
        self.restore_registers(context, &image, bus)?;
        self.parser.resume(
            Batch::from_registers(image.batch, image.batch_state),
            Batch::from_registers(image.second, image.second_state),
        );
        self.parser.restore = [indirect_batch(&image), per_context_batch(&image)];
        self.parser.enter();
        Ok(())
    }

    /// The registers of a context, apart from ring, batch and page tables.
    fn restore_registers(
        &mut self,
        context: ContextDescriptor,
        image: &ContextState,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        self.control_image = image.control;
        let control = masked_apply(0, image.control);
        self.registers.set(reg::CONTEXT_CONTROL, control);
        self.context_ticks = image.timestamp;
        self.context_since_ns = bus.now_ns;
        self.reset_context_registers(bus);
        self.restore_values(context, image, control, bus)?;
        self.refresh_modes();
        Ok(())
    }

    /// What a restore takes from the image unless CONTEXT_CONTROL inhibits it.
    fn restore_values(
        &mut self,
        context: ContextDescriptor,
        image: &ContextState,
        control: u32,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let mode = self.registers.get(reg::MI_MODE) & !MI_MODE_CONTEXT;
        self.registers.set(reg::MI_MODE, mode);
        for register in [reg::BB_OFFSET, reg::BCS_SWCTRL, reg::EXCC] {
            self.registers.set(register, 0);
        }
        if self.id == EngineId::Rcs {
            self.registers.set(reg::R_PWR_CLK_STATE, image.power);
            self.registers.set(reg::BB_PER_CTX_PTR, image.per_ctx);
            self.registers.set(reg::INDIRECT_CTX, image.indirect);
            self.registers.set(reg::INDIRECT_CTX_OFFSET, image.indirect_offset);
        }
        if control & control::RESTORE_INHIBIT != 0 {
            return Ok(());
        }
        if self.id == EngineId::Rcs {
            self.registers.set(reg::BB_OFFSET, image.batch_offset);
            let context_mode = masked_apply(0, image.mi_mode) & MI_MODE_CONTEXT;
            self.registers.set(reg::MI_MODE, mode | context_mode);
            self.gprs = image.gprs;
        } else {
            self.registers.set(reg::BCS_SWCTRL, masked_apply(0, image.swctrl));
            self.registers.set(reg::EXCC, masked_apply(0, image.excc));
        }
        let (number, offset) = extra_place(self.id);
        let page = self.image_page(context, number, false, bus)?;
        self.load_extra(page, offset, bus);
        Ok(())
    }

    /// Writes the running context back to its image.
    fn save(&mut self, context: ContextDescriptor, bus: &mut Bus<'_>) -> Result<(), Stop> {
        let page = self.image_page(context, STATE_PAGE, true, bus)?;
        self.context_ticks = self.ticks_since_restore(bus);
        self.context_since_ns = bus.now_ns;
        let mode = self.registers.get(reg::MI_MODE) & MI_MODE_CONTEXT;
        let image = ContextState {
            // The next restore shall load what this save wrote.
            control: self.control_image & !control::RESTORE_INHIBIT,
            head: self.ring.head(),
            batch: self.parser.batch.address_register(),
            batch_state: self.parser.batch.state_register(),
            second: self.parser.second.address_register(),
            second_state: self.parser.second.state_register(),
            timestamp: self.context_ticks,
            power: self.registers.get(reg::R_PWR_CLK_STATE),
            mi_mode: MI_MODE_CONTEXT << 16 | mode,
            swctrl: MASKED_WHOLE | self.registers.get(reg::BCS_SWCTRL),
            excc: MASKED_WHOLE | self.registers.get(reg::EXCC),
            batch_offset: self.registers.get(reg::BB_OFFSET),
            gprs: self.gprs,
            ..ContextState::default()
        };
        if let Some(old) = self.spoil_save(context.lrca(), page, bus) {
            self.save_state(context, old, &image, bus);
        }
        if !self.save_state(context, page, &image, bus) {
            return Err(self.image_outside_ram(context, page, true, bus));
        }
        if self.registers.get(reg::CONTEXT_CONTROL) & control::SAVE_INHIBIT == 0 {
            let (number, offset) = extra_place(self.id);
            let page = self.image_page(context, number, true, bus)?;
            let place = u64::from(context.lrca()) + number * PAGE_SIZE;
            self.store_extra(place, page, offset, bus);
        }
        Ok(())
    }

    /// Writes `image` to the state page of `context` at physical `page`, and tells it; `false` if that is not in RAM.
    fn save_state(
        &self,
        context: ContextDescriptor,
        page: u64,
        image: &ContextState,
        bus: &mut Bus<'_>,
    ) -> bool {
        let stored = self.store_image(context, page, image, bus);
        if stored {
            bus.events.emit_for(Interests::CONTEXTS, || Event::ContextSaved {
                engine: self.id,
                context: context.context_id(),
                image: context.lrca().into(),
                page,
                head: self.ring.head(),
                tail: self.ring.tail(),
            });
        }
        stored
    }

    /// Writes `image` to the state page of `context` at physical `page`; `false` if that is not in RAM.
    fn store_image(
        &self,
        context: ContextDescriptor,
        page: u64,
        image: &ContextState,
        bus: &mut Bus<'_>,
    ) -> bool {
        if bus.events.wants(Interests::MEMORY_WRITES) {
            self.store_image_telling(context, page, image, bus)
        } else {
            StatePage::new(bus.memory, page, self.id).store(image)
        }
    }

    #[cold]
    fn store_image_telling(
        &self,
        context: ContextDescriptor,
        page: u64,
        image: &ContextState,
        bus: &mut Bus<'_>,
    ) -> bool {
        let notes = WriteNotes::new(bus.memory);
        let stored = StatePage::new(&notes, page, self.id).store(image);
        self.tell_image_writes(u64::from(context.lrca()) + STATE_PAGE * PAGE_SIZE, notes, bus);
        stored
    }

    /// A lite restore: only TAIL is taken from the image.
    fn reread_tail(&mut self, context: ContextDescriptor, bus: &mut Bus<'_>) -> Result<(), Stop> {
        let page = self.image_page(context, STATE_PAGE, false, bus)?;
        let Some(tail) = StatePage::new(bus.memory, page, self.id).tail() else {
            return Err(self.image_outside_ram(context, page, false, bus));
        };
        self.ring.set_tail(tail);
        if let Some(rule) = self.ring.defect() {
            return Err(self.bad_context(rule, context, bus));
        }
        if self.ring.is_empty() {
            self.tell(GuestRule::LiteRestoreRingEmpty, context.0, bus);
        }
        self.tell_loaded(context, page, true, bus);
        if context.force_pd_restore() {
            self.invalidate_tlb(Invalidation::ContextLoad, bus);
        }
        Ok(())
    }

    /// Tells that the ring of `context`, whose state page is at physical `page`, is loaded.
    fn tell_loaded(&self, context: ContextDescriptor, page: u64, lite: bool, bus: &mut Bus<'_>) {
        bus.events.emit_for(Interests::CONTEXTS, || Event::ContextLoaded {
            engine: self.id,
            context: context.context_id(),
            image: context.lrca().into(),
            page,
            head: self.ring.head(),
            tail: self.ring.tail(),
            lite,
        });
    }

    /// Physical address of a page of a context image.
    fn image_page(
        &self,
        context: ContextDescriptor,
        page: u64,
        write: bool,
        bus: &mut Bus<'_>,
    ) -> Result<u64, Stop> {
        let address = u64::from(context.lrca()) + page * PAGE_SIZE;
        let place = self.locate_ggtt(address, write, bus);
        place.ok_or_else(|| self.bad_context(GuestRule::ContextImageUnmapped, context, bus))
    }

    /// The state page of an image is not in RAM, or cannot be written: a GPU fault.
    fn image_outside_ram(
        &self,
        context: ContextDescriptor,
        physical: u64,
        write: bool,
        bus: &mut Bus<'_>,
    ) -> Stop {
        let address = u64::from(context.lrca()) + STATE_PAGE * PAGE_SIZE;
        self.outside_ram(Space::Ggtt, address, physical, write, bus);
        self.bad_context(GuestRule::ContextImageOutsideRam, context, bus)
    }

    fn bad_context(&self, rule: GuestRule, context: ContextDescriptor, bus: &mut Bus<'_>) -> Stop {
        let origin = Origin::Engine(self.id);
        bus.events.emit(|| Event::GuestError { rule, origin, detail: context.0 });
        Stop::Context
    }

    /// CTX_TIMESTAMP: ticks that the running context, or the one that ran last, has run.
    pub(super) fn context_timestamp(&self, bus: &Bus<'_>) -> u32 {
        match self.execlists.current() {
            Some(_) => self.ticks_since_restore(bus),
            None => self.context_ticks,
        }
    }

    /// Ticks of the loaded context up to now.
    fn ticks_since_restore(&self, bus: &Bus<'_>) -> u32 {
        let ticks = bus.now_ns.saturating_sub(self.context_since_ns) / mmio::TIMESTAMP_TICK_NS;
        self.context_ticks.wrapping_add(ticks as u32)
    }

    /// GFX_MODE: TLB entries outlive batches and contexts.
    pub(crate) fn keeps_tlb(&self) -> bool {
        self.registers.get(reg::GFX_MODE) & reg::GFX_MODE_TLB_EXPLICIT != 0
    }
}

/// Levels of the context's page tables, `None` without PPGTT.
fn levels(context: ContextDescriptor) -> Result<Option<Levels>, ()> {
    if context.0 & ContextDescriptor::PPGTT == 0 {
        return Ok(None);
    }
    match context.addressing() {
        Addressing::Legacy32 => Ok(Some(Levels::Three)),
        Addressing::Legacy64 => Ok(Some(Levels::Four)),
        Addressing::Advanced32 | Addressing::Advanced64 => Err(()),
    }
}

/// The indirect-context batch of an image: so many cache lines, no end command.
fn indirect_batch(image: &ContextState) -> Option<RestoreBatch> {
    let lines = u64::from(image.indirect & reg::INDIRECT_CTX_LINES);
    let address = u64::from(image.indirect & !reg::INDIRECT_CTX_LINES);
    (lines != 0).then_some(RestoreBatch { address, end: Some(address + lines * CACHE_LINE) })
}

/// The per-context batch of an image: ends by MI_BATCH_BUFFER_END.
fn per_context_batch(image: &ContextState) -> Option<RestoreBatch> {
    let address = u64::from(image.per_ctx & PAGE_MASK);
    (image.per_ctx & reg::BB_PER_CTX_VALID != 0).then_some(RestoreBatch { address, end: None })
}
