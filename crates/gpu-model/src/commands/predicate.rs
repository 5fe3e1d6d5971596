//! The predicate unit and the ALU of the command streamer.

use gen8_spec::commands::mi::math as alu;
use gen8_spec::commands::mi::{self as op, predicate as field, set_predicate as when};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;

use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Level, Stop};

/// MI_SET_PREDICATE: from here on commands are passed over, by a condition that each of them looks
/// at. The field is part of MI_MODE and with it of the context.
pub(super) fn set_predicate(
    engine: &mut Engine,
    command: &Command,
    _: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    if engine.id() == EngineId::Rcs {
        let mode = engine.registers.get(reg::MI_MODE) & !reg::MI_MODE_PREDICATE;
        engine.registers.set(reg::MI_MODE, mode | command.header & when::MASK);
        engine.refresh_modes();
    }
    Ok(Flow::Next)
}

/// Whether MI_SET_PREDICATE makes a NOOP of the command with this header. It cannot pass over itself
/// nor the end of a batch; the batches of a restore are hardware's and stay as well.
#[cold]
pub(crate) fn is_passed_over(engine: &Engine, header: u32, bus: &Bus<'_>) -> bool {
    let exempt =
        header >> 29 == 0 && matches!(op::opcode(header), op::SET_PREDICATE | op::BATCH_BUFFER_END);
    if exempt || engine.parser.level == Level::Restore {
        return false;
    }
    let is_set = |register| engine.registers.get(register) & 1 != 0;
    match engine.predication {
        when::RESULT2_CLEAR => !is_set(reg::PREDICATE_RESULT_2),
        when::RESULT2_SET => is_set(reg::PREDICATE_RESULT_2),
        when::RESULT_CLEAR => !is_set(reg::PREDICATE_RESULT),
        when::RESULT_SET => is_set(reg::PREDICATE_RESULT),
        unless @ when::UNLESS_ONE_SLICE..=when::UNLESS_THREE_SLICES => {
            bus.config.sku.slices() != unless - when::UNLESS_ONE_SLICE + 1
        }
        when::ALWAYS => true,
        _ => false,
    }
}

/// MI_PREDICATE: compares, combines with the result so far, and stores. Only the render streamer has
/// a predicate unit.
pub(super) fn predicate(
    engine: &mut Engine,
    command: &Command,
    _: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    if engine.id() != EngineId::Rcs {
        return Ok(Flow::Next);
    }
    let header = command.header;
    let source0 = wide(engine, reg::PREDICATE_SRC0);
    let source1 = wide(engine, reg::PREDICATE_SRC1);
    let compared = match header & field::COMPARE_MASK {
        0 => true,
        1 => false,
        2 => source0 == source1,
        _ => source1.wrapping_sub(source0) == wide(engine, reg::PREDICATE_DATA),
    };
    let before = engine.registers.get(reg::PREDICATE_RESULT) & 1 != 0;
    let combined = match header >> field::COMBINE_SHIFT & 3 {
        0 => compared,
        1 => before & compared,
        2 => before | compared,
        _ => before ^ compared,
    };
    match header >> field::LOAD_SHIFT & 3 {
        2 => engine.registers.set(reg::PREDICATE_RESULT, combined.into()),
        3 => engine.registers.set(reg::PREDICATE_RESULT, (!combined).into()),
        _ => {}
    }
    Ok(Flow::Next)
}

/// A 64-bit register of the predicate unit.
fn wide(engine: &Engine, register: u32) -> u64 {
    u64::from(engine.registers.get(register + 4)) << 32 | u64::from(engine.registers.get(register))
}

/// MI_MATH: ALU instructions on the general-purpose registers.
pub(super) fn math(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let mut state = Alu::default();
    for n in 1..command.dwords {
        let instruction = engine.operand(command, n, bus)?;
        state.run(instruction, &mut engine.gprs).ok_or(Stop::Instruction)?;
    }
    Ok(Flow::Next)
}

