//! A context with memory for data and for commands: what most pieces of work need.

use super::{Batch, Context, Device, Engine, Object, Placed};
use crate::error::{Result, expect_dword};
use crate::sys::Mapping;

/// Places in the context's address space.
const DATA: u64 = 0x10_0000;
const CODE: u64 = 0x20_0000;
/// Bytes of each.
const BYTES: usize = 64 << 10;

/// One context on one engine. Its data begin as zeros.
pub(crate) struct Trial {
    engine: Engine,
    context: Context,
    data: Object,
    code: Object,
    seen: Mapping,
    commands: Mapping,
}

impl Trial {
    /// In a new context of `device`.
    pub(crate) fn new(device: &Device, engine: Engine) -> Result<Trial> {
        let (data, code) = (device.object(BYTES)?, device.object(BYTES)?);
        let (seen, commands) = (data.open()?, code.open()?);
        let context = device.context(engine)?;
        Ok(Trial { engine, context, data, code, seen, commands })
    }

    /// A register of the engine, by its offset from the engine's base.
    pub(crate) fn register(&self, offset: u32) -> Result<u32> {
        Ok(self.engine.base()? + offset)
    }

    /// The GPU's address of the dword number `slot` of the data.
    pub(crate) fn slot(&self, slot: usize) -> u64 {
        DATA + 4 * slot as u64
    }

    /// What the CPU sees in a slot.
    pub(crate) fn get(&self, slot: usize) -> u32 {
        self.seen.read(slot)
    }

    /// What the CPU sees in a slot and the next: a qword.
    pub(crate) fn get_qword(&self, slot: usize) -> u64 {
        u64::from(self.get(slot + 1)) << 32 | u64::from(self.get(slot))
    }

    /// Writes a slot by CPU.
    pub(crate) fn set(&self, slot: usize, value: u32) {
        self.seen.write(slot, value);
    }

    /// The GPU's address of the dword number `dword` of the commands.
    pub(crate) fn code(&self, dword: usize) -> u64 {
        CODE + 4 * dword as u64
    }

    /// Writes commands from the dword number `dword` on.
    pub(crate) fn write_code(&self, dword: usize, batch: &Batch) {
        batch.write_at(&self.commands, dword);
    }

    /// Runs a batch to its end.
    pub(crate) fn run(&self, batch: &Batch) -> Result<()> {
        self.run_with(&[], batch)
    }

    /// As [`Trial::run`], with further objects.
    pub(crate) fn run_with(&self, others: &[Placed<'_>], batch: &Batch) -> Result<()> {
        self.start_with(others, batch)?;
        self.wait()
    }

    /// Submits a batch.
    pub(crate) fn start(&self, batch: &Batch) -> Result<()> {
        self.start_with(&[], batch)
    }

    /// As [`Trial::start`], with further objects.
    pub(crate) fn start_with(&self, others: &[Placed<'_>], batch: &Batch) -> Result<()> {
        self.write_code(0, batch);
        let objects: Vec<Placed<'_>> =
            others.iter().copied().chain([self.data.at(DATA).written()]).collect();
        self.context.submit(&objects, self.code.at(CODE))
    }

    /// Waits until the submitted batches have ended.
    pub(crate) fn wait(&self) -> Result<()> {
        self.data.wait()
    }

    /// Whether the kernel still waits for a batch.
    pub(crate) fn is_running(&self) -> Result<bool> {
        self.data.is_busy()
    }

    /// Fails in words unless the slot holds `expected`.
    pub(crate) fn expect(&self, what: &str, slot: usize, expected: u32) -> Result<()> {
        expect_dword(what, self.get(slot), expected)
    }
}
