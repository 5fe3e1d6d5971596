//! Where the command streamer is: in the ring, in a batch, in a second-level batch, or in one of
//! the batches that a context restore runs.

use gen8_spec::mmio::ring as reg;

use super::ring::Ring;
use super::translate::Space;
use crate::commands::blitter::Blit;

/// Bytes in a command dword.
const DWORD: u64 = 4;

/// Nesting of the command streamer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    /// The ring itself.
    Ring,
    /// A batch started from the ring.
    Batch,
    /// A batch started from a batch, to which it returns.
    Second,
    /// The indirect-context or per-context batch of a restore; in the GGTT, privileged.
    Restore,
}

/// A batch: the next command, and how it is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Batch {
    /// Address of the next command.
    pub(crate) address: u64,
    /// Started with the PPGTT bit: in the PPGTT if there is one, and not privileged.
    pub(crate) user: bool,
    /// The streamer is in it, or will return to it.
    pub(crate) valid: bool,
}

impl Batch {
    /// From the BBADDR and BBSTATE values of a context image.
    pub(crate) fn from_registers(address: u64, state: u32) -> Batch {
        Batch {
            address: address & !(DWORD - 1),
            user: state & reg::BBSTATE_PPGTT != 0,
            valid: address & u64::from(reg::BBADDR_VALID) != 0,
        }
    }

    /// BBADDR, both halves.
    pub(crate) fn address_register(&self) -> u64 {
        if self.valid { self.address | u64::from(reg::BBADDR_VALID) } else { 0 }
    }

    /// BBSTATE.
    pub(crate) fn state_register(&self) -> u32 {
        if self.user { reg::BBSTATE_PPGTT } else { 0 }
    }
}

/// One of the batches that a context restore runs (PRM Vol 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RestoreBatch {
    /// GGTT address of the next command.
    pub(crate) address: u64,
    /// First address that is not executed: the indirect-context batch ends by count, the
    /// per-context batch by MI_BATCH_BUFFER_END.
    pub(crate) end: Option<u64>,
}

/// Where a command lies.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Location {
    /// Address space of the command.
    pub(crate) space: Space,
    /// Address of its header.
    pub(crate) address: u64,
    /// End of the ring, where addresses wrap; none in a batch.
    end: u64,
    /// Bytes to go back at the end.
    wrap: u64,
}

impl Location {
    /// Address of dword `n` of the command.
    #[inline]
    pub(crate) fn dword(&self, n: u32) -> u64 {
        let address = self.address.wrapping_add(DWORD * u64::from(n));
        if address >= self.end { address.wrapping_sub(self.wrap) } else { address }
    }
}

/// Parser state of one engine.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Parser {
    pub(crate) level: Level,
    pub(crate) batch: Batch,
    pub(crate) second: Batch,
    /// Indirect-context batch, then per-context batch.
    pub(crate) restore: [Option<RestoreBatch>; 2],
    /// MI_ARB_ON_OFF: preemption is allowed.
    pub(crate) arbitration: bool,
    /// The command is a semaphore that failed its poll.
    pub(crate) waiting: bool,
    /// A signal came since the semaphore failed.
    pub(crate) signalled: bool,
    /// Software cancelled the wait.
    pub(crate) cancelled: bool,
    /// Where the streamer jumped last, and [`Parser::effects`] then.
    last_jump: (u64, u64),
    /// The last jump came round a loop in which nothing was done.
    round: bool,
    /// Counts what was done that somebody may wait for: commands with an effect, context switches.
    pub(crate) effects: u64,
    /// The observer was told that TAIL cuts the command at HEAD.
    pub(crate) told_incomplete: bool,
    /// Header of the current or last command.
    pub(crate) header: u32,
    /// The command is a blit that is not done.
    pub(crate) blit: Option<Box<Blit>>,
}

impl Parser {
    /// In the ring, arbitration on.
    pub(crate) fn new() -> Parser {
        Parser {
            level: Level::Ring,
            batch: Batch::default(),
            second: Batch::default(),
            restore: [None, None],
            arbitration: true,
            waiting: false,
            signalled: false,
            cancelled: false,
            last_jump: (0, 0),
            round: false,
            effects: 0,
            told_incomplete: false,
            header: 0,
            blit: None,
        }
    }

    /// Continues where a context image says.
    pub(crate) fn resume(&mut self, batch: Batch, second: Batch) {
        let Parser { header, effects, .. } = *self;
        *self = Parser { batch, second, header, effects, ..Parser::new() };
        self.level = self.saved_level();
    }

