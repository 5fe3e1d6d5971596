//! What commands do: a table of MI commands by opcode, PIPE_CONTROL, the blitter, and the packets
//! that are skipped by their length.
//!
//! A handler reads its operands through the engine, so that every operand can fault like any fetch,
//! and returns where execution goes. It runs to its end or changes nothing but memory: the engine
//! that a handler stops stays at the command.

mod atomic;
mod batch;
pub(crate) mod blitter;
mod flush;
mod mi;
mod pipe_control;
mod predicate;
mod register;
mod semaphore;
mod set_context;
mod store;

pub(crate) use predicate::is_passed_over;

use gen8_spec::commands::blt;
use gen8_spec::commands::mi as op;
use gen8_spec::commands::pipe_control::OPCODE as PIPE_CONTROL;
use gen8_spec::engine::EngineId;

use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Stop};

/// Executes one command.
type Handler = fn(&mut Engine, &Command, &mut Bus<'_>) -> Result<Flow, Stop>;

/// An MI command.
struct Mi {
    opcode: u32,
    /// Fewest dwords that the handler needs; a shorter length field is an instruction error.
    dwords: u32,
    run: Handler,
}

const fn mi(opcode: u32, dwords: u32, run: Handler) -> Mi {
    Mi { opcode, dwords, run }
}

/// MI commands that do something, and those that are skipped on purpose because what they act on
/// (display events, URB, resource streamer) does not exist here. Opcodes below 0x10 that are not
/// listed have no operand and no effect; above, they are instruction errors.
const MI_COMMANDS: [Mi; 35] = [
    mi(op::NOOP, 1, mi::noop),
    mi(op::SET_PREDICATE, 1, predicate::set_predicate),
    mi(op::USER_INTERRUPT, 1, mi::user_interrupt),
    mi(op::ARB_CHECK, 1, mi::arb_check),
    mi(op::REPORT_HEAD, 1, mi::report_head),
    mi(op::ARB_ON_OFF, 1, mi::arb_on_off),
    mi(op::BATCH_BUFFER_END, 1, batch::end),
    mi(op::PREDICATE, 1, predicate::predicate),
    mi(op::LOAD_SCAN_LINES_INCL, 2, mi::skip),
    mi(op::LOAD_SCAN_LINES_EXCL, 2, mi::skip),
    mi(op::DISPLAY_FLIP, 3, mi::skip),
    mi(op::SET_CONTEXT, 2, set_context::set_context),
    mi(op::URB_CLEAR, 2, mi::skip),
    mi(op::MATH, 1, predicate::math),
    mi(op::SEMAPHORE_SIGNAL, 2, semaphore::signal),
    mi(op::SEMAPHORE_WAIT, 4, semaphore::wait),
    mi(op::STORE_DATA_IMM, 4, store::data_imm),
    mi(op::STORE_DATA_INDEX, 3, store::data_index),
    mi(op::LOAD_REGISTER_IMM, 3, register::load_imm),
    mi(op::UPDATE_GTT, 4, store::update_gtt),
    mi(op::STORE_REGISTER_MEM, 4, register::store_mem),
    mi(op::FLUSH_DW, 3, flush::flush_dw),
    mi(op::CLFLUSH, 3, mi::skip),
    mi(op::REPORT_PERF_COUNT, 4, store::perf_count),
    mi(op::LOAD_REGISTER_MEM, 4, register::load_mem),
    mi(op::LOAD_REGISTER_REG, 3, register::load_reg),
    mi(op::RS_STORE_DATA_IMM, 4, mi::skip),
    mi(op::LOAD_URB_MEM, 4, mi::skip),
    mi(op::STORE_URB_MEM, 4, mi::skip),
    mi(op::COPY_MEM_MEM, 5, store::copy),
    mi(op::ATOMIC, 3, atomic::atomic),
    mi(op::BATCH_BUFFER_START, 3, batch::start),
    mi(op::CONDITIONAL_BATCH_BUFFER_END, 4, batch::conditional_end),
    mi(op::WAIT_FOR_EVENT, 1, mi::skip),
    mi(op::SUSPEND_FLUSH, 1, mi::skip),
];

/// MI commands, one bit an opcode, that change nothing that anybody could wait for: a loop of these
/// alone is a wait.
const WITHOUT_EFFECT: u64 = 1 << op::NOOP
    | 1 << op::WAIT_FOR_EVENT
    | 1 << op::FLUSH
    | 1 << op::ARB_CHECK
    | 1 << op::SUSPEND_FLUSH
    | 1 << op::SEMAPHORE_WAIT
    | 1 << op::BATCH_BUFFER_START
    | 1 << op::CONDITIONAL_BATCH_BUFFER_END;

/// What the dispatcher needs of an MI command.
#[derive(Clone, Copy)]
struct Entry {
    dwords: u32,
    /// What is added to the count of effects.
    effect: u32,
    run: Handler,
}

/// The commands by opcode.
static MI_TABLE: [Entry; 64] = mi_table();

const fn mi_table() -> [Entry; 64] {
    let mut table = [Entry { dwords: 1, effect: 0, run: mi::unknown }; 64];
    let mut opcode = 0;
    while opcode < table.len() {
        table[opcode].effect = (WITHOUT_EFFECT >> opcode & 1 == 0) as u32;
        if opcode < op::FIRST_LONG_OPCODE as usize {
            table[opcode].run = mi::skip;
        }
        opcode += 1;
    }
    let mut i = 0;
    while i < MI_COMMANDS.len() {
        let command = &MI_COMMANDS[i];
        table[command.opcode as usize].dwords = command.dwords;
        table[command.opcode as usize].run = command.run;
        i += 1;
    }
    table
}

/// Executes one command of known length.
#[inline]
pub(crate) fn execute(
    engine: &mut Engine,
    command: Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let header = command.header;
    match header >> 29 {
        0 => {
            let entry = &MI_TABLE[op::opcode(header) as usize];
            if command.dwords < entry.dwords {
                return Err(Stop::Instruction);
            }
            engine.parser.effects += u64::from(entry.effect);
            (entry.run)(engine, &command, bus)
        }
        class => {
            engine.parser.effects += 1;
            packet(engine, class, &command, bus)
        }
    }
}

/// Blitter, 3D and media packets.
fn packet(
    engine: &mut Engine,
    class: u32,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    match (class, engine.id()) {
        (blt::CLASS, EngineId::Bcs) => blitter::execute(engine, command, bus),
        (3, EngineId::Rcs) if command.header >> 16 == PIPE_CONTROL => {
            pipe_control::pipe_control(engine, command, bus)
        }
        // There is no 3D or media pipeline behind the streamer.
        (3, EngineId::Rcs | EngineId::Vcs | EngineId::Vcs1 | EngineId::Vecs) => Ok(Flow::Next),
        _ => Err(Stop::Instruction),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_table_has_its_own_opcode() {
        for (i, command) in MI_COMMANDS.iter().enumerate() {
            assert!(command.opcode < 64);
            assert!(MI_COMMANDS[..i].iter().all(|other| other.opcode != command.opcode));
        }
    }
}
