//! The device run from a recording.

use core::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use gpu_model::Gpu;
use gpu_model::journal::{Input, Output, PlayError, Player};
use gpu_model::memory::MemoryChange;
use thiserror::Error;

use crate::decode::{Entry, Record};
use crate::error::{Offset, ReadError};
use crate::file;
use crate::reader::{Limits, Reader, Summary};

/// How far a replay goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// After so many inputs.
    Input(u64),
    /// Before the input that takes device time beyond this, in nanoseconds.
    Time(u64),
    /// To the end.
    End,
}

/// A replay cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The device is not the one that was recorded any more.
    #[error(transparent)]
    Differs(Box<Difference>),
    /// The device panicked at its last input when it was recorded; it did not now.
    #[error("at {0}: the recorded device did not come back from this call, and this one did")]
    CameBack(Offset),
}

/// Where a replay and its recording part.
#[derive(Debug)]
pub struct Difference {
    /// Where in the file.
    pub offset: Offset,
    /// Number of the input, from 1 on.
    pub input: u64,
    /// Device time, nanoseconds.
    pub now_ns: u64,
    /// The call.
    pub call: Input,
    /// What differs.
    pub what: Differs,
}

/// What differs.
#[derive(Debug)]
#[non_exhaustive]
pub enum Differs {
    /// The call's result.
    Output {
        /// In the recording.
        recorded: Output,
        /// Now.
        replayed: Output,
    },
    /// The state hash after it.
    State {
        /// In the recording.
        recorded: u64,
        /// Now.
        replayed: u64,
    },
    /// The call's accesses to memory, or there is no memory for it.
    Play(PlayError),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { offset, input, now_ns, call, what } = self;
        write!(f, "at {offset}: input {input} ({call:x?}) at {now_ns} ns ")?;
        match what {
            Differs::Output { recorded, replayed } => {
                write!(f, "gave {recorded:x?} when recorded and gives {replayed:x?} now")
            }
            Differs::State { recorded, replayed } => {
                write!(f, "left state {recorded:016x} when recorded and leaves {replayed:016x} now")
            }
            Differs::Play(error) => write!(f, "cannot be replayed: {error}"),
        }
    }
}

impl core::error::Error for Difference {}

/// A device that is run from a recording.
#[derive(Debug)]
pub struct Replay<R> {
    reader: Reader<R>,
    player: Player,
    summary: Summary,
    /// A call that was read and is not made yet: it lies beyond where the replay was to stop.
    next: Option<Call>,
    /// A record behind a call, which was read to know where the call ends.
    peeked: Option<Entry>,
    /// The last input.
    last: Option<Input>,
    inputs: u64,
    state_hashes: u64,
    /// State hashes mean the same as when they were recorded.
    compares_states: bool,
}

/// A call, with all that belongs to it.
#[derive(Debug)]
struct Call {
    offset: Offset,
    input: Input,
    /// What it finds in memory.
    changes: Vec<MemoryChange>,
    output: Output,
    /// The recorded device did not come back from it.
    unfinished: bool,
}

/// Hears of the notes in a recording ([`Replay::run`]): the device as it is then, kind and content.
pub type Marks<'a> = &'a mut dyn FnMut(&Gpu, &str, &[u8]);

impl Replay<BufReader<File>> {
    /// Opens a recording, which is read to its end first: nothing is executed of one that is not whole.
    ///
    /// # Errors
    ///
    /// It cannot be read, or not all of it.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, ReadError> {
        let error = |source| ReadError::Io { offset: Offset::default(), source };
        Replay::new(BufReader::new(file::open(path).map_err(error)?), limits)
    }
}

impl<R: Read + Seek> Replay<R> {
    /// As [`Replay::open`], of anything that gives bytes and can be read again.
    ///
    /// # Errors
    ///
    /// It cannot be read, or not all of it.
    pub fn new(mut from: R, limits: Limits) -> Result<Self, ReadError> {
        let error = |source| ReadError::Io { offset: Offset::default(), source };
        let summary = Reader::new(&mut from, limits)?.summary()?;
        from.rewind().map_err(error)?;
        let reader = Reader::new(from, limits)?;
        let player = Player::new(reader.config().clone());
        let compares_states = reader.header().is_of_this_build();
        Ok(Replay {
            reader,
            player,
            summary,
            next: None,
            peeked: None,
            last: None,
            inputs: 0,
            state_hashes: 0,
            compares_states,
        })
    }
}

impl<R: Read> Replay<R> {
    /// What is in the recording.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What the recording says of itself.
    pub fn header(&self) -> &crate::Header {
        self.reader.header()
    }

