//! A program on our driver, in process.

use driver::{ClientId, Config, Driver, ExecBuffer, ExecObject, Handle, Policy};
use gen8_spec::PAGE_SIZE;
use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gpu_model::{Journal, Observer};
use machine::InProcess;

use crate::{RigError, config};

/// RAM of the machine.
const RAM: u64 = 16 << 20;
/// Batches after which nothing is new to the program's driver and device.
const WARM_UP: u32 = 64;

/// A client with one context and one object, a batch that ends at once.
pub struct Program {
    driver: Driver<InProcess>,
    client: ClientId,
    batch: Handle,
    exec: ExecBuffer,
}

impl Program {
    /// A program that ran some batches already, on a device with this journal and this observer.
    ///
    /// # Errors
    ///
    /// There is no memory, or the driver does not work.
    pub fn new(
        journal: Option<Box<dyn Journal>>,
        observer: Option<Box<dyn Observer>>,
    ) -> Result<Program, RigError> {
        let machine = InProcess::with_journal(config()?, RAM, journal, |_| observer)?;
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
        let mut program = Program { driver, client, batch, exec };
        (0..WARM_UP).try_for_each(|_| program.run())?;
        Ok(program)
    }

    /// Runs a batch to its end.
    ///
    /// # Errors
    ///
    /// The driver's.
    pub fn run(&mut self) -> Result<(), RigError> {
        self.driver.execbuffer(self.client, &self.exec)?;
        self.driver.gem_wait(self.client, self.batch, None)?;
        Ok(())
    }
}
