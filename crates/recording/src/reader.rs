//! Recordings from files: blocks, records, and whether all of it is whole.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use gpu_model::GpuConfig;
use gpu_model::journal::Input;

use crate::block::{Base, Block, HEAD, Head, Kind};
use crate::bytes::Bytes;
use crate::decode::{Entry, Record, record};
use crate::encode::Cursor;
use crate::error::{Offset, ReadError, Wrong};
use crate::file;
use crate::header::{Header, fill};
use crate::writer::Ending;

/// Most changes of memory that one input may find: 64 MiB.
pub(crate) const MOST_CHANGES: usize = 1 << 20;

/// What is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of guest memory. They cost the host memory as the device uses them.
    pub ram: u64,
    /// A recording that is cut off is read up to there.
    pub partial: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { ram: 16 << 30, partial: false }
    }
}

/// How a recording ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// With the device.
    Complete,
    /// Before the device did, for this reason.
    Lost(String),
    /// It is cut off here ([`Limits::partial`]).
    Cut(Offset),
}

/// What is in a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Inputs.
    pub inputs: u64,
    /// Device time of the last, nanoseconds.
    pub now_ns: u64,
    /// State hashes.
    pub state_hashes: u64,
    /// Changes of memory.
    pub memory_changes: u64,
    /// Marks.
    pub marks: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// How it ends.
    pub end: End,
}

/// Reads records one after the other.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    header: Header,
    config: GpuConfig,
    limits: Limits,
    /// Bytes of the file that were read.
    at: u64,
    /// Where the block begins.
    block_at: u64,
    block: Block,
    taken: usize,
    cursor: Cursor,
    inputs: u64,
    /// What comes next may belong to a call.
    in_call: bool,
    /// Changes since the last input.
    changes: usize,
    end: Option<End>,
}

impl Reader<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or does not begin as a recording does.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, ReadError> {
        let error = |source| ReadError::Io { offset: Offset::default(), source };
        Reader::new(BufReader::new(file::open(path).map_err(error)?), limits)
    }
}

impl<R: Read> Reader<R> {
    /// Reads a recording from its beginning.
    ///
    /// # Errors
    ///
    /// It cannot be read, or does not begin as a recording does.
    pub fn new(mut from: R, limits: Limits) -> Result<Self, ReadError> {
        let (header, at) = Header::read(&mut from)?;
        let config =
            header.config().map_err(|what| ReadError::Damaged { offset: Offset::file(0), what })?;
        let (kind, base) = (Kind::Records, Base::default());
        let block = Block { kind, base, continues: false, contents: Vec::new() };
        Ok(Reader {
            from,
            header,
            config,
            limits,
            at,
            block_at: at,
            block,
            taken: 0,
            cursor: Cursor::default(),
            inputs: 0,
            in_call: false,
            changes: 0,
            end: None,
        })
    }

    /// What the recording says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The device that was recorded.
    pub fn config(&self) -> &GpuConfig {
        &self.config
    }

    /// Inputs that were read.
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// How the recording ends, once everything was read.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Whether the recording ends in the midst of what belongs to its last input.
    pub(crate) fn lacks_the_rest(&self) -> bool {
        matches!(self.end, Some(End::Cut(_) | End::Lost(_))) && self.block.continues
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    ///
    /// The rest cannot be read.
    #[expect(clippy::should_implement_trait, reason = "an error is the end of it")]
    pub fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        while self.taken == self.block.contents.len() {
            if self.end.is_some() || !self.next_block()? {
                return Ok(None);
            }
        }
        let content = Some(self.taken as u64);
        let offset = Offset { file: self.block_at, content };
        let mut from = Bytes::new(&self.block.contents, self.taken);
        let record = record(&mut from, &mut self.cursor).map_err(|wrong| wrong.at(offset))?;
        self.taken = from.at();
        self.check(&record).map_err(|wrong| wrong.at(offset))?;
        Ok(Some(Entry { offset, record }))
    }

