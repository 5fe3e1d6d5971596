//! The command streamer: picks what to run, fetches, decodes, executes and moves on.

use gen8_spec::commands::length::command_dwords;
use gen8_spec::commands::mi::{self, semaphore, set_predicate};
use gen8_spec::context_image::control;
use gen8_spec::interrupts as irq;
use gen8_spec::mmio::ring as reg;
use ppgtt::VA_BITS;

use super::parser::{Level, Location};
use super::{Engine, FetchPage, Stop};
use crate::bus::{Bus, EngineActivity, StepReport};
use crate::commands;
use crate::event::Event;
use crate::guest_rule::GuestRule;

/// Bytes in a command dword.
const DWORD: u32 = 4;
/// Address bits of a batch.
const VA_MASK: u64 = (1 << VA_BITS) - 1;

/// A command about to be executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    /// First dword.
    pub(crate) header: u32,
    /// Length in dwords, header included.
    pub(crate) dwords: u32,
    location: Location,
}

impl Command {
    /// Address of the first dword.
    pub(crate) fn address(&self) -> u64 {
        self.location.address
    }
}

/// Where execution goes after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// On to the next command.
    Next,
    /// The handler has moved the parser.
    Jumped,
    /// On to the next command, which is an arbitration point.
    Arbitrate,
    /// Stay: the condition is not met. An arbitration point too.
    Wait,
    /// Stay: there is more of this command to do.
    Stay,
}

/// What one turn of the streamer did.
enum Turn {
    /// Executed a command.
    Command,
    /// Executed a part of a command.
    Part,
    /// Switched contexts.
    Switch,
    /// Nothing: a condition is not met, or the engine is stopped.
    Waiting,
    /// Nothing: there is no work.
    Idle,
}

impl Engine {
    /// Executes at most `budget` commands, fewer if they are long ones. Never blocks: a semaphore that
    /// fails its poll and an engine that a fault stopped end the slice.
    pub fn step(&mut self, budget: u32, bus: &mut Bus<'_>) -> StepReport {
        // The GGTT may have changed since the last slice.
        self.fetch_page = FetchPage::NONE;
        let before = self.parser.effects;
        let mut commands = 0;
        // A loop that does nothing is left at another place than the last time, also where a slice is
        // many whole rounds: software that looks for hangs watches the head move.
        let even = self.parser.is_spinning() && budget.is_multiple_of(2);
        let mut left = if bus.bus_master { budget.saturating_sub(u32::from(even)) } else { 0 };
        while left > 0 {
            left -= 1;
            match self.turn(bus) {
                Ok(Turn::Command) => commands += 1,
                Ok(Turn::Part) => {}
                Ok(Turn::Switch) => self.parser.effects += 1,
                Ok(Turn::Waiting | Turn::Idle) => break,
                Err(stop) => self.halt(stop, bus),
            }
            left = left.saturating_sub(core::mem::take(&mut self.spent));
        }
        let acted = self.parser.effects != before;
        StepReport { commands, state: self.activity_on(bus), acted }
    }

    /// An engine that may not reach memory waits, if it has anything to do.
    fn activity_on(&self, bus: &Bus<'_>) -> EngineActivity {
        match self.activity() {
            EngineActivity::Busy if !bus.bus_master => EngineActivity::Waiting,
            activity => activity,
        }
    }

    #[inline]
    fn turn(&mut self, bus: &mut Bus<'_>) -> Result<Turn, Stop> {
        if self.stop.is_some() {
            return Ok(Turn::Waiting);
        }
        if self.stop_ring {
            return Ok(Turn::Idle);
        }
        if self.execlists_mode && !self.execlists.is_running() {
            return self.start(bus);
        }
        if self.parser.level == Level::Ring {
            if self.ring.defect().is_some() {
                return self.unsound_ring(bus);
            }
            if self.ring.is_empty() {
                return self.ring_idle(bus);
            }
        }
        self.execute(bus)
    }

    /// Nothing runs: starts the pending list.
    fn start(&mut self, bus: &mut Bus<'_>) -> Result<Turn, Stop> {
        match self.execlists.start() {
            Some(transition) => {
                self.perform(transition, None, bus)?;
                Ok(Turn::Switch)
            }
            None => Ok(Turn::Idle),
        }
    }

