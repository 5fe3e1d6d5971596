//! MI_ATOMIC.

use gen8_spec::commands::mi::{self as op, atomic as field};

use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, GPR_DWORDS, Stop, Word};
use crate::guest_rule::GuestRule;

/// What a command does to memory, decoded.
#[derive(Clone, Copy)]
struct Operation {
    code: u32,
    bits: u32,
    first: u128,
    second: u128,
}

/// Reads, combines and writes a dword, a qword or an octword. Dwords and qwords are atomic against
/// the guest's CPUs as well; octwords only against the other engines, which run in turns.
pub(super) fn atomic(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let address = engine.operand_address(command, 1, bus)?;
    let space = engine.data_space(command.header & op::USE_GGTT != 0);
    let operation = decode(engine, command, bus)?;
    // No operation stays reserved for one value of memory only.
    operation.apply(0).ok_or(Stop::Instruction)?;
    let change = |old: u64| operation.apply(old.into()).map_or(old, |new| new as u64);
    let old = match operation.bits {
        u32::BITS => engine.update(space, address, Word::Dword, change, bus)?.into(),
        u64::BITS => engine.update(space, address, Word::Qword, change, bus)?.into(),
        _ => {
            let address = address & !15;
            let low = engine.load_qword(space, address, bus)?;
            let high = engine.load_qword(space, address + 8, bus)?;
            let old = u128::from(high) << 64 | u128::from(low);
            let new = operation.apply(old).unwrap_or(old);
            engine.store_qword(space, address, new as u64, bus)?;
            engine.store_qword(space, address + 8, (new >> 64) as u64, bus)?;
            old
        }
    };
    if command.header & field::RETURN != 0 {
        let value = if operation.code == field::PREDEC { operation.apply(old) } else { None };
        // Of an octword, both registers are written.
        let dwords = if operation.bits == u128::BITS { 4 } else { 2 };
        set_gprs(&mut engine.gprs, field::RETURN_GPR, dwords, value.unwrap_or(old));
    }
    Ok(Flow::Next)
}

fn decode(engine: &mut Engine, command: &Command, bus: &mut Bus<'_>) -> Result<Operation, Stop> {
    let header = command.header;
    let (bits, width) = match header & field::SIZE_MASK {
        field::SIZE_DWORD => (u32::BITS, 0),
        field::SIZE_QWORD => (u64::BITS, 1),
        field::SIZE_OCTWORD => (u128::BITS, 2),
        _ => return Err(Stop::Instruction),
    };
    let named = header >> field::OPERATION_SHIFT & field::OPERATION_FIELD;
    if named >> field::OPERATION_SIZE_SHIFT != width {
        engine.tell(GuestRule::AtomicSizeMismatch, header.into(), bus);
    }
    let (first, second) = if header & field::INLINE != 0 {
        inline_operands(engine, command, bits / u32::BITS, bus)?
    } else {
        (gprs(&engine.gprs, field::OPERAND1_GPR), gprs(&engine.gprs, field::OPERAND2_GPR))
    };
    let mask = u128::MAX >> (u128::BITS - bits);
    let code = named & field::OPERATION_MASK;
    Ok(Operation { code, bits, first: first & mask, second: second & mask })
}

/// Operands of so many dwords each, which alternate in the command.
fn inline_operands(
    engine: &mut Engine,
    command: &Command,
    dwords: u32,
    bus: &mut Bus<'_>,
) -> Result<(u128, u128), Stop> {
    if command.dwords < field::INLINE_FIRST + 2 * dwords {
        return Err(Stop::Instruction);
    }
    let mut operands = (0, 0);
    for n in 0..dwords {
        let at = field::INLINE_FIRST + 2 * n;
        let shift = u32::BITS * n;
        operands.0 |= u128::from(engine.operand(command, at, bus)?) << shift;
        operands.1 |= u128::from(engine.operand(command, at + 1, bus)?) << shift;
    }
    Ok(operands)
}

/// The value of general-purpose registers `first` (low) and `first + 1`.
fn gprs(gprs: &[u32; GPR_DWORDS], first: usize) -> u128 {
    let dwords = gprs.iter().skip(2 * first).take(4);
    dwords.rev().fold(0, |value, &dword| value << u32::BITS | u128::from(dword))
}

/// Puts the low `dwords` of `value` into registers from `first` on.
fn set_gprs(gprs: &mut [u32; GPR_DWORDS], first: usize, dwords: usize, value: u128) {
    for (n, gpr) in gprs.iter_mut().skip(2 * first).take(dwords).enumerate() {
        *gpr = (value >> (32 * n)) as u32;
    }
}

impl Operation {
    /// The new value of memory; `None` for a reserved operation. Octwords know one operation.
    fn apply(&self, memory: u128) -> Option<u128> {
        let Operation { code, bits, first, second } = *self;
        if bits == u128::BITS {
            return (code == field::CMPWR).then_some(if memory == first { second } else { memory });
        }
        // Comparisons with sign look at the top bit of the size.
        let signed = |value: u128| (value << (u128::BITS - bits)) as i128;
        let value = match code {
            field::AND => memory & first,
            field::OR => memory | first,
            field::XOR => memory ^ first,
            field::MOVE => first,
            field::INC => memory.wrapping_add(1),
            field::DEC | field::PREDEC => memory.wrapping_sub(1),
            field::ADD => memory.wrapping_add(first),
            field::SUB => memory.wrapping_sub(first),
            field::RSUB => first.wrapping_sub(memory),
            field::IMAX if signed(memory) < signed(first) => first,
            field::IMIN if signed(memory) > signed(first) => first,
            field::UMAX => memory.max(first),
            field::UMIN => memory.min(first),
            field::CMPWR if memory == first => second,
            field::IMAX | field::IMIN | field::CMPWR => memory,
            _ => return None,
        };
        Some(value & (u128::MAX >> (u128::BITS - bits)))
    }
}