    /// Reads everything that is left, and says what it was.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn summary(&mut self) -> Result<Summary, ReadError> {
        let (mut state_hashes, mut memory_changes, mut marks) = (0, 0, 0);
        while let Some(entry) = self.next()? {
            match entry.record {
                Record::Memory(_) => memory_changes += 1,
                Record::StateHash(_) => state_hashes += 1,
                Record::Mark { .. } => marks += 1,
                Record::Input(_) | Record::Output(_) | Record::Unfinished => {}
            }
        }
        Ok(Summary {
            inputs: self.inputs,
            now_ns: self.cursor.now_ns,
            state_hashes,
            memory_changes,
            marks,
            bytes: self.at,
            end: self.end.clone().unwrap_or(End::Complete),
        })
    }

    /// Counts, and refuses what no device should be given.
    fn check(&mut self, record: &Record) -> Result<(), Wrong> {
        let belongs = matches!(record, Record::Memory(_) | Record::Output(_) | Record::Unfinished);
        if belongs && !self.in_call {
            return Err(Wrong::What("it belongs to a call, and there is none before it"));
        }
        self.in_call = matches!(record, Record::Input(_) | Record::Memory(_));
        match record {
            Record::Memory(_) => {
                self.changes += 1;
                if self.changes > MOST_CHANGES {
                    let (declared, most) = (self.changes as u64, MOST_CHANGES as u64);
                    return Err(Wrong::TooMany { declared, most });
                }
            }
            Record::Input(input) => {
                (self.inputs, self.changes) = (self.inputs + 1, 0);
                self.check_ram(input)?;
            }
            Record::Output(_) | Record::Unfinished | Record::StateHash(_) | Record::Mark { .. } => {
            }
        }
        Ok(())
    }

    fn check_ram(&self, input: &Input) -> Result<(), Wrong> {
        let Input::SetMemory { ranges } = input else { return Ok(()) };
        let ram = ranges.iter().fold(0, |sum: u64, range| sum.saturating_add(range.len));
        if ram > self.limits.ram {
            return Err(Wrong::TooMuchRam { declared: ram, most: self.limits.ram });
        }
        Ok(())
    }

    /// Reads the next block; false at the end.
    fn next_block(&mut self) -> Result<bool, ReadError> {
        let at = self.at;
        let wrong = |wrong: Wrong| wrong.at(Offset::file(at));
        let mut head = [0; HEAD];
        if fill(&mut self.from, &mut head, at)? < HEAD {
            return self.cut(at);
        }
        let taken = Head::read(&head).map_err(wrong)?;
        let mut stored = vec![0; taken.stored];
        if fill(&mut self.from, &mut stored, at + HEAD as u64)? < stored.len() {
            return self.cut(at);
        }
        let block = taken.unpack(&head, stored).map_err(wrong)?;
        if block.base.inputs != self.inputs {
            return Err(wrong(Wrong::What("the block does not follow the one before")));
        }
        self.block_at = at;
        self.at = at + (HEAD + taken.stored) as u64;
        match block.kind {
            Kind::End => self.finish(&block)?,
            Kind::Records => {
                self.cursor = Cursor::new(block.base);
                self.taken = 0;
                self.block = block;
            }
        }
        Ok(self.end.is_none())
    }

    /// The last block was read.
    fn finish(&mut self, block: &Block) -> Result<(), ReadError> {
        let offset = Offset::file(self.block_at);
        let ending: Ending = serde_json::from_slice(&block.contents)
            .map_err(|error| ReadError::Damaged { offset, what: error.to_string() })?;
        if ending.inputs != self.inputs {
            return Err(Wrong::What("the recording has not as many inputs as it says").at(offset));
        }
        if fill(&mut self.from, &mut [0], self.at)? != 0 {
            let offset = Offset::file(self.at);
            return Err(Wrong::What("there is something behind the end").at(offset));
        }
        self.end = Some(ending.lost.map_or(End::Complete, End::Lost));
        Ok(())
    }

    /// The file ends within the block at `at`, or before there is one.
    fn cut(&mut self, at: u64) -> Result<bool, ReadError> {
        let offset = Offset::file(at);
        if !self.limits.partial {
            return Err(ReadError::Cut { offset, inputs: self.inputs });
        }
        self.end = Some(End::Cut(offset));
        Ok(false)
    }
}
