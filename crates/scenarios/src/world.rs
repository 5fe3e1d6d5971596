//! What every scenario's program works with: the driver, the report, and the small moves that
//! scenarios are made of.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use driver::{
    ClientId, ContextId, CpuAction, CpuOp, Driver, Error, ExecBuffer, ExecObject, Handle, Platform,
    Relocation,
};
use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;

use crate::batch::{Batch, HELD, RELEASED};
use crate::report::{CaseReport, Checkpoint, DriverCounts};

/// Size of the shared object: one page.
pub(crate) const PAGE: u64 = 4096;

/// The driver under test and the report that grows.
pub(crate) struct World<'a, P: Platform> {
    /// The driver.
    pub driver: Driver<&'a mut P>,
    /// What was found out so far.
    pub report: CaseReport,
}

/// Ends a program early; the text is for the report.
pub(crate) type Outcome<T = ()> = Result<T, Error>;

/// A semaphore dword in an object of its own, that holds batches on an engine.
#[derive(Clone, Copy)]
pub(crate) struct Hold {
    client: ClientId,
    /// The object; every batch that waits must list it.
    pub handle: Handle,
}

/// A batch in an object of its own that can be run again and again.
pub(crate) struct Program {
    /// The object that holds the commands.
    pub handle: Handle,
    relocations: Vec<Relocation>,
}

/// A client that uses the engines now and then, so that they leave other contexts.
pub(crate) struct Bystander {
    client: ClientId,
    batch: Handle,
}

