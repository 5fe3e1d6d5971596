//! What an engine may touch outside itself, and what a slice of its work reports.

use gen8_spec::engine::EngineId;

use crate::config::GpuConfig;
use crate::event::{Event, EventSink};
use crate::fault::{FaultRegisters, GpuFault};
use crate::ggtt::Ggtt;
use crate::interrupts::Interrupts;
use crate::memory::GuestRam;
use crate::registers::RegisterFile;

/// The rest of the device, as an engine sees it during one access or one slice.
pub struct Bus<'a> {
    /// Guest memory.
    pub memory: &'a GuestRam,
    /// Guest memory for what is read to tell observers something: no access of the device.
    pub observed_memory: &'a GuestRam,
    /// The global GTT.
    pub ggtt: &'a mut Ggtt,
    /// Interrupt banks.
    pub interrupts: &'a mut Interrupts,
    /// Fault registers.
    pub faults: &'a mut FaultRegisters,
    /// Registers of the device that are plain storage and belong to no engine (workarounds, MMU,
    /// pipeline statistics), for commands that load and store registers.
    pub registers: &'a mut RegisterFile,
    /// Signals that engines sent and that are not delivered yet.
    pub signals: &'a mut Vec<SemaphoreSignal>,
    /// Where events go.
    pub events: &'a mut EventSink,
    /// Device time in nanoseconds.
    pub now_ns: u64,
    /// PCI command register, bus master enable. When false the engine must not reach memory.
    pub bus_master: bool,
    /// What kind of GPU this is.
    pub config: &'a GpuConfig,
}

impl Bus<'_> {
    /// Latches `fault` in the fault registers (the first one wins) and tells the observer.
    pub fn fault(&mut self, fault: GpuFault) {
        self.faults.latch(fault);
        self.events.emit(|| Event::Fault(fault));
    }
}

/// MI_SEMAPHORE_SIGNAL on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SemaphoreSignal {
    /// Engine whose waiter is meant.
    pub target: EngineId,
    /// Id of the context that waits.
    pub context: u32,
}

/// What an engine was doing when its slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineActivity {
    /// Nothing to do until the guest submits.
    Idle,
    /// Work that goes on only when memory changes (a semaphore, a loop that does nothing else), or
    /// that a fault or an error stopped.
    Waiting,
    /// Commands left to run.
    Busy,
}

/// The outcome of a slice of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// Commands executed.
    pub commands: u32,
    /// What is left; for the whole GPU the busiest engine counts.
    pub state: EngineActivity,
    /// Something was done that somebody may wait for.
    pub acted: bool,
}

impl StepReport {
    /// Nothing done, nothing to do.
    pub const IDLE: StepReport =
        StepReport { commands: 0, state: EngineActivity::Idle, acted: false };

    /// Adds another engine's report.
    pub fn join(self, other: StepReport) -> StepReport {
        StepReport {
            commands: self.commands.saturating_add(other.commands),
            state: self.state.max(other.state),
            acted: self.acted || other.acted,
        }
    }
}
