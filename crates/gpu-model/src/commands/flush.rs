//! MI_FLUSH_DW.

use gen8_spec::commands::mi::{INDEX_MASK, flush_dw as field};
use gen8_spec::interrupts as irq;

use super::store::qword;
use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Stop};
use crate::event::Invalidation;
use crate::guest_rule::GuestRule;

/// Address bits of the address operand; the low ones are flags.
const ADDRESS_MASK: u64 = !7;

/// MI_FLUSH_DW: caches are coherent here, so what is left is the TLB, the post-sync write and the
/// interrupt, in this order.
pub(super) fn flush_dw(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let header = command.header;
    let post_sync = header & field::POST_SYNC_MASK;
    if header & field::TLB_INVALIDATE != 0 {
        if post_sync == 0 {
            engine.tell(GuestRule::FlushDwTlbWithoutPostSync, header.into(), bus);
        } else {
            engine.invalidate_tlb(Invalidation::FlushDw, bus);
        }
    }
    if post_sync != 0 {
        post_sync_write(engine, command, bus)?;
    }
    if header & field::NOTIFY != 0 {
        engine.raise(irq::FLUSH_NOTIFY, bus);
    }
    Ok(Flow::Next)
}

/// Without privilege nothing is written to the GGTT, nor to a status page.
fn post_sync_write(engine: &mut Engine, command: &Command, bus: &mut Bus<'_>) -> Result<(), Stop> {
    let operand = engine.operand_address(command, 1, bus)?;
    let index = command.header & field::STORE_INDEX != 0;
    let ggtt = operand & u64::from(field::ADDRESS_GGTT) != 0;
    let Some(space) = engine.permitted_space(ggtt || index, bus) else {
        return Ok(());
    };
    let address = if index {
        engine.index_page() + (operand & u64::from(INDEX_MASK) & ADDRESS_MASK)
    } else {
        operand & ADDRESS_MASK
    };
    match command.header & field::POST_SYNC_MASK {
        field::POST_SYNC_WRITE if command.dwords >= 5 => {
            let value = qword(engine, command, 3, bus)?;
            engine.store_qword(space, address, value, bus)
        }
        field::POST_SYNC_WRITE if command.dwords == 4 => {
            let value = engine.operand(command, 3, bus)?;
            engine.store(space, address, value, bus)
        }
        field::TIMESTAMP_WRITE => {
            let value = Engine::timestamp(bus);
            engine.store_qword(space, address, value, bus)
        }
        _ => Err(Stop::Instruction),
    }
}
