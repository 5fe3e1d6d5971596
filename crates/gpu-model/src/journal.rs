//! Everything that goes into the device, for those who keep it.
//!
//! A device with a [`Journal`] tells it every call of [`Gpu`]'s interface that may change the device, what
//! the call gave, and what the device found in guest memory that it had neither written nor found there before.
//! That is all that the device depends on: a [`Player`] that makes the same calls with
//! the same memory is the same device, bit by bit.

use crate::bus::StepReport;
use crate::display::{Monitor, Port};
use crate::gpu::Gpu;
use crate::memory::{GuestRam, MemoryChange, MemoryChanges, RamRange};
use crate::pci::{Bar, InterruptMessage};

mod player;

pub use player::{PlayError, Player};

/// A call of the device's interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// [`Gpu::config_read`].
    ConfigRead {
        /// Offset in configuration space.
        offset: u16,
        /// Bytes.
        size: u8,
    },
    /// [`Gpu::config_write`].
    ConfigWrite {
        /// Offset in configuration space.
        offset: u16,
        /// Bytes.
        size: u8,
        /// What is written.
        value: u32,
    },
    /// [`Gpu::bar_read`].
    BarRead {
        /// The BAR.
        bar: Bar,
        /// Offset in it.
        offset: u64,
        /// Bytes.
        size: u8,
    },
    /// [`Gpu::bar_write`].
    BarWrite {
        /// The BAR.
        bar: Bar,
        /// Offset in it.
        offset: u64,
        /// Bytes.
        size: u8,
        /// What is written.
        value: u64,
    },
    /// [`Gpu::advance_to`].
    AdvanceTo {
        /// Device time in nanoseconds.
        now_ns: u64,
    },
    /// [`Gpu::step`].
    Step {
        /// Most commands.
        budget: u32,
    },
    /// [`Gpu::take_interrupt`], if there was a message.
    TakeInterrupt,
    /// [`Gpu::reset`].
    Reset,
    /// [`Gpu::plug`].
    Plug {
        /// Where.
        port: Port,
        /// What.
        monitor: Monitor,
    },
    /// [`Gpu::unplug`].
    Unplug {
        /// Where.
        port: Port,
    },
    /// [`Gpu::place_stolen_memory`].
    PlaceStolenMemory {
        /// Where, as BDSM tells it.
        base: u32,
    },
    /// [`Gpu::set_memory`]: where RAM is from now on. Told as the first of all as well.
    SetMemory {
        /// By address, none overlapping.
        ranges: Vec<RamRange>,
    },
    /// [`Gpu::note_reads`]: nothing but changes of memory.
    Note,
}

/// What a call gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nothing.
    None,
    /// What was read.
    Value(u64),
    /// What the engines did.
    Step(StepReport),
    /// The message that was taken.
    Interrupt(Option<InterruptMessage>),
    /// Whether a monitor was connected or taken away.
    Plugged(bool),
}

/// Keeps what goes into the device. It is called with the device borrowed.
pub trait Journal: Send {
    /// A call begins. One that never ends is one in which the device panicked.
    fn begin(&mut self, input: &Input);

    /// What the device found in memory during this call, in order.
    fn memory(&mut self, changes: &[MemoryChange]);

    /// The call ended. Returns whether the journal wants the device's state hash now.
    fn end(&mut self, output: Output) -> bool;

    /// The device's state after the call that ended ([`Gpu::state_hash`]).
    fn state_hash(&mut self, hash: u64);

    /// What goes into the device can no longer be told, for this reason; this is the last call.
    fn lost(&mut self, why: &str);
}

/// A journal, and what a device needs to tell it.
pub(crate) struct Recording {
    journal: Box<dyn Journal>,
    changes: MemoryChanges,
    /// Of one call; empty between calls.
    found: Vec<MemoryChange>,
}

impl core::fmt::Debug for Recording {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Recording").field("changes", &self.changes).finish_non_exhaustive()
    }
}

impl Recording {
    fn end(&mut self, output: Output) -> bool {
        self.changes.take(&mut self.found);
        if !self.found.is_empty() {
            self.journal.memory(&self.found);
            self.found.clear();
        }
        self.journal.end(output)
    }
}

impl Gpu {
    /// Gives the device a journal, or takes it away. The device must be as after power-on, for what it holds
    /// is not told; only where its memory is, as the first input. A device that does not tell ([`crate::TELLS`])
    /// has lost its journal at once.
    pub fn set_journal(&mut self, journal: Option<Box<dyn Journal>>) {
        self.recording = None;
        self.put_memory(self.open_memory.clone());
        if let Some(mut journal) = journal {
            if !crate::TELLS {
                return journal.lost("this build of the device tells nobody what goes into it");
            }
            let changes = MemoryChanges::default();
            self.recording = Some(Box::new(Recording { journal, changes, found: Vec::new() }));
            self.set_memory(self.open_memory.clone());
        }
    }

    /// As [`Gpu::put_memory`], and follows the device's accesses if there is a journal.
    pub(crate) fn put_journaled_memory(&mut self, memory: GuestRam) -> GuestRam {
        let recorded = self.recording.as_ref().map(|it| memory.recorded(&self.memory, &it.changes));
        match recorded {
            None => self.put_memory(memory),
            Some(Ok(recorded)) => self.put_memory(recorded),
            Some(Err(error)) => {
                self.lose_journal(&error.to_string());
                self.put_memory(memory)
            }
        }
    }

    /// Ends the journal.
    pub(crate) fn lose_journal(&mut self, why: &str) {
        if let Some(mut recording) = self.recording.take() {
            recording.journal.lost(why);
            self.put_memory(self.open_memory.clone());
        }
    }

    /// Whether there is a journal to be told of calls.
    #[inline]
    pub(crate) fn has_journal(&self) -> bool {
        crate::TELLS && self.recording.is_some()
    }

    /// Does `work`, and tells the journal of it, if there is one.
    #[cold]
    #[inline(never)]
    pub(crate) fn told<R>(
        &mut self,
        input: &Input,
        output: impl FnOnce(&R) -> Output,
        work: impl FnOnce(&mut Gpu) -> R,
    ) -> R {
        if let Some(recording) = &mut self.recording {
            recording.journal.begin(input);
        }
        let result = work(self);
        self.end_input(output(&result));
        result
    }

    fn end_input(&mut self, output: Output) {
        // Not if the journal was lost meanwhile.
        let Some(recording) = &mut self.recording else { return };
        if recording.end(output) {
            let hash = self.state_hash();
            if let Some(recording) = &mut self.recording {
                recording.journal.state_hash(hash);
            }
        }
    }
}

#[cfg(test)]
mod tests;
