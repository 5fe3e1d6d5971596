//! MI_SEMAPHORE_WAIT and MI_SEMAPHORE_SIGNAL.

use gen8_spec::commands::mi::{self as op, semaphore};
use gen8_spec::engine::EngineId;

use crate::bus::{Bus, SemaphoreSignal};
use crate::engine::{Command, Engine, Flow, Stop};
use crate::guest_rule::GuestRule;

/// MI_SEMAPHORE_WAIT: compares the dword in memory (SAD) with the command's data (SDD) and stays at
/// the command while the comparison fails. In poll mode every slice looks again, in signal mode only
/// one that a signal for this context went before.
pub(super) fn wait(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let asleep = engine.parser.waiting && command.header & semaphore::POLL == 0;
    let cancelled = core::mem::take(&mut engine.parser.cancelled);
    let signalled = core::mem::take(&mut engine.parser.signalled);
    if cancelled {
        return Ok(Flow::Next);
    }
    if asleep && !signalled {
        return Ok(Flow::Wait);
    }
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

/// MI_SEMAPHORE_SIGNAL: wakes the context that it names, if that runs on the target engine and waits.
/// Elsewhere nothing is lost: a restore compares anew.
pub(super) fn signal(
    engine: &mut Engine,
    command: &Command,
    bus: &mut Bus<'_>,
) -> Result<Flow, Stop> {
    let context = engine.operand(command, 1, bus)?;
    let target = command.header >> semaphore::TARGET_SHIFT & semaphore::TARGET_MASK;
    match EngineId::from_semaphore_target(target) {
        Some(target) => bus.signals.push(SemaphoreSignal { target, context }),
        None => engine.refuse(GuestRule::SignalToNoEngine, bus),
    }
    Ok(Flow::Next)
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
