//! Endless batches.

use std::time::Duration;

use super::{Batch, Context, Device, Engine, MI_BATCH_BUFFER_END, Object};
use crate::error::Result;
use crate::files;
use crate::sys::Mapping;

/// Places in its context's address space.
const RESULT: u64 = 0x10_0000;
const BATCH: u64 = 0x20_0000;
/// The dword of the batch where its endless part begins.
const LOOP_DWORD: usize = 0x100;
/// The dword of its object that the CPU may write and the batch may wait for.
const MAILBOX_DWORD: usize = 0x10;
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
    /// Where its batch begins, and where the endless part of it does.
    pub(crate) const BATCH: u64 = BATCH;
    /// See [`Endless::BATCH`].
    pub(crate) const LOOP: u64 = BATCH + 4 * LOOP_DWORD as u64;
    /// A dword of memory, 0 until [`Endless::mail`].
    pub(crate) const MAILBOX: u64 = RESULT + 4 * MAILBOX_DWORD as u64;

    /// Starts it and waits until the GPU is in it. `polite`: the loop has a place where another
    /// context may come in. `patience`: how long the start may take.
    pub(crate) fn start(
        device: &Device,
        engine: Engine,
        polite: bool,
        patience: Duration,
    ) -> Result<Endless> {
        let round = Batch::default();
        let round = if polite { round.arbitration() } else { round };
        Endless::start_with(device, engine, &round.jump(Endless::LOOP).end(), patience)
    }

    /// As [`Endless::start`], with these commands at [`Endless::LOOP`], whether they ever end or
    /// not.
    pub(crate) fn start_with(
        device: &Device,
        engine: Engine,
        commands: &Batch,
        patience: Duration,
    ) -> Result<Endless> {
        let endless = Endless::prepare(device, device.context(engine)?, commands)?;
        endless.submit()?;
        files::wait_until("the start of an endless batch", patience, || {
            Ok(endless.seen.read(0) == STARTED)
        })?;
        Ok(endless)
    }

    /// As [`Endless::start_with`] in this context, without the start.
    pub(crate) fn prepare(device: &Device, context: Context, commands: &Batch) -> Result<Endless> {
        let (result, batch) = (device.object(4096)?, device.object(4096)?);
        let (seen, code) = (result.open()?, batch.open()?);
        commands.write_at(&code, LOOP_DWORD);
        Batch::default().store(RESULT, STARTED).jump(Endless::LOOP).end().write_to(&code);
        Ok(Endless { context, result, batch, seen, code })
    }

    /// Submits it, once more if it was submitted before.
    pub(crate) fn submit(&self) -> Result<()> {
        self.context.submit(&[self.result.at(RESULT).written()], self.batch.at(BATCH))
    }

    /// Waits until it has ended, by itself or by the kernel.
    pub(crate) fn wait(&self) -> Result<()> {
        self.result.wait()
    }

    /// The dwords of its batch object, as far as they matter.
    pub(crate) fn code(&self) -> Vec<u32> {
        (0..self.code.len()).map(|index| self.code.read(index)).collect()
    }

    /// Writes [`Endless::MAILBOX`].
    pub(crate) fn mail(&self, value: u32) {
        self.seen.write(MAILBOX_DWORD, value);
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
        self.result.is_busy()
    }
}

impl Drop for Endless {
    /// The kernel lets the batch of a destroyed context run on while it gives way.
    fn drop(&mut self) {
        self.release();
    }
}
