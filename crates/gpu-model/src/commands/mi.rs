//! MI commands without operands.

use gen8_spec::commands::mi as op;
use gen8_spec::interrupts as irq;
use gen8_spec::mmio::ring as reg;

use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Stop};
use crate::event::Event;
use crate::guest_rule::GuestRule;

/// No effect here.
pub(super) fn skip(_: &mut Engine, _: &Command, _: &mut Bus<'_>) -> Result<Flow, Stop> {
    Ok(Flow::Next)
}

/// An opcode that the engine does not know.
pub(super) fn unknown(_: &mut Engine, _: &Command, _: &mut Bus<'_>) -> Result<Flow, Stop> {
    Err(Stop::Instruction)
}

/// MI_NOOP: bit 22 loads NOPID, in batches without privilege as well (PRM Vol 2a, MI_NOOP).
pub(super) fn noop(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    if command.header & op::NOOP_WRITE_ID != 0 {
        let value = command.header & op::NOOP_ID_MASK;
        engine.registers.set(reg::NOPID, value);
        let context = engine.context_id();
        bus.events.emit(|| Event::NopId { engine: engine.id, context, value });
    }
    Ok(Flow::Next)
}

/// MI_USER_INTERRUPT.
pub(super) fn user_interrupt(
    engine: &mut Engine,
    _: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    engine.raise(irq::USER_INTERRUPT, bus);
    Ok(Flow::Next)
}

/// MI_ARB_CHECK.
pub(super) fn arb_check(_: &mut Engine, _: &Command, _: &mut Bus<'_>) -> Result<Flow, Stop> {
    Ok(Flow::Arbitrate)
}

/// MI_ARB_ON_OFF: no effect without privilege.
pub(super) fn arb_on_off(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    if !engine.is_privileged() {
        engine.forbid(GuestRule::ArbOnOffInUserBatch, bus);
        return Ok(Flow::Next);
    }
    engine.parser.arbitration = command.header & op::ARB_ENABLE != 0;
    Ok(Flow::Next)
}

/// MI_REPORT_HEAD.
pub(super) fn report_head(
    engine: &mut Engine,
    _: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    engine.report_head(bus);
    Ok(Flow::Next)
}