    /// Notes a jump to `target`.
    pub(crate) fn note_jump(&mut self, target: u64) {
        let jump = (target, self.effects);
        self.round = self.last_jump == jump;
        self.last_jump = jump;
    }

    /// Whether the streamer goes round a loop that does nothing: only a write to memory, or software,
    /// can end it.
    pub(crate) fn is_spinning(&self) -> bool {
        self.round && self.last_jump.1 == self.effects
    }

    /// Level outside the batches of a restore.
    pub(crate) fn saved_level(&self) -> Level {
        if self.second.valid {
            Level::Second
        } else if self.batch.valid {
            Level::Batch
        } else {
            Level::Ring
        }
    }

    /// The batch of a restore that is being run.
    pub(crate) fn current_restore(&mut self) -> Option<&mut RestoreBatch> {
        self.restore.iter_mut().flatten().next()
    }

    /// Ends the batch of a restore that is being run; the next one, or the context, follows.
    pub(crate) fn end_restore(&mut self) {
        if let Some(done) = self.restore.iter_mut().find(|batch| batch.is_some()) {
            *done = None;
        }
        self.enter();
    }

    /// Chooses the level: batches of a restore come first.
    pub(crate) fn enter(&mut self) {
        let restoring = self.restore.iter().any(Option::is_some);
        self.level = if restoring { Level::Restore } else { self.saved_level() };
    }

    /// Whether commands here may do everything.
    pub(crate) fn is_privileged(&self) -> bool {
        match self.level {
            Level::Ring | Level::Restore => true,
            Level::Batch => !self.batch.user,
            Level::Second => !self.second.user,
        }
    }

    /// Where the next command lies. `ppgtt`: whether the context has page tables of its own.
    #[inline]
    pub(crate) fn location(&self, ring: &Ring, ppgtt: bool) -> Location {
        match self.level {
            Level::Ring => {
                let end = ring.address(ring.size());
                Location {
                    space: Space::Ggtt,
                    address: ring.address(ring.head_offset()),
                    end,
                    wrap: u64::from(ring.size()),
                }
            }
            Level::Batch => in_batch(self.batch, ppgtt),
            Level::Second => in_batch(self.second, ppgtt),
            Level::Restore => {
                let address = self.restore.iter().flatten().next().map_or(0, |batch| batch.address);
                Location { space: Space::Ggtt, address, end: u64::MAX, wrap: 0 }
            }
        }
    }
}

#[inline]
fn in_batch(batch: Batch, ppgtt: bool) -> Location {
    let space = if batch.user && ppgtt { Space::Ppgtt } else { Space::Ggtt };
    Location { space, address: batch.address, end: u64::MAX, wrap: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_at_the_end_of_the_ring_continues_at_its_start() {
        let ring = Ring::new(0xff8, 0x10, 0x10_0000, reg::CTL_VALID);
        let at = Parser::new().location(&ring, true);
        assert_eq!((at.dword(1), at.dword(2)), (0x10_0ffc, 0x10_0000));
    }

    #[test]
    fn user_batch_is_in_the_ppgtt_only_if_there_is_one() {
        let mut parser = Parser::new();
        parser.resume(Batch { address: 0x1000, user: true, valid: true }, Batch::default());
        assert_eq!(parser.level, Level::Batch);
        assert!(!parser.is_privileged());
        assert_eq!(parser.location(&Ring::default(), true).space, Space::Ppgtt);
        assert_eq!(parser.location(&Ring::default(), false).space, Space::Ggtt);
    }

    #[test]
    fn restore_batches_run_before_the_context_resumes() {
        let mut parser = Parser::new();
        parser.resume(Batch { address: 0x1000, user: false, valid: true }, Batch::default());
        parser.restore = [
            Some(RestoreBatch { address: 0x40, end: Some(0x80) }),
            Some(RestoreBatch { address: 0x2000, end: None }),
        ];
        parser.enter();
        assert_eq!(parser.level, Level::Restore);
        parser.end_restore();
        assert_eq!(parser.current_restore().map(|batch| batch.address), Some(0x2000));
        parser.end_restore();
        assert_eq!(parser.level, Level::Batch);
    }

    #[test]
    fn batch_registers_round_trip() {
        let batch = Batch { address: 0x1234_5678_9abc, user: true, valid: true };
        assert_eq!(Batch::from_registers(batch.address_register(), batch.state_register()), batch);
        assert_eq!(Batch::default().address_register(), 0);
    }
}
