//! The calls that a machine makes. Each of them is told to the device's journal, if it has one.
//! Those that come often look for it themselves: without one they cost a branch more.

use crate::bus::StepReport;
use crate::display::{Monitor, PlugError, Port};
use crate::gpu::{Gpu, GpuState};
use crate::journal::{Input, Output};
use crate::memory::GuestRam;
use crate::pci::{Bar, InterruptMessage};

impl Gpu {
    /// Gives the device other RAM, as a machine does whose memory map changes; the RAM that it had
    /// comes back.
    pub fn set_memory(&mut self, memory: GuestRam) -> GuestRam {
        let input = Input::SetMemory { ranges: memory.ranges() };
        self.told(&input, |_| Output::None, |gpu| gpu.put_journaled_memory(memory))
    }

    /// Tells where the machine put the stolen memory: 0 for nowhere, else a multiple of 1 MiB. A
    /// reset does not change it.
    pub fn place_stolen_memory(&mut self, base: u32) {
        let input = Input::PlaceStolenMemory { base };
        self.told(&input, |()| Output::None, |gpu| gpu.put_stolen_memory(base));
    }

    /// Reads `size` bytes (1, 2 or 4) of PCI configuration space.
    pub fn config_read(&mut self, offset: u16, size: u8) -> u32 {
        let read = |gpu: &mut Gpu| gpu.state.pci.read(offset, size);
        let output = |&value: &u32| Output::Value(value.into());
        self.told(&Input::ConfigRead { offset, size }, output, read)
    }

    /// Writes `size` bytes (1, 2 or 4) of PCI configuration space.
    pub fn config_write(&mut self, offset: u16, size: u8, value: u32) {
        let write = |gpu: &mut Gpu| gpu.state.pci.write(offset, size, value);
        self.told(&Input::ConfigWrite { offset, size, value }, |()| Output::None, write);
    }

    /// Reads `size` bytes (1, 2, 4 or 8) at `offset` of `bar`.
    ///
    /// Reads that nobody answers (decoding disabled, not in D0) give all ones, as on the bus.
    pub fn bar_read(&mut self, bar: Bar, offset: u64, size: u8) -> u64 {
        if self.has_journal() {
            let read = |gpu: &mut Gpu| gpu.read_bar(bar, offset, size);
            let output = |&value: &u64| Output::Value(value);
            return self.told(&Input::BarRead { bar, offset, size }, output, read);
        }
        self.read_bar(bar, offset, size)
    }

    /// Writes the low `size` bytes (1, 2, 4 or 8) of `value` at `offset` of `bar`.
    ///
    /// A write of fewer than four bytes keeps the others as they read; bits that clear by writing
    /// one are left alone outside the written bytes.
    pub fn bar_write(&mut self, bar: Bar, offset: u64, size: u8, value: u64) {
        if self.has_journal() {
            let write = |gpu: &mut Gpu| gpu.write_bar(bar, offset, size, value);
            let input = Input::BarWrite { bar, offset, size, value };
            return self.told(&input, |()| Output::None, write);
        }
        self.write_bar(bar, offset, size, value);
    }

    /// Sets device time; an earlier time than the last one changes nothing.
    pub fn advance_to(&mut self, now_ns: u64) {
        if self.has_journal() {
            let input = Input::AdvanceTo { now_ns };
            return self.told(&input, |()| Output::None, |gpu| gpu.pass_time(now_ns));
        }
        self.pass_time(now_ns);
    }

    /// Lets the engines run, `budget` commands at most in all. Each gets its share, and they take
    /// turns at being first, so that no engine waits for another's endless batch. Engines with work
    /// wait while bus mastering is off.
    pub fn step(&mut self, budget: u32) -> StepReport {
        if self.has_journal() {
            let output = |&report: &StepReport| Output::Step(report);
            return self.told(&Input::Step { budget }, output, |gpu| gpu.run_engines(budget));
        }
        self.run_engines(budget)
    }

    /// The next interrupt message, if there is one. Call it after accesses and steps, and deliver
    /// the message when the device is not locked.
    pub fn take_interrupt(&mut self) -> Option<InterruptMessage> {
        if !self.has_interrupt() {
            return None;
        }
        let output = |&message: &Option<InterruptMessage>| Output::Interrupt(message);
        self.told(&Input::TakeInterrupt, output, Gpu::take_message)
    }

    /// Connects a monitor to a port. Software hears of it by a pulse and an interrupt if it wants to, else it
    /// sees the port's level when it looks.
    ///
    /// # Errors
    ///
    /// There is no such port, or it has a monitor.
    pub fn plug(&mut self, port: Port, monitor: Monitor) -> Result<(), PlugError> {
        let input = Input::Plug { port, monitor: monitor.clone() };
        self.told(&input, plugged, |gpu| gpu.connect(port, monitor))
    }

    /// Takes the monitor of a port away, which software hears of as in [`Gpu::plug`].
    ///
    /// # Errors
    ///
    /// There is no such port, or it has no monitor.
    pub fn unplug(&mut self, port: Port) -> Result<(), PlugError> {
        self.told(&Input::Unplug { port }, plugged, |gpu| gpu.disconnect(port))
    }

    /// Function-level reset: everything is as after power-on, except guest memory, time, the monitors and
    /// the observer. An asserted INTx is taken back.
    pub fn reset(&mut self) {
        self.told(&Input::Reset, |()| Output::None, Gpu::reset_function);
    }

    /// Lets the device's journal know what `read` reads of guest memory, for those who look at it in a replay;
    /// the device itself is not concerned.
    pub fn note_reads<R>(&mut self, read: impl FnOnce(&GuestRam) -> R) -> R {
        self.told(&Input::Note, |_| Output::None, |gpu| read(&gpu.observed_memory))
    }

    /// Goes back to `state`, which must come from a GPU of the same configuration; guest memory is
    /// the caller's part. A journal ends with it.
    pub fn restore(&mut self, state: GpuState) {
        self.lose_journal("the device went back to an earlier state");
        self.go_back_to(state);
    }
}

fn plugged(result: &Result<(), PlugError>) -> Output {
    Output::Plugged(result.is_ok())
}