    /// HEAD has reached TAIL.
    fn ring_idle(&mut self, bus: &mut Bus<'_>) -> Result<Turn, Stop> {
        if !self.execlists_mode {
            return Ok(Turn::Idle);
        }
        let leaving = self.execlists.current();
        match self.execlists.complete() {
            Some(transition) => {
                self.perform(transition, leaving, bus)?;
                Ok(Turn::Switch)
            }
            None => Ok(Turn::Idle),
        }
    }

    /// An arbitration point: takes a pending list if preemption is allowed here. The batches of a
    /// restore are not left, as the context is only half loaded.
    fn arbitrate(&mut self, bus: &mut Bus<'_>) -> Result<bool, Stop> {
        let allowed =
            self.execlists_mode && self.parser.arbitration && self.parser.level != Level::Restore;
        if !allowed || !self.execlists.has_pending() {
            return Ok(false);
        }
        let leaving = self.execlists.current();
        match self.execlists.arbitrate() {
            Some(transition) => {
                self.parser.waiting = false;
                self.perform(transition, leaving, bus)?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The ring registers contradict each other. A legacy ring does not run until software has put
    /// them right; a context that came so far had them changed by its own commands.
    #[cold]
    fn unsound_ring(&mut self, bus: &mut Bus<'_>) -> Result<Turn, Stop> {
        if !self.execlists_mode {
            return Ok(Turn::Idle);
        }
        if let Some(rule) = self.ring.defect() {
            self.tell(rule, self.ring.ctl().into(), bus);
        }
        Err(Stop::Context)
    }

    #[inline]
    fn execute(&mut self, bus: &mut Bus<'_>) -> Result<Turn, Stop> {
        if self.parser.level == Level::Restore && self.restore_batch_ended() {
            return Ok(Turn::Switch);
        }
        let location = self.parser.location(&self.ring, self.has_ppgtt());
        let header = self.fetch(location.space, location.address, bus)?;
        self.parser.header = header;
        let dwords = command_dwords(self.id, header).ok_or(Stop::Instruction)?;
        if self.parser.level == Level::Ring && self.ring.pending_bytes() < DWORD * dwords {
            return Ok(self.incomplete_command(bus));
        }
        if self.predication != set_predicate::NEVER && commands::is_passed_over(self, header, bus) {
            self.advance(dwords, bus);
            return Ok(Turn::Command);
        }
        match commands::execute(self, Command { header, dwords, location }, bus)? {
            Flow::Next => self.advance(dwords, bus),
            Flow::Jumped => {}
            Flow::Arbitrate => {
                self.advance(dwords, bus);
                self.arbitrate(bus)?;
            }
            Flow::Wait => return self.wait(bus),
            Flow::Stay => return Ok(Turn::Part),
        }
        self.parser.waiting = false;
        Ok(Turn::Command)
    }

    /// Whether the batch of a restore has reached its end; it is left then.
    fn restore_batch_ended(&mut self) -> bool {
        let ended = match self.parser.current_restore() {
            Some(batch) => batch.end.is_some_and(|end| batch.address >= end),
            None => true,
        };
        if ended {
            self.parser.end_restore();
        }
        ended
    }

    /// A semaphore failed its comparison: gives way to a pending list, lets itself be switched out
    /// unless CONTEXT_CONTROL inhibits that, or ends the slice.
    fn wait(&mut self, bus: &mut Bus<'_>) -> Result<Turn, Stop> {
        let first = !self.parser.waiting;
        self.parser.waiting = true;
        if self.arbitrate(bus)? {
            return Ok(Turn::Switch);
        }
        if self.leaves_when_waiting() {
            let polls = self.parser.header & semaphore::POLL != 0;
            let leaving = self.execlists.current();
            if let Some(transition) = self.execlists.wait(polls) {
                self.parser.waiting = false;
                self.perform(transition, leaving, bus)?;
                return Ok(Turn::Switch);
            }
        }
        if first {
            self.raise(irq::WAIT_SEMAPHORE, bus);
        }
        Ok(Turn::Waiting)
    }

    /// Whether a context that waits on a semaphore is switched out here.
    fn leaves_when_waiting(&self) -> bool {
        let inhibited =
            self.registers.get(reg::CONTEXT_CONTROL) & control::INHIBIT_SYNC_SWITCH != 0;
        let allowed = self.parser.arbitration && self.parser.level != Level::Restore;
        self.execlists_mode && allowed && !inhibited
    }

    /// A signal for `context` came. In legacy mode every context is meant.
    pub(crate) fn receive_signal(&mut self, context: u32) {
        if !self.execlists_mode || self.context_id() == context {
            self.parser.signalled = true;
        }
    }

    /// Software cancels the wait for a semaphore: the engine goes on past it.
    pub(super) fn cancel_wait(&mut self) {
        let at_semaphore = self.parser.waiting
            && self.parser.header >> 29 == 0
            && mi::opcode(self.parser.header) == mi::SEMAPHORE_WAIT;
        self.parser.cancelled |= at_semaphore;
    }

    /// TAIL cuts the command: the parser has to wait for the rest of it.
    #[cold]
    fn incomplete_command(&mut self, bus: &mut Bus<'_>) -> Turn {
        self.parser.waiting = true;
        if !self.parser.told_incomplete {
            self.parser.told_incomplete = true;
            self.tell(GuestRule::RingTailCutsCommand, self.ring.tail().into(), bus);
        }
        Turn::Waiting
    }

    /// The command takes as long as so many simple ones.
    pub(crate) fn spend(&mut self, commands: u32) {
        self.spent = self.spent.saturating_add(commands);
    }

    /// Moves past a command.
    #[inline]
    pub(crate) fn advance(&mut self, dwords: u32, bus: &mut Bus<'_>) {
        let bytes = DWORD * dwords;
        match self.parser.level {
            Level::Ring => {
                if self.ring.advance(bytes) {
                    self.report_head(bus);
                }
                self.parser.told_incomplete = false;
            }
            Level::Batch => step_address(&mut self.parser.batch.address, bytes),
            Level::Second => step_address(&mut self.parser.second.address, bytes),
            Level::Restore => {
                if let Some(batch) = self.parser.current_restore() {
                    step_address(&mut batch.address, bytes);
                }
            }
        }
    }

    /// Holds the engine at the command that it cannot execute.
    #[cold]
    fn halt(&mut self, stop: Stop, bus: &mut Bus<'_>) {
        self.stop = Some(stop);
        match stop {
            Stop::Instruction => {
                let (header, address) = (self.parser.header, self.active_head());
                let (engine, origin) = (self.id, self.origin());
                bus.events.emit(|| Event::InstructionError { engine, header, address, origin });
                let origin = if self.parser.level == Level::Ring { 0 } else { reg::IPEIR_BATCH };
                self.registers.set(reg::IPEIR, origin);
                self.raise_error(reg::EIR_INSTRUCTION, bus);
            }
            Stop::PageFault => self.raise(irq::PAGE_FAULT, bus),
            // No register tells of it: software sees an engine that makes no progress.
            Stop::Context => {}
        }
    }

    /// ACTHD: offset in the ring, or address in the batch.
    pub fn active_head(&self) -> u64 {
        match self.parser.level {
            Level::Ring => u64::from(self.ring.head_offset()),
            Level::Batch => self.parser.batch.address,
            Level::Second => self.parser.second.address,
            Level::Restore => self.parser.restore.iter().flatten().next().map_or(0, |b| b.address),
        }
    }

    /// Operand `n` of a command; the header is 0.
    #[inline]
    pub(crate) fn operand(
        &mut self,
        command: &Command,
        n: u32,
        bus: &mut Bus<'_>,
    ) -> Result<u32, Stop> {
        self.fetch(command.location.space, command.location.dword(n), bus)
    }

    /// The 64-bit address in operands `n` (low) and `n + 1`.
    #[inline]
    pub(crate) fn operand_address(
        &mut self,
        command: &Command,
        n: u32,
        bus: &mut Bus<'_>,
    ) -> Result<u64, Stop> {
        let low = self.operand(command, n, bus)?;
        let high = self.operand(command, n + 1, bus)?;
        Ok((u64::from(high) << 32 | u64::from(low)) & VA_MASK)
    }
}

#[inline]
fn step_address(address: &mut u64, bytes: u32) {
    *address = address.wrapping_add(u64::from(bytes)) & VA_MASK;
}
