//! An engine: ring registers, execlists or legacy ring submission, and a command streamer.

use gen8_spec::engine::EngineId;

use crate::bus::{Bus, StepReport};
use crate::config::GpuConfig;
use crate::tlb::Tlb;

/// One engine. It runs only in [`Engine::step`]; register accesses change its state and return.
#[derive(Clone, Debug)]
pub struct Engine {
    id: EngineId,
    tlb: Tlb,
}

impl Engine {
    /// An engine after reset.
    pub fn new(id: EngineId, config: &GpuConfig) -> Engine {
        Engine { id, tlb: Tlb::new(config.mutations.tlb_never_invalidates) }
    }

    /// Which engine this is.
    pub fn id(&self) -> EngineId {
        self.id
    }

    /// Reads the register at `offset` from the engine's base; `None` if there is none.
    pub fn read(&mut self, _offset: u32, _bus: &mut Bus<'_>) -> Option<u32> {
        None
    }

    /// Writes the register at `offset` from the engine's base; `false` if there is none.
    pub fn write(&mut self, _offset: u32, _value: u32, _bus: &mut Bus<'_>) -> bool {
        false
    }

    /// Executes at most `budget` commands. Never blocks.
    pub fn step(&mut self, _budget: u32, _bus: &mut Bus<'_>) -> StepReport {
        StepReport::IDLE
    }

    /// Domain reset by GDRST.
    pub fn reset(&mut self) {
        self.tlb.invalidate();
    }

    /// Write to this engine's TLB-invalidate register (RTCR, BTCR, M1TCR, M2TCR, VTCR).
    pub fn invalidate_tlb(&mut self) {
        self.tlb.invalidate();
    }

    /// RESET_CTL's ready bit: software requested a reset of this engine.
    pub fn reset_ready(&self) -> bool {
        false
    }
}
