//! Memory for blits: one stretch of addresses over pages in a shuffled order, and a context of the
//! copy engine that runs batches on it.

use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;
use gen8_spec::{PAGE_SIZE, masked_disable, masked_enable};
use gpu_model::EngineActivity;
use ppgtt::Levels;

use crate::bench::{Bench, Context, END, Vm, load_register, start};

/// Where the stretch is in the PPGTT, above 32 bits.
pub(crate) const FIELD_VA: u64 = 0x12_3400_0000;
/// Not in the TLB entry of the stretch's first page.
const BATCH_VA: u64 = 0x80_8000;
/// Pages of the stretch.
const PAGES: u64 = 384;
/// Bytes of the stretch.
pub(crate) const FIELD_BYTES: u64 = PAGES * PAGE_SIZE;
/// An odd factor shuffles the pages.
const SHUFFLE: u64 = 5;

pub(crate) struct Field {
    pub(crate) bench: Bench,
    pub(crate) context: Context,
    pub(crate) vm: Vm,
    physical: u64,
    batch: u64,
}

impl Field {
    pub(crate) fn new() -> Field {
        let mut bench = Bench::new();
        bench.gpu.set_observer(None);
        bench.execlists(EngineId::Bcs);
        let vm = bench.vm(Levels::Four);
        let physical = bench.pages(PAGES);
        for page in 0..PAGES {
            let va = FIELD_VA + page * PAGE_SIZE;
            bench.map(vm, va, physical + page * SHUFFLE % PAGES * PAGE_SIZE);
        }
        let batch = bench.mapped_page(vm, BATCH_VA);
        let context = bench.context(EngineId::Bcs, vm, 1);
        Field { bench, context, vm, physical, batch }
    }

    /// Runs commands as a batch, in steps of `budget`, until the engine has nothing more to do.
    pub(crate) fn run(&mut self, commands: &[u32], budget: u32) -> EngineActivity {
        self.start(commands);
        self.finish(budget)
    }

    /// Submits commands as a batch.
    pub(crate) fn start(&mut self, commands: &[u32]) {
        assert!(4 * commands.len() < PAGE_SIZE as usize, "the batch is one page");
        self.bench.poke_all(self.batch, commands);
        self.bench.poke(self.batch + 4 * commands.len() as u64, END);
        self.bench.emit(&mut self.context, &start(BATCH_VA, mi::BATCH_PPGTT));
        self.bench.submit(self.context, None);
    }

    /// Steps until the engine has nothing more to do.
    pub(crate) fn finish(&mut self, budget: u32) -> EngineActivity {
        for _ in 0..1_000_000 {
            let report = self.bench.gpu.step(budget);
            if report.state != EngineActivity::Busy {
                return report.state;
            }
        }
        panic!("the blit never ends");
    }

    /// Physical address of a page of the stretch.
    pub(crate) fn page(&self, page: u64) -> u64 {
        self.physical + page * SHUFFLE % PAGES * PAGE_SIZE
    }

    /// All bytes, in the order of their addresses.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; FIELD_BYTES as usize];
        for (page, bytes) in (0..).zip(bytes.chunks_exact_mut(PAGE_SIZE as usize)) {
            assert!(self.bench.ram.read_bytes(self.page(page), bytes));
        }
        bytes
    }

    /// Writes bytes at an offset of the stretch.
    pub(crate) fn put(&self, offset: u64, bytes: &[u8]) {
        for (n, byte) in (offset..).zip(bytes) {
            let at = self.page(n / PAGE_SIZE) + n % PAGE_SIZE;
            assert!(self.bench.ram.write_bytes(at, &[*byte]));
        }
    }

    /// Fills the stretch with bytes of which neighbours differ.
    pub(crate) fn scramble(&self, seed: u32) {
        let mut state = seed | 1;
        for page in 0..PAGES {
            let mut bytes = [0; PAGE_SIZE as usize];
            for dword in bytes.chunks_exact_mut(4) {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                dword.copy_from_slice(&state.to_le_bytes());
            }
            assert!(self.bench.ram.write_bytes(self.physical + page * PAGE_SIZE, &bytes));
        }
    }
}

/// Chooses the format of tiled sources and destinations.
pub(crate) fn formats(source_y: bool, destination_y: bool) -> [u32; 3] {
    let choose = |y, bit| if y { masked_enable(bit) } else { masked_disable(bit) };
    let value = choose(source_y, reg::BCS_SOURCE_Y) | choose(destination_y, reg::BCS_DESTINATION_Y);
    load_register(EngineId::Bcs.mmio_base() + reg::BCS_SWCTRL, value)
}
