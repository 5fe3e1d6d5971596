//! PIPE_CONTROL.

use gen8_spec::commands::mi::INDEX_MASK;
use gen8_spec::commands::pipe_control as field;
use gen8_spec::interrupts as irq;
use gen8_spec::mmio::{self, ring as reg};

use super::store::qword;
use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Stop};
use crate::event::Invalidation;
use crate::guest_rule::GuestRule;

/// PIPE_CONTROL: caches are coherent here and nothing runs beside the streamer, so what is left is
/// the TLB, the post-sync operation and the interrupt, in this order.
pub(super) fn pipe_control(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    if command.dwords < field::DWORDS {
        return Err(Stop::Instruction);
    }
    let flags = engine.operand(command, 1, bus)?;
    if flags & field::TLB_INVALIDATE != 0 {
        if flags & field::CS_STALL == 0 {
            engine.tell(GuestRule::PipeControlTlbWithoutStall, flags.into(), bus);
        } else {
            engine.invalidate_tlb(Invalidation::PipeControl, bus);
        }
    }
    if flags & field::LRI_POST_SYNC != 0 {
        let register = engine.operand(command, 2, bus)? & reg::ADDRESS_MASK;
        let value = engine.operand(command, 4, bus)?;
        engine.command_write(register, value, bus);
    } else if flags & field::POST_SYNC_MASK != 0 {
        post_sync_write(engine, command, flags, bus)?;
    }
    if flags & field::NOTIFY != 0 {
        engine.raise(irq::FLUSH_NOTIFY, bus);
    }
    Ok(Flow::Next)
}

/// Without privilege nothing is written to the GGTT, nor to a status page.
fn post_sync_write(
    engine: &mut Engine,
    command: &Command,
    flags: u32,
    bus: &mut Bus<'_>,
) -> Result<(), Stop> {
    let operand = engine.operand_address(command, 2, bus)?;
    let index = flags & field::STORE_DATA_INDEX != 0;
    let ggtt = flags & field::GLOBAL_GTT != 0;
    let Some(space) = engine.permitted_space(ggtt || index, bus) else {
        return Ok(());
    };
    let address =
        if index { engine.index_page() + (operand & u64::from(INDEX_MASK)) } else { operand };
    let value = match flags & field::POST_SYNC_MASK {
        field::QW_WRITE => qword(engine, command, 4, bus)?,
        field::TIMESTAMP_WRITE => Engine::timestamp(bus),
        _ => {
            let half = |offset| u64::from(bus.registers.get(mmio::PS_DEPTH_COUNT + offset));
            half(4) << 32 | half(0)
        }
    };
    engine.store_qword(space, address, value, bus)
}
