//! Endless batches.

use std::time::Duration;

use super::{Batch, Context, Device, Engine, MI_BATCH_BUFFER_END, Object};
use crate::error::{Error, Result};
use crate::files;
use crate::sys::Mapping;

/// Places in its context's address space.
const RESULT: u64 = 0x10_0000;
const BATCH: u64 = 0x20_0000;
/// The dword of the batch where its endless part begins.
const LOOP_DWORD: usize = 0x100;
const LOOP: u64 = BATCH + 4 * LOOP_DWORD as u64;
/// What the batch writes ahead of its loop.
const STARTED: u32 = 0x57a2_7ed0;

/// A batch that runs until somebody ends it.
pub(crate) struct Endless {
    context: Context,
    result: Object,
    batch: Object,
    seen: Mapping,
    code: Mapping,
}

impl Endless {
    /// Starts it and waits until the GPU is in it. `polite`: the loop has a place where another
    /// context may come in. `patience`: how long the start may take.
    pub(crate) fn start(
        device: &Device,
        engine: Engine,
        polite: bool,
        patience: Duration,
    ) -> Result<Endless> {
        let (result, batch) = (device.object(4096)?, device.object(4096)?);
        let (seen, code) = (result.open()?, batch.open()?);
        let endless = Endless { context: device.context(engine)?, result, batch, seen, code };
        let round = Batch::default();
        let round = if polite { round.arbitration() } else { round };
        round.jump(LOOP).end().write_at(&endless.code, LOOP_DWORD);
        Batch::default().store(RESULT, STARTED).jump(LOOP).end().write_to(&endless.code);
        let objects = [endless.result.at(RESULT).written()];
        endless.context.submit(&objects, endless.batch.at(BATCH))?;
        files::wait_until("the start of an endless batch", patience, || {
            Ok(endless.seen.read(0) == STARTED)
        })?;
        Ok(endless)
    }

    /// The context that it runs in.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Lets the batch come to its end by itself. One dword, since the GPU runs there meanwhile.
    pub(crate) fn release(&self) {
        self.code.write(LOOP_DWORD, MI_BATCH_BUFFER_END);
    }

    /// Whether the kernel still waits for it.
    pub(crate) fn is_running(&self) -> Result<bool> {
        match self.result.wait_at_most(0) {
            Ok(()) => Ok(false),
            Err(Error::Late(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Endless {
    /// The kernel lets the batch of a destroyed context run on while it gives way.
    fn drop(&mut self) {
        self.release();
    }
}
