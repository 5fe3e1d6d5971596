//! Commands for batches, from the fuzzer's bytes: headers that decode, with operands that lead to
//! memory and registers that are there, mostly.

use gen8_spec::PAGE_SIZE;
use gen8_spec::commands::length::command_dwords;
use gen8_spec::commands::mi::{self, math};
use gen8_spec::commands::pipe_control;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;
use ppgtt::VA_BITS;

use crate::input::Input;
use crate::machine::{BATCH_VA, DATA_VA, DATA_VA_PAGES};
use crate::ram::{HIGH, READ_ONLY};

/// Operands that a command gets; a longer one goes on with what comes next.
const MOST_OPERANDS: usize = 80;
/// MI commands whose operands matter.
const KNOWN_MI: [u32; 29] = [
    mi::NOOP,
    mi::SET_PREDICATE,
    mi::USER_INTERRUPT,
    mi::ARB_CHECK,
    mi::REPORT_HEAD,
    mi::ARB_ON_OFF,
    mi::BATCH_BUFFER_END,
    mi::PREDICATE,
    mi::SET_CONTEXT,
    mi::MATH,
    mi::SEMAPHORE_SIGNAL,
    mi::SEMAPHORE_WAIT,
    mi::STORE_DATA_IMM,
    mi::STORE_DATA_INDEX,
    mi::LOAD_REGISTER_IMM,
    mi::UPDATE_GTT,
    mi::STORE_REGISTER_MEM,
    mi::FLUSH_DW,
    mi::REPORT_PERF_COUNT,
    mi::LOAD_REGISTER_MEM,
    mi::LOAD_REGISTER_REG,
    mi::COPY_MEM_MEM,
    mi::ATOMIC,
    mi::ATOMIC,
    mi::BATCH_BUFFER_START,
    mi::CONDITIONAL_BATCH_BUFFER_END,
    mi::CLFLUSH,
    mi::WAIT_FOR_EVENT,
    mi::DISPLAY_FLIP,
];
/// Registers of an engine that commands may name.
const KNOWN_REGISTERS: [u32; 24] = [
    reg::TAIL,
    reg::HEAD,
    reg::START,
    reg::CTL,
    reg::HWS_PGA,
    reg::MI_MODE,
    reg::INSTPM,
    reg::RESET_CTL,
    reg::BB_OFFSET,
    reg::BB_PER_CTX_PTR,
    reg::INDIRECT_CTX,
    reg::BCS_SWCTRL,
    reg::ELSP,
    reg::CONTEXT_CONTROL,
    reg::PDP0_LDW,
    reg::PDP0_UDW,
    reg::GFX_MODE,
    reg::TIMESTAMP,
    reg::CSB_PTR,
    reg::PREDICATE_RESULT,
    reg::PREDICATE_RESULT_1,
    reg::PREDICATE_RESULT_2,
    reg::FORCE_TO_NONPRIV,
    reg::GPR0,
];

/// An MI command of any opcode, flags and length.
pub(crate) fn mi_command(input: &mut Input<'_>, batch: &mut Vec<u32>) {
    let opcode = match input.u8() {
        byte @ 0..=63 => u32::from(byte),
        byte => KNOWN_MI[usize::from(byte) % KNOWN_MI.len()],
    };
    // Flags are bits 22:8; the length is short, or has any of its ten bits.
    let flags = u32::from(input.u16() & 0x7fff) << 8;
    let length = match input.u8() {
        byte @ 0..=0xef => u32::from(byte & 0x0f),
        _ => u32::from(input.u16() & 0x3ff),
    };
    let header = mi::header(opcode, flags & !0xff | length);
    with_operands(header, EngineId::Rcs, input, batch);
}

/// A packet of the 3D or media classes; PIPE_CONTROL above all.
pub(crate) fn render_command(input: &mut Input<'_>, batch: &mut Vec<u32>) {
    let byte = input.u8();
    let header = match byte {
        0..=0xbf => pipe_control::HEADER | u32::from(byte & 0x3) << 6,
        _ => input.u32(),
    };
    batch.push(header);
    if byte <= 0xbf {
        batch.push(input.u32());
    }
    operands(4, input, batch);
}

/// A header with as many operands as it asks for on `engine`.
pub(crate) fn with_operands(
    header: u32,
    engine: EngineId,
    input: &mut Input<'_>,
    batch: &mut Vec<u32>,
) {
    let dwords = command_dwords(engine, header).unwrap_or(1) as usize;
    batch.push(header);
    operands((dwords - 1).min(MOST_OPERANDS), input, batch);
}

/// `count` operands; addresses are two.
pub(crate) fn operands(count: usize, input: &mut Input<'_>, batch: &mut Vec<u32>) {
    let end = batch.len() + count;
    while batch.len() < end {
        operand(input, batch);
    }
    batch.truncate(end);
}

fn operand(input: &mut Input<'_>, batch: &mut Vec<u32>) {
    let one = match input.u8() % 8 {
        0 | 1 => {
            let address = address(input);
            batch.push(address as u32);
            (address >> 32) as u32
        }
        2 => register(input),
        3 => input.u8().into(),
        4 => input.u16().into(),
        5 => alu_instruction(input),
        6 => input.u16() as i16 as u32,
        _ => input.u32(),
    };
    batch.push(one);
}

/// Offset of a register of any engine's block, known or not.
pub(crate) fn register(input: &mut Input<'_>) -> u32 {
    let engine = input.pick(&EngineId::ALL);
    let byte = input.u8();
    let at = match byte {
        0..=0x7f => KNOWN_REGISTERS[usize::from(byte) % KNOWN_REGISTERS.len()],
        _ => 4 * u32::from(input.u8()),
    };
    engine.mmio_base() + at + if byte & 1 == 0 { 0 } else { 4 * u32::from(input.u8() & 0x1f) }
}

/// A virtual address, or one of the GGTT: where data, batches or nothing is mapped.
pub(crate) fn address(input: &mut Input<'_>) -> u64 {
    match input.u8() % 12 {
        0..=3 => DATA_VA + page(input) + u64::from(input.u16()) % PAGE_SIZE,
        4 => DATA_VA + page(input) + PAGE_SIZE - u64::from(input.u8() & 0x3f),
        5 => DATA_VA + u64::from(input.u32() & 0x3f_ffff),
        6 => BATCH_VA + u64::from(input.u16()),
        7 => (1 << VA_BITS) - 1 - u64::from(input.u16()),
        8 => (1 << 32) - 1 - u64::from(input.u16()),
        9 => input.pick(&[HIGH.base, READ_ONLY.base]) + u64::from(input.u16()),
        10 => u64::from(input.u32() & 0x1f_ffff),
        _ => input.u64(),
    }
}

/// Offset of one of the data pages, or of one of a few behind them.
fn page(input: &mut Input<'_>) -> u64 {
    u64::from(input.u8()) % (DATA_VA_PAGES + 4) * PAGE_SIZE
}

/// An instruction of MI_MATH.
fn alu_instruction(input: &mut Input<'_>) -> u32 {
    let operation = input.pick(&[
        math::NOOP,
        math::LOAD,
        math::LOADINV,
        math::LOAD0,
        math::LOAD1,
        math::ADD,
        math::SUB,
        math::AND,
        math::OR,
        math::XOR,
        math::STORE,
        math::STOREINV,
    ]);
    let (first, second) = (u32::from(input.u8()), u32::from(input.u8()));
    operation << math::OPERATION_SHIFT | first << math::OPERAND1_SHIFT | second
}
