//! MI commands that write memory.

use gen8_spec::commands::mi::{self as op, report_perf_count as perf};
use gen8_spec::engine::EngineId;
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};

use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Space, Stop};
use crate::event::{Actor, Event, Interests};
use crate::guest_rule::GuestRule;

/// Dwords of a long command that count as one more command against a slice, so that slices take about
/// the same time whatever runs in them.
const DWORDS_PER_COMMAND: u32 = 32;

/// MI_STORE_DATA_IMM: a dword, a qword, or an array of either.
pub(super) fn data_imm(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let Some(space) = engine.permitted_space(command.header & op::USE_GGTT != 0, bus) else {
        return Ok(Flow::Next);
    };
    engine.spend(command.dwords / DWORDS_PER_COMMAND);
    let mut address = engine.operand_address(command, 1, bus)?;
    if command.header & op::STORE_QWORD == 0 {
        for n in 3..command.dwords {
            let value = engine.operand(command, n, bus)?;
            engine.store(space, address, value, bus)?;
            address += 4;
        }
        return Ok(Flow::Next);
    }
    if command.dwords < 5 {
        return Err(Stop::Instruction);
    }
    for n in (3..command.dwords - 1).step_by(2) {
        let value = qword(engine, command, n, bus)?;
        engine.store_qword(space, address, value, bus)?;
        address += 8;
    }
    Ok(Flow::Next)
}

/// MI_STORE_DATA_INDEX: to the status page, the context's own with bit 21. Dropped without
/// privilege.
pub(super) fn data_index(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    if !engine.is_privileged() {
        engine.forbid(GuestRule::StoreIndexInUserBatch, bus);
        return Ok(Flow::Next);
    }
    let offset = u64::from(engine.operand(command, 1, bus)? & op::INDEX_MASK);
    let page = if command.header & op::INDEX_PPHWSP != 0 {
        engine.index_page()
    } else {
        engine.status_page()
    };
    if command.dwords > 3 {
        let value = qword(engine, command, 2, bus)?;
        engine.store_qword(Space::Ggtt, page + offset, value, bus)?;
    } else {
        let value = engine.operand(command, 2, bus)?;
        engine.store(Space::Ggtt, page + offset, value, bus)?;
    }
    Ok(Flow::Next)
}

/// MI_COPY_MEM_MEM: one dword.
pub(super) fn copy(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let to = engine.operand_address(command, 1, bus)?;
    let from = engine.operand_address(command, 3, bus)?;
    let source = engine.permitted_space(command.header & op::COPY_SOURCE_GGTT != 0, bus);
    let destination = engine.permitted_space(command.header & op::COPY_DESTINATION_GGTT != 0, bus);
    let (Some(source), Some(destination)) = (source, destination) else {
        return Ok(Flow::Next);
    };
    let value = engine.load(source, from, bus)?;
    engine.store(destination, to, value, bus)?;
    Ok(Flow::Next)
}

/// MI_UPDATE_GTT: GGTT PTEs, qwords, from the page in operand 1. Dropped without privilege.
pub(super) fn update_gtt(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let address = u64::from(engine.operand(command, 1, bus)?) & !(PAGE_SIZE - 1);
    if !engine.is_privileged() {
        engine.forbid(GuestRule::UpdateGttInUserBatch, bus);
        return Ok(Flow::Next);
    }
    engine.spend(command.dwords / DWORDS_PER_COMMAND);
    for (index, n) in (2..command.dwords - 1).step_by(2).enumerate() {
        let pte = qword(engine, command, n, bus)?;
        let index = (address >> PAGE_SHIFT) + index as u64;
        let old = bus.ggtt.read_pte(index);
        bus.ggtt.write_pte(index, pte);
        bus.events.emit_for(Interests::GGTT_WRITES, || {
            let by = Actor::Engine(engine.site());
            Event::GgttWritten { index, old, new: pte, by }
        });
    }
    engine.forget_fetch_page();
    Ok(Flow::Next)
}

/// MI_REPORT_PERF_COUNT: report id, timestamp and context id as hardware writes them. The counters
/// are 0: nothing that they count exists here.
pub(super) fn perf_count(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    if engine.id() != EngineId::Rcs {
        return Ok(Flow::Next);
    }
    let ggtt = engine.operand(command, 1, bus)? & perf::ADDRESS_GGTT != 0;
    let Some(space) = engine.permitted_space(ggtt, bus) else {
        return Ok(Flow::Next);
    };
    let address = engine.operand_address(command, 1, bus)? & perf::ADDRESS_MASK;
    let report_id = engine.operand(command, 3, bus)?;
    let report = [report_id, Engine::timestamp(bus) as u32, engine.context_id()];
    let dwords = report.into_iter().chain(core::iter::repeat(0));
    for (n, value) in (0..perf::REPORT_DWORDS).zip(dwords) {
        engine.store(space, address + 4 * n, value, bus)?;
    }
    Ok(Flow::Next)
}

/// The qword in operands `n` (low) and `n + 1`.
pub(super) fn qword(
    engine: &mut Engine,
    command: &Command,
    n: u32,
    bus: &mut Bus<'_>,
) -> Result<u64, Stop> {
    let low = engine.operand(command, n, bus)?;
    let high = engine.operand(command, n + 1, bus)?;
    Ok(u64::from(high) << 32 | u64::from(low))
}