    /// The device as it is now.
    pub fn gpu(&self) -> &Gpu {
        self.player.gpu()
    }

    /// The device, to set its observer. What changes it makes the replay differ.
    pub fn gpu_mut(&mut self) -> &mut Gpu {
        self.player.gpu_mut()
    }

    /// The device, to be looked at from now on; the replay is over.
    pub fn into_gpu(self) -> Gpu {
        self.player.into_gpu()
    }

    /// Inputs that were made.
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// State hashes that were compared: none if the recording is another build's
    /// ([`crate::Header::is_of_this_build`]). Results are compared in any case.
    pub fn state_hashes(&self) -> u64 {
        self.state_hashes
    }

    /// Goes forward to `position`, or to the end if that comes first; whether there is more. Every result and every state hash
    /// on the way is compared.
    ///
    /// # Errors
    ///
    /// The device differs from the recorded one, or the file changed since it was opened.
    pub fn run_to(&mut self, position: Position) -> Result<bool, ReplayError> {
        self.run(position, &mut |_, _, _| {})
    }

    /// As [`Replay::run_to`], and tells `marks` what was noted on the way.
    ///
    /// # Errors
    ///
    /// As [`Replay::run_to`].
    pub fn run(&mut self, position: Position, marks: Marks<'_>) -> Result<bool, ReplayError> {
        loop {
            let Some(call) = self.next_call(marks)? else { return Ok(false) };
            if self.is_beyond(position, &call.input) {
                self.next = Some(call);
                return Ok(true);
            }
            self.play(call)?;
        }
    }

    fn is_beyond(&self, position: Position, input: &Input) -> bool {
        match (position, input) {
            (Position::Input(count), _) => self.inputs >= count,
            (Position::Time(limit), &Input::AdvanceTo { now_ns }) => now_ns > limit,
            (Position::Time(_) | Position::End, _) => false,
        }
    }

    /// Reads the next call, and compares state hashes on the way.
    fn next_call(&mut self, marks: Marks<'_>) -> Result<Option<Call>, ReplayError> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        while let Some(entry) = self.next_entry()? {
            match entry.record {
                Record::Input(input) => return self.rest_of_call(entry.offset, input),
                Record::StateHash(recorded) => self.compare_state(entry.offset, recorded)?,
                Record::Mark { kind, content } => marks(self.gpu(), &kind, &content),
                // The reader gives these behind a call only.
                Record::Memory(_) | Record::Output(_) | Record::Unfinished => {}
            }
        }
        Ok(None)
    }

    /// Reads what belongs to a call.
    fn rest_of_call(&mut self, offset: Offset, input: Input) -> Result<Option<Call>, ReplayError> {
        let (changes, output) = (Vec::new(), Output::None);
        let mut call = Call { offset, input, changes, output, unfinished: false };
        while let Some(entry) = self.next_entry()? {
            match entry.record {
                Record::Memory(change) => {
                    call.changes.push(change);
                    continue;
                }
                Record::Output(output) => call.output = output,
                Record::Unfinished => call.unfinished = true,
                _ => self.peeked = Some(entry),
            }
            return Ok(Some(call));
        }
        Ok(Some(call).filter(|_| !self.reader.lacks_the_rest()))
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        match self.peeked.take() {
            Some(entry) => Ok(Some(entry)),
            None => self.reader.next(),
        }
    }

    fn play(&mut self, call: Call) -> Result<(), ReplayError> {
        let Call { offset, input, changes, output: recorded, unfinished } = call;
        let played = self.player.play(&input, &changes);
        self.inputs += 1;
        match played {
            // Most likely it did not come back this time either.
            Ok(_) if unfinished => Err(ReplayError::CameBack(offset)),
            Ok(replayed) if replayed == recorded => {
                self.last = Some(input);
                Ok(())
            }
            Ok(replayed) => {
                Err(self.differs(offset, input, Differs::Output { recorded, replayed }))
            }
            Err(error) => Err(self.differs(offset, input, Differs::Play(error))),
        }
    }

    fn compare_state(&mut self, offset: Offset, recorded: u64) -> Result<(), ReplayError> {
        if !self.compares_states {
            return Ok(());
        }
        self.state_hashes += 1;
        let replayed = self.gpu().state_hash();
        match self.last.clone() {
            Some(last) if replayed != recorded => {
                Err(self.differs(offset, last, Differs::State { recorded, replayed }))
            }
            _ => Ok(()),
        }
    }

    fn differs(&self, offset: Offset, call: Input, what: Differs) -> ReplayError {
        let (input, now_ns) = (self.inputs, self.gpu().now_ns());
        ReplayError::Differs(Box::new(Difference { offset, input, now_ns, call, what }))
    }
}
