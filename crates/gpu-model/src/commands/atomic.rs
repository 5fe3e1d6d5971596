//! MI_ATOMIC.

use gen8_spec::commands::mi::{self as op, atomic as field};

use super::store::qword;
use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Stop};

/// Reads, combines and writes a dword or a qword. Atomic against the other engines, which run in
/// turns; a guest CPU that writes the same place at the same time can slip in between.
pub(super) fn atomic(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let header = command.header;
    let address = engine.operand_address(command, 1, bus)?;
    let space = engine.data_space(header & op::USE_GGTT != 0);
    let (first, second) = operands(engine, command, bus)?;
    let operation = header >> field::OPERATION_SHIFT & field::OPERATION_MASK;
    let (old, new) = match header & field::SIZE_MASK {
        field::SIZE_DWORD => {
            let old = u64::from(engine.load(space, address, bus)?);
            let new = combine(operation, old, first, second, u32::BITS).ok_or(Stop::Instruction)?;
            engine.store(space, address, new as u32, bus)?;
            (old, new)
        }
        field::SIZE_QWORD => {
            let old = engine.load_qword(space, address, bus)?;
            let new = combine(operation, old, first, second, u64::BITS).ok_or(Stop::Instruction)?;
            engine.store_qword(space, address, new, bus)?;
            (old, new)
        }
        _ => return Err(Stop::Instruction),
    };
    if header & field::RETURN != 0 {
        let result = if operation == field::PREDEC { new } else { old };
        engine.gprs[0] = result as u32;
        engine.gprs[1] = (result >> 32) as u32;
    }
    Ok(Flow::Next)
}

/// Operands 1 and 2: inline, or general-purpose registers 0 and 1. Inline they lie interleaved.
fn operands(engine: &mut Engine, command: &Command, bus: &mut Bus<'_>) -> Result<(u64, u64), Stop> {
    if command.header & field::INLINE == 0 {
        let [low0, high0, low1, high1, ..] = engine.gprs;
        let join = |low, high| u64::from(high) << 32 | u64::from(low);
        return Ok((join(low0, high0), join(low1, high1)));
    }
    if command.dwords < field::INLINE_DWORDS {
        return Err(Stop::Instruction);
    }
    let low = qword(engine, command, 3, bus)?;
    let high = qword(engine, command, 5, bus)?;
    let dword = |value: u64| value & u64::from(u32::MAX);
    Ok((dword(low) | high << 32, low >> 32 | (high & !u64::from(u32::MAX))))
}

/// The new value of memory; `None` for a reserved operation.
fn combine(operation: u32, memory: u64, first: u64, second: u64, bits: u32) -> Option<u64> {
    let mask = u64::MAX >> (64 - bits);
    let first = first & mask;
    // Comparisons with sign look at the top bit of the size.
    let signed = |value: u64| (value << (64 - bits)) as i64;
    let value = match operation {
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
    Some(value & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_wraps_at_the_operand_size() {
        assert_eq!(combine(field::INC, 0xffff_ffff, 0, 0, 32), Some(0));
        assert_eq!(combine(field::INC, 0xffff_ffff, 0, 0, 64), Some(0x1_0000_0000));
        assert_eq!(combine(field::RSUB, 3, 1, 0, 32), Some(0xffff_fffe));
    }

    #[test]
    fn signed_and_unsigned_comparisons_differ() {
        assert_eq!(combine(field::IMAX, 0xffff_ffff, 1, 0, 32), Some(1));
        assert_eq!(combine(field::UMAX, 0xffff_ffff, 1, 0, 32), Some(0xffff_ffff));
        assert_eq!(combine(field::IMIN, 0xffff_ffff, 1, 0, 64), Some(1));
    }

    #[test]
    fn compare_and_write_needs_equality() {
        assert_eq!(combine(field::CMPWR, 5, 5, 9, 32), Some(9));
        assert_eq!(combine(field::CMPWR, 5, 6, 9, 32), Some(5));
        assert_eq!(combine(0, 5, 6, 9, 32), None);
    }
}
