//! The smallest piece of work with a result in memory.

use super::{Batch, Context, Device, Object};
use crate::error::{Result, expect_dword};
use crate::sys::Mapping;

/// Places in the address space of every context that works.
const RESULT: u64 = 0x10_0000;
const BATCH: u64 = 0x20_0000;

/// An object for the result and one for the batch. Any context of the same client can use them.
pub(crate) struct Worker {
    result: Object,
    batch: Object,
    seen: Mapping,
    code: Mapping,
}

impl Worker {
    /// With objects of `device`.
    pub(crate) fn new(device: &Device) -> Result<Worker> {
        let (result, batch) = (device.object(4096)?, device.object(4096)?);
        let (seen, code) = (result.open()?, batch.open()?);
        Ok(Worker { result, batch, seen, code })
    }

    /// Has a batch in `context` write `value`, waits, and looks whether it stands in memory.
    pub(crate) fn run(&self, context: &Context, value: u32) -> Result<()> {
        self.start(context, value)?;
        self.finish(value)
    }

    /// The second half of [`Worker::run`]: waits for what was started and looks.
    pub(crate) fn finish(&self, value: u32) -> Result<()> {
        self.result.wait()?;
        expect_dword("what the batch wrote", self.seen.read(0), value)
    }

    /// As [`Worker::run`] with `mark` as value, which also marks the address space.
    pub(crate) fn run_marked(&self, context: &Context, mark: u32) -> Result<()> {
        self.submit(context, Batch::default().mark(mark), mark)?;
        self.finish(mark)
    }

    /// As [`Worker::run`] without the waiting and looking.
    pub(crate) fn start(&self, context: &Context, value: u32) -> Result<()> {
        self.submit(context, Batch::default(), value)
    }

    /// Submits `batch` with the store of `value` behind it.
    fn submit(&self, context: &Context, batch: Batch, value: u32) -> Result<()> {
        self.seen.write(0, !value);
        batch.store(RESULT, value).end().write_to(&self.code);
        context.submit(&[self.result.at(RESULT).written()], self.batch.at(BATCH))
    }
}