impl<P: Platform> World<'_, P> {
    /// Keeps the driver's counters and asks the device for a census.
    pub(crate) fn checkpoint(&mut self, label: u32) {
        let counters = self.driver.counters();
        let counts = DriverCounts {
            vms: counters.vms,
            vmas: counters.vmas,
            vmas_bound: counters.vmas_bound,
            pages: counters.page_table_pages,
            objects: counters.objects,
            contexts: counters.contexts,
            requests: counters.requests,
        };
        self.report.checkpoints.push(Checkpoint { label, counts });
        self.driver.hint(Hint::Checkpoint { label });
    }

    /// Settles and takes a checkpoint.
    pub(crate) fn settled_checkpoint(&mut self, label: u32) {
        self.driver.settle();
        self.checkpoint(label);
    }

    /// Notes something that was observed.
    pub(crate) fn fact(&mut self, name: &str, value: bool) {
        self.report.facts.insert(name.to_string(), value);
    }

    /// Whether the driver has made a finding of this name.
    pub(crate) fn found(&self, name: &str) -> bool {
        self.driver.findings().iter().any(|finding| finding.name() == name)
    }

    /// A one-page object that is its own batch and ends at once (as in IGT's `gem_ppgtt`).
    pub(crate) fn end_batch_object(&mut self, client: ClientId) -> Outcome<Handle> {
        self.end_batch_object_of(client, PAGE)
    }

    /// As [`World::end_batch_object`], with another size.
    pub(crate) fn end_batch_object_of(&mut self, client: ClientId, size: u64) -> Outcome<Handle> {
        let handle = self.driver.gem_create(client, size)?;
        self.write_end(client, handle)?;
        Ok(handle)
    }

    /// Makes the object a batch that ends at once.
    pub(crate) fn write_end(&mut self, client: ClientId, handle: Handle) -> Outcome {
        let (dwords, _) = Batch::<Handle>::new().end();
        self.driver.pwrite(client, handle, 0, &dwords)
    }

    /// Executes `handle` as its own batch; the address that it got.
    pub(crate) fn exec_self(
        &mut self,
        client: ClientId,
        context: ContextId,
        engine: EngineId,
        handle: Handle,
    ) -> Outcome<u64> {
        let objects = Vec::from([ExecObject::new(handle)]);
        let exec = ExecBuffer { context, engine, objects, batch_offset: 0 };
        let result = self.driver.execbuffer(client, &exec)?;
        result.offsets.last().copied().ok_or(Error::Invalid)
    }

    /// Executes `handle` as its own batch and waits for it.
    pub(crate) fn exec_self_and_wait(
        &mut self,
        client: ClientId,
        context: ContextId,
        engine: EngineId,
        handle: Handle,
    ) -> Outcome<u64> {
        let offset = self.exec_self(client, context, engine, handle)?;
        self.wait(client, handle)?;
        Ok(offset)
    }

    /// Waits until the GPU is done with the object, and retires.
    pub(crate) fn wait(&mut self, client: ClientId, handle: Handle) -> Outcome {
        self.driver.gem_wait(client, handle, None)?;
        self.driver.retire();
        Ok(())
    }

    /// Writes `batch` into a new object.
    pub(crate) fn program(&mut self, client: ClientId, batch: Batch<Handle>) -> Outcome<Program> {
        let handle = self.driver.gem_create(client, PAGE)?;
        self.program_into(client, handle, batch)
    }

    /// Writes `batch` into an object that exists.
    pub(crate) fn program_into(
        &mut self,
        client: ClientId,
        handle: Handle,
        batch: Batch<Handle>,
    ) -> Outcome<Program> {
        let (dwords, patches) = batch.end();
        self.driver.pwrite(client, handle, 0, &dwords)?;
        let relocations = patches
            .into_iter()
            .map(|patch| Relocation {
                offset: patch.at,
                target: patch.target,
                delta: patch.delta,
                // No object is ever at 0 (batches are placed above it), so the driver must patch.
                presumed_offset: 0,
            })
            .collect();
        Ok(Program { handle, relocations })
    }

    /// Runs a program that also uses `objects`; the addresses of `objects` and, last, the batch.
    pub(crate) fn run(
        &mut self,
        client: ClientId,
        context: ContextId,
        engine: EngineId,
        objects: &[ExecObject],
        program: &Program,
    ) -> Outcome<Vec<u64>> {
        let mut objects = objects.to_vec();
        objects.push(ExecObject::new(program.handle).with_relocations(program.relocations.clone()));
        let exec = ExecBuffer { context, engine, objects, batch_offset: 0 };
        Ok(self.driver.execbuffer(client, &exec)?.offsets)
    }

    /// Writes `value` into the first dword of `target` by the GPU and waits; the target's address.
    /// `gap` pages lie between the target and the batch.
    pub(crate) fn gpu_store(
        &mut self,
        client: ClientId,
        target: Handle,
        gap: u64,
        value: u32,
    ) -> Outcome<u64> {
        let program = self.program(client, Batch::new().store(target, 0, value))?;
        let gap = self.driver.gem_create(client, gap.max(1) * PAGE)?;
        let objects = [ExecObject::new(target).written(), ExecObject::new(gap)];
        let offsets = self.run(client, ContextId::DEFAULT, EngineId::Rcs, &objects, &program)?;
        self.driver.gem_close(client, gap)?;
        self.driver.gem_close(client, program.handle)?;
        self.wait(client, target)?;
        offsets.first().copied().ok_or(Error::Invalid)
    }

    /// First dword of the object, by pread.
    pub(crate) fn first_dword(&mut self, client: ClientId, handle: Handle) -> Outcome<u32> {
        let dwords = self.driver.pread(client, handle, 0, 1)?;
        dwords.first().copied().ok_or(Error::Invalid)
    }

    /// A semaphore that holds nobody yet.
    pub(crate) fn hold(&mut self, client: ClientId) -> Outcome<Hold> {
        let handle = self.driver.gem_create(client, PAGE)?;
        self.driver.pwrite(client, handle, 0, &[RELEASED])?;
        Ok(Hold { client, handle })
    }

    /// From now on batches that wait for `hold` stay on their engine.
    pub(crate) fn close_hold(&mut self, hold: Hold) -> Outcome {
        self.driver.cpu_mmap_write(hold.client, hold.handle, 0, HELD)
    }

    /// Lets them go on, now, without the lock.
    pub(crate) fn open_hold(&mut self, hold: Hold) -> Outcome {
        self.driver.cpu_mmap_write(hold.client, hold.handle, 0, RELEASED)
    }

    /// Another thread is about to open `hold`: through a CPU mmap, or (`locked`) by an ioctl that
    /// needs struct_mutex. It does so as soon as somebody waits for the GPU.
    pub(crate) fn queue_open_hold(&mut self, hold: Hold, locked: bool) {
        self.driver.queue_action(CpuAction {
            label: if locked { "release by ioctl" } else { "release by CPU mmap" },
            needs_struct_mutex: locked,
            op: CpuOp::WriteDword {
                client: hold.client,
                handle: hold.handle,
                offset: 0,
                value: RELEASED,
            },
        });
    }

    /// A client with a batch of its own; it has run once on the render engine, so that its page
    /// tables exist.
    pub(crate) fn bystander(&mut self) -> Outcome<Bystander> {
        let client = self.driver.open()?;
        let batch = self.end_batch_object(client)?;
        let bystander = Bystander { client, batch };
        self.bystander_runs(&bystander, EngineId::Rcs)?;
        Ok(bystander)
    }

    /// The bystander runs on `engine`; afterwards the engine has left every other context.
    pub(crate) fn bystander_runs(&mut self, bystander: &Bystander, engine: EngineId) -> Outcome {
        self.exec_self_and_wait(bystander.client, ContextId::DEFAULT, engine, bystander.batch)?;
        Ok(())
    }

    /// Whether `i915_gem_gtt` lists an object with this flink name (what IGT greps for).
    pub(crate) fn debugfs_lists(&self, name: driver::Name) -> bool {
        let needle = alloc::format!("(name: {})", name.0);
        self.driver.debugfs_gem_gtt().contains(&needle)
    }

    /// Finishes the report: what the driver noticed about itself.
    pub(crate) fn collect_findings(&mut self) {
        let mut names: Vec<String> = Vec::new();
        for finding in self.driver.findings() {
            if !names.iter().any(|name| name == finding.name()) {
                names.push(finding.name().to_string());
            }
        }
        self.report.findings = names;
    }
}
