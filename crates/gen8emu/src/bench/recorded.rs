//! `record_overhead`: what a recording costs the device's users.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use driver::{ClientId, Config, Driver, ExecBuffer, ExecObject, Handle, Policy};
use gen8_spec::PAGE_SIZE;
use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gpu_model::{GpuConfig, Journal};
use machine::InProcess;
use recording::{Recorder, RecorderHandle};

use super::measure::Pair;
use super::{Bench, Target, Unit, measure};

pub(super) const RECORD_OVERHEAD: Bench = Bench {
    name: "record_overhead",
    about: "a batch through the driver, from execbuffer to its end, recorded to a file",
    limit: "the same without a recording",
    unit: Unit::Microseconds,
    target: Target::Ratio(1.10),
    run: record_overhead,
};

/// A GT2 part.
const DEVICE_ID: u16 = 0x1616;
/// RAM of the machine.
const RAM: u64 = 16 << 20;
/// Batches before the measurement.
const WARM_UP: u32 = 64;

/// A client with one context and one object, a batch that ends at once.
struct Program {
    driver: Driver<InProcess>,
    client: ClientId,
    batch: Handle,
    exec: ExecBuffer,
}

impl Program {
    fn new(journal: Option<Box<dyn Journal>>) -> Result<Program> {
        let config = GpuConfig::by_device_id(DEVICE_ID).context("no such part")?;
        let machine = InProcess::with_journal(config, RAM, journal, |_| None)?;
        let mut driver = Driver::new(machine, Config::for_policy(Policy::V4NoWait))?;
        let client = driver.open()?;
        let batch = driver.gem_create(client, PAGE_SIZE)?;
        driver.pwrite(client, batch, 0, &[mi::header(mi::BATCH_BUFFER_END, 0), mi::NOOP])?;
        let context = driver.context_create(client)?;
        let exec = ExecBuffer {
            context,
            engine: EngineId::Rcs,
            objects: vec![ExecObject::new(batch)],
            batch_offset: 0,
        };
        Ok(Program { driver, client, batch, exec })
    }

    /// Runs a batch to its end.
    fn run(&mut self) -> Result<()> {
        self.driver.execbuffer(self.client, &self.exec)?;
        self.driver.gem_wait(self.client, self.batch, None)?;
        Ok(())
    }
}

/// A file that is gone with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        Scratch(std::env::temp_dir().join(format!("gen8emu-bench-{}.g8r", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may not be there.
        let _ = fs::remove_file(&self.0);
    }
}

fn record(file: &Scratch) -> Result<(Box<dyn Journal>, RecorderHandle)> {
    let config = GpuConfig::by_device_id(DEVICE_ID).context("no such part")?;
    let (recorder, handle) = Recorder::create(&file.0, &config)?;
    Ok((Box::new(recorder), handle))
}

fn record_overhead() -> Result<Pair> {
    let file = Scratch::new();
    let (journal, handle) = record(&file)?;
    let mut recorded = Program::new(Some(journal))?;
    let mut plain = Program::new(None)?;
    for _ in 0..WARM_UP {
        recorded.run()?;
        plain.run()?;
    }
    let pair = measure::pair(
        |rounds| (0..rounds).filter(|_| recorded.run().is_ok()).count() as u64,
        |rounds| (0..rounds).filter(|_| plain.run().is_ok()).count() as u64,
    );
    drop(recorded);
    let written = handle.finish()?;
    ensure!(written.inputs > 1000, "only {} inputs were recorded", written.inputs);
    Ok(pair)
}
