//! The thread that packs blocks and writes them, so that the device need not wait for either.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::block::{Base, Block, Kind};

/// Name of the thread.
pub const WRITER_THREAD: &str = "recording";
/// Blocks that wait to be written. With the usual size of a block, 16 MiB.
const QUEUE: usize = 64;
/// How long the device waits for a place in the queue before its recording ends.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks at a full queue.
const PAUSE: Duration = Duration::from_millis(1);

/// The contents of the last block, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// Inputs in all.
    pub(crate) inputs: u64,
    /// Device time of the last, nanoseconds.
    pub(crate) now_ns: u64,
    /// Why the recording ends before the device did, if it does.
    pub(crate) lost: Option<String>,
}

/// What a writer did.
#[derive(Debug)]
pub(crate) struct Done {
    /// Bytes of the file behind the header.
    pub(crate) bytes: u64,
}

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct Writer {
    blocks: SyncSender<Block>,
    /// Blocks that were not written yet.
    waiting: Arc<AtomicUsize>,
    /// The first error of the thread.
    failed: Arc<Mutex<Option<String>>>,
}

impl Writer {
    /// Starts the thread; what it did comes out of the channel when the writer is gone.
    pub(crate) fn start(
        file: impl Write + Send + 'static,
    ) -> io::Result<(Writer, Receiver<io::Result<Done>>)> {
        let (blocks, queue) = sync_channel(QUEUE);
        let (done, results) = channel();
        let failed = Arc::default();
        let waiting = Arc::<AtomicUsize>::default();
        let (told, written) = (Arc::clone(&failed), Arc::clone(&waiting));
        let thread = thread::Builder::new().name(WRITER_THREAD.into());
        thread.spawn(move || write_all(file, &queue, &done, &told, &written))?;
        Ok((Writer { blocks, waiting, failed }, results))
    }

    /// Whether a quarter of the queue is taken: what can wait should.
    pub(crate) fn is_behind(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= QUEUE / 4
    }

    /// Hands a block over; else why no more can be recorded.
    pub(crate) fn send(&self, block: Block) -> Result<(), String> {
        let start = Instant::now();
        let mut block = block;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        loop {
            match self.blocks.try_send(block) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => {
                    let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                    return Err(failed.clone().unwrap_or_else(|| "the writer is gone".to_owned()));
                }
                Err(TrySendError::Full(_)) if start.elapsed() >= PATIENCE => {
                    return Err("the file cannot be written as fast as the device runs".to_owned());
                }
                Err(TrySendError::Full(same)) => block = same,
            }
            thread::sleep(PAUSE);
        }
    }

    /// Hands the last block over, however long that takes.
    pub(crate) fn end(&self, base: Base, ending: &Ending) {
        let contents = serde_json::to_vec(ending).unwrap_or_default();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // If the thread is gone, it told why.
        let _ = self.blocks.send(Block { kind: Kind::End, base, continues: false, contents });
    }
}

fn write_all(
    mut file: impl Write,
    queue: &Receiver<Block>,
    done: &Sender<io::Result<Done>>,
    failed: &Mutex<Option<String>>,
    waiting: &AtomicUsize,
) {
    let mut bytes = 0;
    let result = queue.iter().try_for_each(|block| {
        let packed = block.pack();
        bytes += packed.len() as u64;
        let written = file.write_all(&packed);
        waiting.fetch_sub(1, Ordering::Relaxed);
        written
    });
    let result = result.and_then(|()| file.flush()).map(|()| Done { bytes });
    if let Err(error) = &result {
        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }
    // Nobody may want to know.
    let _ = done.send(result);
}
