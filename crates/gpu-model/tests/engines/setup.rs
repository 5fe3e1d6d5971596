//! The least that a command needs to be run.

use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gpu_model::EngineActivity;
use ppgtt::Levels;

use super::bench::{Bench, Context, END, Vm, start};

/// Where the data page is.
pub(crate) const VA: u64 = 0x40_0000;
/// Where user batches are.
pub(crate) const BATCH: u64 = 0x80_0000;

/// One context with one data page at [`VA`].
pub(crate) struct Setup {
    pub(crate) bench: Bench,
    pub(crate) vm: Vm,
    pub(crate) context: Context,
    /// Physical address of the data page.
    pub(crate) data: u64,
}

/// Execlists with four levels.
pub(crate) fn setup(engine: EngineId) -> Setup {
    Setup::on(Bench::new(), engine)
}

impl Setup {
    pub(crate) fn on(mut bench: Bench, engine: EngineId) -> Setup {
        bench.execlists(engine);
        let vm = bench.vm(Levels::Four);
        let data = bench.mapped_page(vm, VA);
        let context = bench.context(engine, vm, 1);
        Setup { bench, vm, context, data }
    }

    /// Runs commands from the ring.
    pub(crate) fn ring(&mut self, commands: &[u32]) -> EngineActivity {
        self.bench.emit(&mut self.context, commands);
        self.bench.submit(self.context, None);
        self.bench.run()
    }

    /// Runs commands as a user batch of its own page.
    pub(crate) fn user_batch(&mut self, commands: &[u32]) -> EngineActivity {
        let mut commands = commands.to_vec();
        commands.push(END);
        let engine = self.context.engine;
        self.bench.write_register(engine.tlb_invalidate_register(), 1);
        self.bench.batch(self.vm, BATCH, &commands);
        self.ring(&start(BATCH, mi::BATCH_PPGTT))
    }
}
