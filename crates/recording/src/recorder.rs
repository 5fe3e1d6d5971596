//! The journal that becomes a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use gpu_model::GpuConfig;
use gpu_model::journal::{Input, Journal, Output};
use gpu_model::memory::MemoryChange;
use thiserror::Error;

use crate::block::{Base, Block, Kind};
use crate::decode::{LARGEST_BUDGET, LONGEST_KIND, LONGEST_MARK};
use crate::encode::{Cursor, Encoder};
use crate::file;
use crate::header::Header;
use crate::reader::MOST_CHANGES;
use crate::writer::{Done, Ending, Writer};

/// Bytes at which a block is full: what packs well, and is little to lose.
const BLOCK: usize = 256 << 10;
/// Device time after which a block is written though it is not full, so that what a crash costs is bounded.
const BLOCK_NS: u64 = 1_000_000_000;
/// A state hash is taken after so many inputs. At the beginning more often: at every power of two.
const HASH_INPUTS: u64 = 4096;
/// Marks that wait for the device's next input, and bytes of them.
const MOST_MARKS: usize = 4096;
const MOST_MARK_BYTES: usize = 4 << 20;

/// A recording cannot be written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file cannot be made.
    #[error("cannot record to {path}")]
    Create {
        /// Where.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// It cannot be written any more.
    #[error("the recording is not complete")]
    Write(#[source] io::Error),
    /// It ended before the device did.
    #[error("the recording ends early: {0}")]
    Lost(String),
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Inputs.
    pub inputs: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// What others than the device's thread have to do with a recording.
#[derive(Debug)]
pub struct RecorderHandle {
    marks: Arc<Marks>,
    results: Receiver<io::Result<Done>>,
    header_bytes: u64,
    ending: Arc<Mutex<Option<Ending>>>,
}

/// Takes notes for a recording that is being made. Clones note for the same one.
#[derive(Clone, Debug)]
pub struct Notes(Arc<Marks>);

impl Notes {
    /// Notes something at the device's next input: the name of a case, a line of the guest's trace. False if it
    /// is too long, or too much waits already.
    pub fn note(&self, kind: &str, content: &[u8]) -> bool {
        let mut list = self.0.list();
        let fits = kind.len() <= LONGEST_KIND && content.len() <= LONGEST_MARK;
        let bytes = list.bytes + kind.len() + content.len();
        let taken = fits && list.marks.len() < MOST_MARKS && bytes <= MOST_MARK_BYTES;
        if taken {
            list.bytes = bytes;
            list.marks.push((kind.to_owned(), content.to_owned()));
            self.0.any.store(true, Ordering::Relaxed);
        }
        taken
    }
}

/// Notes on their way into the recording.
#[derive(Debug, Default)]
struct Marks {
    any: AtomicBool,
    list: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Kind and content.
    marks: Vec<(String, Vec<u8>)>,
    bytes: usize,
}

/// A [`Journal`] that is written to a file. The recording ends when it is dropped.
#[derive(Debug)]
pub struct Recorder {
    writer: Writer,
    encoder: Encoder,
    /// Where the block began.
    base: Base,
    inputs: u64,
    /// A call did not end yet.
    open: bool,
    lost: Option<String>,
    /// A block was not taken: the file ends with the one before it.
    refused: bool,
    marks: Arc<Marks>,
    ending: Arc<Mutex<Option<Ending>>>,
}

impl Recorder {
    /// Records a device of this configuration, as after power-on, to a new file at `path`.
    ///
    /// # Errors
    ///
    /// The file cannot be made, another recording is being written there, or there is no thread to be had.
    pub fn create(
        path: &Path,
        config: &GpuConfig,
    ) -> Result<(Recorder, RecorderHandle), RecordError> {
        let error = |source| RecordError::Create { path: path.to_owned(), source };
        // Not buffered: a block is in the file when it is written, and a server may be killed.
        let file = file::create(path).map_err(error)?;
        Recorder::to(file, config).map_err(error)
    }

    /// As [`Recorder::create`], to anything that takes bytes.
    ///
    /// # Errors
    ///
    /// The header cannot be written, or there is no thread to be had.
    pub fn to(
        mut file: impl Write + Send + 'static,
        config: &GpuConfig,
    ) -> io::Result<(Recorder, RecorderHandle)> {
        let mut header = Vec::new();
        Header::new(config).write(&mut header)?;
        file.write_all(&header)?;
        let (writer, results) = Writer::start(file)?;
        let (marks, ending) = (Arc::<Marks>::default(), Arc::default());
        let recorder = Recorder {
            writer,
            encoder: Encoder::default(),
            base: Base::default(),
            inputs: 0,
            open: false,
            lost: None,
            refused: false,
            marks: Arc::clone(&marks),
            ending: Arc::clone(&ending),
        };
        let header_bytes = header.len() as u64;
        Ok((recorder, RecorderHandle { marks, results, header_bytes, ending }))
    }

    /// What the next block would count from.
    fn here(&self) -> Base {
        let Cursor { now_ns, accesses, .. } = self.encoder.cursor;
        Base { inputs: self.inputs, now_ns, accesses }
    }

    /// Hands the block over and begins the next.
    fn send_block(&mut self) {
        if self.refused {
            self.encoder.bytes.clear();
            return;
        }
        let next = self.here();
        let contents =
            std::mem::replace(&mut self.encoder.bytes, Vec::with_capacity(BLOCK + BLOCK / 4));
        let base = std::mem::replace(&mut self.base, next);
        self.encoder.cursor = Cursor::new(next);
        if contents.is_empty() {
            return;
        }
        let block = Block { kind: Kind::Records, base, continues: self.open, contents };
        if let Err(why) = self.writer.send(block) {
            (self.base, self.refused) = (base, true);
            self.lost(&why);
        }
    }

    #[cold]
    fn take_marks(&mut self) {
        self.marks.any.store(false, Ordering::Relaxed);
        let list = std::mem::take(&mut *self.marks.list());
        for (kind, content) in list.marks {
            self.encoder.mark(&kind, &content);
            self.send_if_full();
        }
    }

    #[inline]
    fn send_if_full(&mut self) {
        if self.encoder.bytes.len() >= BLOCK {
            self.send_block();
        }
    }
}

impl Journal for Recorder {
    #[inline]
    fn begin(&mut self, input: &Input) {
        if self.lost.is_some() {
            return;
        }
        // What others say must not end the recording of what the device does.
        if self.marks.any.load(Ordering::Relaxed) && !self.writer.is_behind() {
            self.take_marks();
        }
        if matches!(input, &Input::Step { budget } if budget > LARGEST_BUDGET) {
            self.lost("a step of more commands than a recording takes");
            return;
        }
        self.inputs += 1;
        self.open = true;
        self.encoder.input(input);
    }

    fn memory(&mut self, changes: &[MemoryChange]) {
        if self.lost.is_some() {
            return;
        }
        if changes.len() > MOST_CHANGES {
            self.lost("one call found too much in memory that had changed");
            return;
        }
        for change in changes {
            self.encoder.memory(change);
            self.send_if_full();
        }
    }

    #[inline]
    fn end(&mut self, output: Output) -> bool {
        if self.lost.is_some() {
            return false;
        }
        self.encoder.output(output);
        self.open = false;
        let passed = self.encoder.cursor.now_ns.saturating_sub(self.base.now_ns);
        if self.encoder.bytes.len() >= BLOCK || passed >= BLOCK_NS {
            self.send_block();
        }
        self.inputs.is_multiple_of(HASH_INPUTS) || self.inputs.is_power_of_two()
    }

    fn state_hash(&mut self, hash: u64) {
        if self.lost.is_none() {
            self.encoder.state_hash(hash);
        }
    }

    fn lost(&mut self, why: &str) {
        if self.lost.is_none() {
            log::error!("the recording ends here, and the device goes on: {why}");
            self.lost = Some(why.to_owned());
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        match (self.lost.is_some(), self.open) {
            (true, _) => {}
            (false, true) => self.encoder.unfinished(),
            (false, false) => self.take_marks(),
        }
        self.send_block();
        let Base { inputs, now_ns, .. } = self.base;
        let ending = Ending { inputs, now_ns, lost: self.lost.take() };
        self.writer.end(self.base, &ending);
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(ending);
    }
}

impl Marks {
    fn list(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecorderHandle {
    /// As [`Notes::note`].
    pub fn note(&self, kind: &str, content: &[u8]) -> bool {
        self.notes().note(kind, content)
    }

    /// For those who note while the device runs.
    pub fn notes(&self) -> Notes {
        Notes(Arc::clone(&self.marks))
    }

    /// Waits until everything is written. The recorder must be gone (with its device, or by
    /// [`gpu_model::Gpu::set_journal`]), or it waits for that.
    ///
    /// # Errors
    ///
    /// The file could not be written, or the recording ended before the device did.
    pub fn finish(self) -> Result<Written, RecordError> {
        let gone = || io::Error::other("the writer is gone");
        let done = self.results.recv().map_err(|_| RecordError::Write(gone()))?;
        let done = done.map_err(RecordError::Write)?;
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The thread ends when the recorder is gone, which told its ending before.
        let ending = ending.ok_or_else(|| RecordError::Write(gone()))?;
        match ending.lost {
            Some(why) => Err(RecordError::Lost(why)),
            None => Ok(Written { inputs: ending.inputs, bytes: self.header_bytes + done.bytes }),
        }
    }
}
