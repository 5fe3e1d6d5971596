//! `context_cycle`: what a short-lived program costs, through the driver and the device.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use driver::{ClientId, Config, Driver, ExecBuffer, ExecObject, Handle, Policy};
use gen8_spec::PAGE_SIZE;
use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gpu_model::GpuConfig;
use machine::InProcess;

use super::measure::Pair;
use super::{Bench, Target, Unit, measure};

/// The limit is what cannot be had for less: a context's pages (image, ring, page tables) are
/// zeroed when it is created, and the in-process machine poisons them when it is gone.
pub(super) const CONTEXT_CYCLE: Bench = Bench {
    name: "context_cycle",
    about: "a context created, its first batch run, destroyed, through the driver",
    limit: "as many pages as the context has, written twice",
    unit: Unit::Microseconds,
    target: Target::Ratio(15.0),
    run: context_cycle,
};

/// A GT2 part.
const DEVICE_ID: u16 = 0x1616;
/// RAM of the machine: freed pages come back after all others, so this is the footprint.
const RAM: u64 = 16 << 20;
/// Cycles before the measurement, after which nothing may have been left over.
const WARM_UP: u32 = 64;

/// A client with one object, a batch that ends at once.
struct Program {
    driver: Driver<InProcess>,
    client: ClientId,
    batch: Handle,
}

impl Program {
    fn new() -> Result<Program> {
        let config = GpuConfig::by_device_id(DEVICE_ID).context("no such part")?;
        let machine = InProcess::new(config, RAM, |_| None)?;
        let mut driver = Driver::new(machine, Config::for_policy(Policy::V4NoWait))?;
        let client = driver.open()?;
        let batch = driver.gem_create(client, PAGE_SIZE)?;
        driver.pwrite(client, batch, 0, &[mi::header(mi::BATCH_BUFFER_END, 0), mi::NOOP])?;
        Ok(Program { driver, client, batch })
    }

    /// One cycle; DMA pages in use while the context lived.
    fn cycle(&mut self) -> Result<usize> {
        let Program { driver, client, batch } = self;
        let context = driver.context_create(*client)?;
        let exec = ExecBuffer {
            context,
            engine: EngineId::Rcs,
            objects: vec![ExecObject::new(*batch)],
            batch_offset: 0,
        };
        driver.execbuffer(*client, &exec)?;
        driver.gem_wait(*client, *batch, None)?;
        let pages = driver.platform_mut().pages_in_use();
        driver.context_destroy(*client, context)?;
        driver.retire();
        Ok(pages)
    }

    fn pages(&mut self) -> usize {
        self.driver.settle();
        self.driver.platform_mut().pages_in_use()
    }
}

fn context_cycle() -> Result<Pair> {
    let mut program = Program::new()?;
    program.cycle()?; // what lives on from the first cycle is no part of a context
    let before = program.pages();
    let mut most = 0;
    for _ in 0..WARM_UP {
        most = program.cycle()?;
    }
    let left = program.pages();
    ensure!(left == before, "{WARM_UP} contexts left {} pages over", left.abs_diff(before));
    let pages = most.saturating_sub(before);

    let mut memory = vec![0_u8; RAM as usize];
    let mut at = 0;
    Ok(measure::pair(
        |rounds| (0..rounds).filter(|_| program.cycle().is_ok()).count() as u64,
        |rounds| {
            for _ in 0..rounds {
                for _ in 0..pages {
                    let page = &mut memory[at..at + PAGE_SIZE as usize];
                    page.fill(0);
                    black_box(&mut *page).fill(0xa5);
                    black_box(page);
                    at = (at + PAGE_SIZE as usize) % RAM as usize;
                }
            }
            u64::from(rounds)
        },
    ))
}
