//! MI_SEMAPHORE_WAIT.

use gen8_spec::commands::mi::{self as op, semaphore};

use crate::bus::Bus;
use crate::engine::{Command, Engine, Flow, Stop};

/// Compares the dword in memory (SAD) with the command's data (SDD) and stays at the command while
/// the comparison fails. Signal mode polls as well: nothing is lost, as a signal comes with a write.
pub(super) fn wait(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let data = engine.operand(command, 1, bus)?;
    let address = engine.operand_address(command, 2, bus)?;
    let space = engine.data_space(command.header & op::USE_GGTT != 0);
    let memory = engine.load(space, address, bus)?;
    match is_met(command.header, memory, data) {
        Some(true) => Ok(Flow::Next),
        Some(false) => Ok(Flow::Wait),
        None => Err(Stop::Instruction),
    }
}

/// Outcome of the comparison that the header asks for; `None` for a reserved one.
fn is_met(header: u32, memory: u32, data: u32) -> Option<bool> {
    Some(match header >> semaphore::COMPARE_SHIFT & 7 {
        semaphore::SAD_GT_SDD => memory > data,
        semaphore::SAD_GTE_SDD => memory >= data,
        semaphore::SAD_LT_SDD => memory < data,
        semaphore::SAD_LTE_SDD => memory <= data,
        semaphore::SAD_EQ_SDD => memory == data,
        semaphore::SAD_NEQ_SDD => memory != data,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_memory_against_data() {
        let outcomes = |memory, data| {
            (0..6).map(move |op| is_met(op << semaphore::COMPARE_SHIFT, memory, data).unwrap())
        };
        assert!(outcomes(2, 1).eq([true, true, false, false, false, true]));
        assert!(outcomes(1, 2).eq([false, false, true, true, false, true]));
        assert!(outcomes(1, 1).eq([false, true, false, true, true, false]));
        assert_eq!(is_met(7 << semaphore::COMPARE_SHIFT, 0, 0), None);
    }
}
