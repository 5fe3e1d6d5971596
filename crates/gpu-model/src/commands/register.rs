//! MI commands that move registers.

use gen8_spec::commands::mi as op;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;

use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Stop};

/// MI_LOAD_REGISTER_IMM: pairs of register and value.
pub(super) fn load_imm(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let kept = disabled_bytes(command.header);
    for n in (1..command.dwords - 1).step_by(2) {
        let register = engine.operand(command, n, bus)? & reg::ADDRESS_MASK;
        let mut value = engine.operand(command, n + 1, bus)?;
        if kept != 0 {
            value = value & !kept | engine.command_read(register, bus) & kept;
        }
        if kept != u32::MAX {
            engine.command_write(register, value, bus);
        }
    }
    Ok(Flow::Next)
}

/// Bits of the bytes that the header of MI_LOAD_REGISTER_IMM says not to write.
fn disabled_bytes(header: u32) -> u32 {
    let disables = header >> op::BYTE_DISABLES_SHIFT & op::BYTE_DISABLES_MASK;
    (0..4).filter(|n| disables >> n & 1 != 0).fold(0, |bits, n| bits | 0xff << (8 * n))
}

/// MI_LOAD_REGISTER_MEM.
pub(super) fn load_mem(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let Some(space) = engine.permitted_space(command.header & op::USE_GGTT != 0, bus) else {
        return Ok(Flow::Next);
    };
    let register = engine.operand(command, 1, bus)? & reg::ADDRESS_MASK;
    let address = engine.operand_address(command, 2, bus)?;
    let value = engine.load(space, address, bus)?;
    engine.command_write(register, value, bus);
    Ok(Flow::Next)
}

/// MI_LOAD_REGISTER_REG.
pub(super) fn load_reg(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let from = engine.operand(command, 1, bus)? & reg::ADDRESS_MASK;
    let to = engine.operand(command, 2, bus)? & reg::ADDRESS_MASK;
    let value = engine.command_read(from, bus);
    engine.command_write(to, value, bus);
    Ok(Flow::Next)
}

/// MI_STORE_REGISTER_MEM.
pub(super) fn store_mem(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    // Only the render streamer has the bit.
    let predicated =
        command.header & op::STORE_REGISTER_PREDICATED != 0 && engine.id() == EngineId::Rcs;
    if predicated && engine.registers.get(reg::PREDICATE_RESULT) & 1 == 0 {
        return Ok(Flow::Next);
    }
    let register = engine.operand(command, 1, bus)? & reg::ADDRESS_MASK;
    let address = engine.operand_address(command, 2, bus)?;
    let value = engine.command_read(register, bus);
    if let Some(space) = engine.permitted_space(command.header & op::USE_GGTT != 0, bus) {
        engine.store(space, address, value, bus)?;
    }
    Ok(Flow::Next)
}
