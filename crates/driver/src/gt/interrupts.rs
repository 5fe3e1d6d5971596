//! Interrupts: setting them up, and the handler.

use gen8_spec::engine::EngineId;
use gen8_spec::interrupts::{
    CONTEXT_SWITCH, CS_ERROR, IER, IIR, IMR, MASTER, MASTER_ENABLE, USER_INTERRUPT, gt_bank,
};
use gen8_spec::mmio::ring as reg;

use super::engine::Engine;
use super::error::ProbeError;
use super::hardware::Hardware;
use crate::Platform;

/// GT banks: engines in 0, 1 and 3, power management in 2.
const BANKS: u32 = 4;
/// What each engine may raise.
const ENGINE_EVENTS: u32 = USER_INTERRUPT | CONTEXT_SWITCH | CS_ERROR;

/// Turns everything off and clears what is latched (i915 `gen8_irq_reset`). Identity registers are
/// two deep, so they are cleared twice.
pub(super) fn reset<P: Platform>(hw: &mut Hardware<P>) {
    hw.write(MASTER, 0);
    hw.read(MASTER);
    for bank in (0..BANKS).map(gt_bank) {
        hw.write(bank + IMR, !0);
        hw.read(bank + IMR);
        hw.write(bank + IER, 0);
        for _ in 0..2 {
            hw.write(bank + IIR, !0);
            hw.read(bank + IIR);
        }
    }
}

/// Lets the engines interrupt (i915 `gen8_gt_irq_postinstall`).
pub(super) fn enable<P: Platform>(
    hw: &mut Hardware<P>,
    engines: &[Engine],
) -> Result<(), ProbeError> {
    for bank in 0..BANKS {
        let register = gt_bank(bank) + IIR;
        let value = hw.read(register);
        if value != 0 {
            return Err(ProbeError::StuckInterrupt { register, value });
        }
        let events = bank_events(engines, bank);
        hw.write(gt_bank(bank) + IER, events);
        hw.write(gt_bank(bank) + IMR, !events);
    }
    for engine in engines {
        unmask_engine(hw, engine.id);
    }
    hw.write(MASTER, MASTER_ENABLE);
    hw.read(MASTER);
    Ok(())
}

/// Unmasks the engine's events in its own mask, which an engine reset sets again. The bits are
/// those of the engine's bank.
pub(super) fn unmask_engine<P: Platform>(hw: &mut Hardware<P>, engine: EngineId) {
    hw.ring_write(engine, reg::IMR, !(ENGINE_EVENTS << engine.interrupt_shift()));
}

/// The handler (i915 `gen8_irq_handler`): off, clear the banks that have something, work, on
/// again. With the master bit set last, what arrives meanwhile interrupts again.
pub(super) fn handle<P: Platform>(hw: &mut Hardware<P>, engines: &mut [Engine]) {
    hw.write(MASTER, 0);
    let master = hw.read(MASTER) & !MASTER_ENABLE;
    let mut identity = [0; BANKS as usize];
    for (bank, latched) in (0..BANKS).zip(&mut identity) {
        let sources = engines.iter().filter(|engine| engine.id.interrupt_bank() == bank);
        if sources.fold(0, |bits, engine| bits | engine.id.master_bit()) & master == 0 {
            continue;
        }
        *latched = hw.read(gt_bank(bank) + IIR);
        hw.write(gt_bank(bank) + IIR, *latched);
    }
    for engine in engines {
        let latched = identity.get(engine.id.interrupt_bank() as usize).copied().unwrap_or(0);
        let events = latched >> engine.id.interrupt_shift() & 0xffff;
        if events & CS_ERROR != 0 {
            clear_error(hw, engine.id);
        }
        if events & CONTEXT_SWITCH != 0 {
            engine.process_status(hw);
        }
    }
    hw.write(MASTER, MASTER_ENABLE);
}

/// The parser met a command that it does not know. The engine stays there until hang detection
/// resets it.
fn clear_error<P: Platform>(hw: &mut Hardware<P>, engine: EngineId) {
    let error = hw.ring_read(engine, reg::EIR);
    let header = hw.ring_read(engine, reg::IPEHR);
    log::warn!("{}: command error, EIR {error:#x}, IPEHR {header:#010x}", engine.name());
    hw.ring_write(engine, reg::EIR, error);
}

fn bank_events(engines: &[Engine], bank: u32) -> u32 {
    engines
        .iter()
        .filter(|engine| engine.id.interrupt_bank() == bank)
        .fold(0, |bits, engine| bits | ENGINE_EVENTS << engine.id.interrupt_shift())
}
