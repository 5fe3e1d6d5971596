//! MI_SET_CONTEXT: the context switch of legacy ring mode.

use gen8_spec::PAGE_SIZE;
use gen8_spec::commands::mi::set_context as field;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;

use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Stop};
use crate::event::{Event, Interests, Invalidation};
use crate::guest_rule::GuestRule;

/// GGTT page of the image.
const PAGE_MASK: u32 = !(PAGE_SIZE as u32 - 1);
/// Flags of the command that CCID shows.
const CCID_FLAGS: u32 = field::MEMORY_GTT | field::SAVE_EXTENDED | field::RESTORE_EXTENDED;

/// Saves the registers of the current context to its image and loads those of the new one. The
/// layout of a legacy image is hardware's own; the model uses its first page.
pub(super) fn set_context(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let operand = engine.operand(command, 1, bus)?;
    let rule = if engine.id() != EngineId::Rcs {
        Some(GuestRule::SetContextWrongEngine)
    } else if engine.is_in_execlists_mode() {
        Some(GuestRule::SetContextWithExeclists)
    } else if !engine.parser.is_privileged() {
        Some(GuestRule::SetContextInUserBatch)
    } else {
        None
    };
    if let Some(rule) = rule {
        engine.tell(rule, operand.into(), bus);
        return Ok(Flow::Next);
    }
    let old = engine.registers.get(reg::CCID);
    let same = old & reg::CCID_VALID != 0 && old & PAGE_MASK == operand & PAGE_MASK;
    if same && operand & field::FORCE_RESTORE == 0 {
        return Ok(Flow::Next);
    }
    let new_page = image(engine, operand, bus)?;
    if old & reg::CCID_VALID != 0 {
        let old_page = image(engine, old, bus)?;
        engine.store_extra((old & PAGE_MASK).into(), old_page, 0, bus);
        tell_saved(engine, old, old_page, bus);
    }
    engine.registers.set(reg::CCID, operand & (PAGE_MASK | CCID_FLAGS) | reg::CCID_VALID);
    tell_loaded(engine, operand, new_page, bus);
    engine.reset_context_registers(bus);
    if operand & field::RESTORE_INHIBIT == 0 {
        engine.load_extra(new_page, 0, bus);
    }
    if !engine.keeps_tlb() {
        engine.invalidate_tlb(Invalidation::ContextLoad, bus);
    }
    Ok(Flow::Next)
}

fn tell_saved(engine: &Engine, ccid: u32, page: u64, bus: &mut Bus<'_>) {
    bus.events.emit_for(Interests::CONTEXTS, || Event::ContextSaved {
        engine: engine.id(),
        context: ccid,
        image: (ccid & PAGE_MASK).into(),
        page,
        head: engine.ring.head(),
        tail: engine.ring.tail(),
    });
}

/// CCID names the new context already.
fn tell_loaded(engine: &Engine, operand: u32, page: u64, bus: &mut Bus<'_>) {
    bus.events.emit_for(Interests::CONTEXTS, || Event::ContextLoaded {
        engine: engine.id(),
        context: engine.context_id(),
        image: (operand & PAGE_MASK).into(),
        page,
        head: engine.ring.head(),
        tail: engine.ring.tail(),
        lite: false,
    });
}

/// Physical address of the first page of the image that `register` names.
fn image(engine: &Engine, register: u32, bus: &mut Bus<'_>) -> Result<u64, Stop> {
    let address = u64::from(register & PAGE_MASK);
    engine.locate_ggtt(address, true, bus).ok_or(Stop::Context)
}
