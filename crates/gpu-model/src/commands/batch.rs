//! Entering and leaving batches.

use gen8_spec::commands::mi as op;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;
use ppgtt::VA_BITS;

use crate::bus::Bus;
use crate::engine::{Batch, Command, Engine, Flow, Level, Stop};
use crate::guest_rule::GuestRule;

/// Address bits of a batch: dwords, 47:2.
const ADDRESS_MASK: u64 = ((1 << VA_BITS) - 1) & !3;

/// MI_BATCH_BUFFER_START. From the ring it starts a batch; in a batch it chains, or with bit 22
/// calls a second level, one deep.
pub(super) fn start(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let header = command.header;
    // Only the render streamer has the bit.
    let predicated = header & op::BATCH_PREDICATED != 0 && engine.id() == EngineId::Rcs;
    if predicated && engine.registers.get(reg::PREDICATE_RESULT_1) & 1 == 0 {
        return Ok(Flow::Next);
    }
    let mut address = engine.operand_address(command, 1, bus)?;
    if header & op::BATCH_ADD_OFFSET != 0 {
        address = address.wrapping_add(u64::from(engine.registers.get(reg::BB_OFFSET)));
    }
    // A batch without privilege cannot start one that has it.
    let user = header & op::BATCH_PPGTT != 0 || !engine.parser.is_privileged();
    let target = Batch { address: address & ADDRESS_MASK, user, valid: true };
    let site = engine.batch_site(bus);
    let second = header & op::BATCH_SECOND_LEVEL != 0;
    match engine.parser.level {
        Level::Restore => return Err(Stop::Instruction),
        Level::Ring => {
            engine.advance(command.dwords, bus);
            engine.parser.batch = target;
            engine.parser.level = Level::Batch;
        }
        Level::Batch if second => {
            engine.advance(command.dwords, bus);
            engine.parser.second = target;
            engine.parser.level = Level::Second;
        }
        Level::Second if second => {
            engine.tell(GuestRule::BatchThirdLevel, address, bus);
            engine.parser.second = target;
        }
        Level::Batch | Level::Second => {
            engine.parser.second.valid = false;
            engine.parser.batch = target;
            engine.parser.level = Level::Batch;
        }
    }
    engine.parser.note_jump(target.address);
    engine.leave_translations(bus);
    if let Some(site) = site {
        engine.tell_batch_start(site, &target, bus);
    }
    Ok(Flow::Jumped)
}

/// MI_BATCH_BUFFER_END: back to the caller. In the ring it has no effect.
pub(super) fn end(engine: &mut Engine, _: &Command, bus: &mut Bus<'_>) -> Result<Flow, Stop> {
    let (site, level) = (engine.batch_site(bus), engine.parser.level);
    match engine.parser.level {
        Level::Ring => {
            engine.tell(GuestRule::BatchEndInRing, engine.ring.head().into(), bus);
            return Ok(Flow::Next);
        }
        Level::Restore => engine.parser.end_restore(),
        Level::Second => {
            engine.parser.second.valid = false;
            engine.parser.level = Level::Batch;
        }
        Level::Batch => {
            engine.parser.batch.valid = false;
            engine.parser.level = Level::Ring;
        }
    }
    engine.leave_translations(bus);
    if let Some(site) = site {
        engine.tell_batch_end(site, level, bus);
    }
    Ok(Flow::Jumped)
}

/// MI_CONDITIONAL_BATCH_BUFFER_END: goes on only if memory is greater than the data. From a second
/// level it ends the first one as well.
pub(super) fn conditional_end(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    if command.header & op::CONDITIONAL_COMPARE == 0 {
        return Ok(Flow::Next);
    }
    let Some(space) = engine.permitted_space(command.header & op::USE_GGTT != 0, bus) else {
        return Ok(Flow::Next);
    };
    let data = engine.operand(command, 1, bus)?;
    let address = engine.operand_address(command, 2, bus)? & op::CONDITIONAL_ADDRESS_MASK;
    if engine.load(space, address, bus)? > data {
        return Ok(Flow::Next);
    }
    if engine.parser.level == Level::Second {
        engine.parser.second.valid = false;
        engine.parser.level = Level::Batch;
    }
    end(engine, command, bus)
}
