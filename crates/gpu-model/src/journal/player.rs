//! The device once more, from what went into it.

use thiserror::Error;

use super::{Input, Output};
use crate::config::GpuConfig;
use crate::gpu::Gpu;
use crate::memory::{GuestRam, MemoryChange, MemoryChanges, MemoryError, RamRange};

/// An input cannot be played.
#[derive(Debug, Error)]
pub enum PlayError {
    /// The host has no memory for the guest's.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The device's accesses to memory are others than those of the recording.
    #[error(
        "the device made {accesses} memory accesses, and {left} changes of memory were for later ones"
    )]
    Accesses {
        /// Accesses that the device made.
        accesses: u64,
        /// Changes that were not made.
        left: usize,
    },
}

/// A device that is given what went into another one, with guest memory as that one saw it.
#[derive(Debug)]
pub struct Player {
    gpu: Gpu,
    changes: MemoryChanges,
}

impl Player {
    /// A device as the other was after power-on. It has no RAM until an [`Input::SetMemory`] gives it some.
    pub fn new(config: GpuConfig) -> Player {
        let gpu = Gpu::new(config, GuestRam::empty());
        Player { gpu, changes: MemoryChanges::default() }
    }

    /// The device, for questions.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The device, for observers to be set, and for questions that change it: what is asked of it besides must
    /// be asked of a copy ([`Gpu::copy_without_ggtt`]).
    pub fn gpu_mut(&mut self) -> &mut Gpu {
        &mut self.gpu
    }

    /// The device, for good.
    pub fn into_gpu(self) -> Gpu {
        self.gpu
    }

    /// Makes a call, in which the device finds these changes in memory; gives its result.
    ///
    /// # Errors
    ///
    /// There is no memory for the guest's, or the device does not access memory as the other did. It is of
    /// no further use then.
    pub fn play(&mut self, input: &Input, changes: &[MemoryChange]) -> Result<Output, PlayError> {
        self.changes.feed(changes);
        let output = self.call(input)?;
        // What an observer read behind the call's last access.
        self.gpu.observed_memory.catch_up();
        match self.changes.left() {
            0 => Ok(output),
            left => Err(PlayError::Accesses { accesses: self.changes.accesses(), left }),
        }
    }

    fn call(&mut self, input: &Input) -> Result<Output, PlayError> {
        let gpu = &mut self.gpu;
        match *input {
            Input::ConfigRead { offset, size } => {
                return Ok(Output::Value(gpu.config_read(offset, size).into()));
            }
            Input::ConfigWrite { offset, size, value } => gpu.config_write(offset, size, value),
            Input::BarRead { bar, offset, size } => {
                return Ok(Output::Value(gpu.bar_read(bar, offset, size)));
            }
            Input::BarWrite { bar, offset, size, value } => gpu.bar_write(bar, offset, size, value),
            Input::AdvanceTo { now_ns } => gpu.advance_to(now_ns),
            Input::Step { budget } => return Ok(Output::Step(gpu.step(budget))),
            Input::TakeInterrupt => return Ok(Output::Interrupt(gpu.take_interrupt())),
            Input::Reset => gpu.reset(),
            Input::Plug { port, ref monitor } => {
                return Ok(Output::Plugged(gpu.plug(port, monitor.clone()).is_ok()));
            }
            Input::Unplug { port } => return Ok(Output::Plugged(gpu.unplug(port).is_ok())),
            Input::PlaceStolenMemory { base } => gpu.place_stolen_memory(base),
            Input::SetMemory { ref ranges } => self.set_memory(ranges)?,
            // Its changes are all that there is.
            Input::Note => {}
        }
        Ok(Output::None)
    }

    fn set_memory(&mut self, ranges: &[RamRange]) -> Result<(), MemoryError> {
        let memory = GuestRam::replayed(ranges, &self.gpu.memory, &self.changes)?;
        self.gpu.put_memory(memory);
        Ok(())
    }
}