/// ALU registers; they live for one MI_MATH.
#[derive(Default)]
struct Alu {
    source_a: u64,
    source_b: u64,
    accumulator: u64,
    zero: bool,
    carry: bool,
}

impl Alu {
    /// One instruction; `None` for a reserved one.
    fn run(&mut self, instruction: u32, gprs: &mut [u32]) -> Option<()> {
        let first = instruction >> alu::OPERAND1_SHIFT & alu::OPERAND_MASK;
        let second = instruction & alu::OPERAND_MASK;
        let (a, b) = (self.source_a, self.source_b);
        match instruction >> alu::OPERATION_SHIFT {
            alu::NOOP => {}
            alu::LOAD => self.load(first, self.value(second, gprs)?)?,
            alu::LOADINV => self.load(first, !self.value(second, gprs)?)?,
            alu::LOAD0 => self.load(first, 0)?,
            alu::LOAD1 => self.load(first, u64::MAX)?,
            alu::ADD => self.result(a.overflowing_add(b)),
            alu::SUB => self.result(a.overflowing_sub(b)),
            alu::AND => self.result((a & b, false)),
            alu::OR => self.result((a | b, false)),
            alu::XOR => self.result((a ^ b, false)),
            alu::STORE => store(first, self.value(second, gprs)?, gprs)?,
            alu::STOREINV => store(first, !self.value(second, gprs)?, gprs)?,
            _ => return None,
        }
        Some(())
    }

    fn load(&mut self, operand: u32, value: u64) -> Option<()> {
        match operand {
            alu::SRCA => self.source_a = value,
            alu::SRCB => self.source_b = value,
            _ => return None,
        }
        Some(())
    }

    /// Value of an operand. Flags read as all ones or 0.
    fn value(&self, operand: u32, gprs: &[u32]) -> Option<u64> {
        let flag = |set| if set { u64::MAX } else { 0 };
        Some(match operand {
            alu::SRCA => self.source_a,
            alu::SRCB => self.source_b,
            alu::ACCU => self.accumulator,
            alu::ZF => flag(self.zero),
            alu::CF => flag(self.carry),
            _ => {
                let at = 2 * operand as usize;
                u64::from(*gprs.get(at + 1)?) << 32 | u64::from(*gprs.get(at)?)
            }
        })
    }

    fn result(&mut self, (value, carry): (u64, bool)) {
        self.accumulator = value;
        self.zero = value == 0;
        self.carry = carry;
    }
}

fn store(operand: u32, value: u64, gprs: &mut [u32]) -> Option<()> {
    let at = 2 * operand as usize;
    *gprs.get_mut(at)? = value as u32;
    *gprs.get_mut(at + 1)? = (value >> 32) as u32;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(operation: u32, first: u32, second: u32) -> u32 {
        operation << alu::OPERATION_SHIFT | first << alu::OPERAND1_SHIFT | second
    }

    #[test]
    fn subtraction_borrows_and_stores_a_flag_as_mask() {
        let mut gprs = [0; 32];
        gprs[0] = 1;
        gprs[2] = 2;
        let mut state = Alu::default();
        for step in [
            instruction(alu::LOAD, alu::SRCA, 0),
            instruction(alu::LOAD, alu::SRCB, 1),
            instruction(alu::SUB, 0, 0),
            instruction(alu::STORE, 2, alu::ACCU),
            instruction(alu::STORE, 3, alu::CF),
            instruction(alu::STOREINV, 4, alu::ZF),
        ] {
            assert_eq!(state.run(step, &mut gprs), Some(()));
        }
        assert_eq!(gprs[4..10], [u32::MAX; 6]);
    }

    #[test]
    fn reserved_operations_and_operands_are_refused() {
        let mut gprs = [0; 32];
        let mut state = Alu::default();
        assert_eq!(state.run(instruction(0x7ff, 0, 0), &mut gprs), None);
        assert_eq!(state.run(instruction(alu::LOAD, alu::SRCA, 0x1f), &mut gprs), None);
        assert_eq!(state.run(instruction(alu::STORE, 0x20, alu::ACCU), &mut gprs), None);
    }
}
