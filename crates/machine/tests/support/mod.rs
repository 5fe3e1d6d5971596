//! A client of the driver's hardware half, as small as it can be: one address space, batches of a
//! few commands, and direct looks into memory.

use driver::Platform;
use driver::gt::{
    EngineContext, Gt, GtConfig, PageTableRoot, PtLevels, Submission, SubmitError, Submitted, Work,
    seqno_passed,
};
use gen8_spec::PAGE_SIZE;
use gen8_spec::commands::mi;
use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId;
use gen8_spec::pte::CacheLevel;
use gpu_model::GpuConfig;
use machine::{CpuRam, InProcess};
use ppgtt::{AddressSpace, Levels, PageAllocator, PhysicalMemory};

/// Every combination of submission mode and page-table levels.
pub(crate) const MODES: [(Submission, PtLevels); 4] = [
    (Submission::Execlists, PtLevels::Four),
    (Submission::Execlists, PtLevels::Three),
    (Submission::LegacyRing, PtLevels::Four),
    (Submission::LegacyRing, PtLevels::Three),
];

/// Batches are put here, one page each.
const BATCH_BASE: u64 = 0x4000_0000;
/// More turns than any test's work takes.
const PATIENCE: u32 = 20_000;

/// A machine with this part.
pub(crate) fn machine(device_id: u16) -> InProcess {
    let config = GpuConfig::by_device_id(device_id).expect("a known part");
    InProcess::new(config, 32 << 20, |_| None).expect("host memory")
}

/// A configuration with hints on.
pub(crate) fn config(submission: Submission, levels: PtLevels) -> GtConfig {
    GtConfig { submission, levels, hints: true }
}

/// A probed GPU.
pub(crate) fn probe(device_id: u16, submission: Submission, levels: PtLevels) -> Gt<InProcess> {
    Gt::probe(machine(device_id), config(submission, levels)).expect("a healthy device")
}

/// Runs until `engine` has nothing left to do.
pub(crate) fn settle(gt: &mut Gt<InProcess>, engine: EngineId) {
    for _ in 0..PATIENCE {
        let done = seqno_passed(gt.completed_seqno(engine), gt.submitted_seqno(engine));
        if done && gt.queue_idle(engine) {
            return;
        }
        gt.relax();
        gt.poll();
    }
    let sample = gt.sample(engine);
    panic!("{} is stuck: {sample:x?}, wants {:#x}", engine.name(), gt.submitted_seqno(engine));
}

struct Tables<'a> {
    gt: &'a mut Gt<InProcess>,
    owner: u32,
}

impl PageAllocator for Tables<'_> {
    fn alloc(&mut self, kind: PageKind) -> Option<u64> {
        self.gt.alloc_page(kind, self.owner)
    }
    fn free(&mut self, page: u64, _kind: PageKind) {
        self.gt.free_page(page);
    }
}

/// An address space with what is mapped in it.
pub(crate) struct Client {
    id: u32,
    memory: CpuRam,
    space: Option<AddressSpace>,
    levels: PtLevels,
    pages: Vec<u64>,
    batches: u64,
}

impl Client {
    /// A client with an empty address space.
    pub(crate) fn new(gt: &mut Gt<InProcess>, id: u32, levels: PtLevels) -> Self {
        let memory = gt.platform().memory().clone();
        let table_levels = match levels {
            PtLevels::Three => Levels::Three,
            PtLevels::Four => Levels::Four,
        };
        let mut tables = Tables { gt, owner: id };
        let space = AddressSpace::new(&memory, &mut tables, table_levels).expect("pages");
        Client { id, memory, space: Some(space), levels, pages: Vec::new(), batches: 0 }
    }

    fn space(&self) -> &AddressSpace {
        self.space.as_ref().expect("not freed")
    }

    /// Maps a fresh page at `va`, in place of what is there; returns its physical address.
    pub(crate) fn map_page(&mut self, gt: &mut Gt<InProcess>, va: u64) -> u64 {
        let page = gt.alloc_page(PageKind::Object, self.id).expect("a page");
        let mut tables = Tables { gt, owner: self.id };
        let space = self.space.as_mut().expect("not freed");
        space.allocate_range(&self.memory, &mut tables, va, PAGE_SIZE).expect("tables");
        space.insert(&self.memory, va, [page], CacheLevel::Llc, false).expect("mapped");
        self.pages.push(page);
        page
    }

    /// Maps a page with these commands; returns its address.
    fn batch(&mut self, gt: &mut Gt<InProcess>, commands: &[u32]) -> u64 {
        let va = BATCH_BASE + PAGE_SIZE * self.batches;
        self.batches += 1;
        let page = self.map_page(gt, va);
        for (n, &dword) in commands.iter().enumerate() {
            assert!(self.memory.write_u32(page + 4 * n as u64, dword));
        }
        va
    }

    /// A batch that stores `value` at `va`.
    pub(crate) fn store_batch(&mut self, gt: &mut Gt<InProcess>, va: u64, value: u32) -> u64 {
        self.busy_batch(gt, va, value, 0)
    }

    /// A batch that stores `value` at `va` after that many NOOPs.
    pub(crate) fn busy_batch(
        &mut self,
        gt: &mut Gt<InProcess>,
        va: u64,
        value: u32,
        noops: usize,
    ) -> u64 {
        let mut commands = vec![0; noops];
        let store = mi::header(mi::STORE_DATA_IMM, 2);
        commands.extend([store, va as u32, (va >> 32) as u32, value, END]);
        self.batch(gt, &commands)
    }

    /// A batch that copies the dword at `from` to `to`.
    pub(crate) fn copy_batch(&mut self, gt: &mut Gt<InProcess>, from: u64, to: u64) -> u64 {
        let copy = mi::header(mi::COPY_MEM_MEM, 3);
        let commands = [copy, to as u32, (to >> 32) as u32, from as u32, (from >> 32) as u32, END];
        self.batch(gt, &commands)
    }

    /// A batch that loads `value` into a register.
    pub(crate) fn load_register_batch(
        &mut self,
        gt: &mut Gt<InProcess>,
        register: u32,
        value: u32,
    ) -> u64 {
        self.batch(gt, &[mi::header(mi::LOAD_REGISTER_IMM, 1), register, value, END])
    }

    /// A batch that stores a register at `va`.
    pub(crate) fn store_register_batch(
        &mut self,
        gt: &mut Gt<InProcess>,
        register: u32,
        va: u64,
    ) -> u64 {
        let store = mi::header(mi::STORE_REGISTER_MEM, 2);
        self.batch(gt, &[store, register, va as u32, (va >> 32) as u32, END])
    }

    /// A batch that jumps to its own start for ever.
    pub(crate) fn endless_batch(&mut self, gt: &mut Gt<InProcess>) -> u64 {
        let here = BATCH_BASE + PAGE_SIZE * self.batches;
        let jump = mi::header(mi::BATCH_BUFFER_START, 1) | mi::BATCH_PPGTT;
        self.batch(gt, &[0, jump, here as u32, (here >> 32) as u32])
    }

    /// A request that runs `batch` here.
    pub(crate) fn work(&self, token: u64, batch: u64) -> Work {
        let address_space = Some(self.space().root());
        Work { address_space, batch: Some(batch), ..Work::empty(token) }
    }

    /// Page tables that translate nothing: their root is the machine's unused first page.
    pub(crate) fn empty_root(&self) -> PageTableRoot {
        match self.levels {
            PtLevels::Three => PageTableRoot::ThreeLevel([0; 4]),
            PtLevels::Four => PageTableRoot::FourLevel(0),
        }
    }

    /// Submits; while the ring is full the device runs.
    pub(crate) fn submit_when_room(
        &self,
        gt: &mut Gt<InProcess>,
        ctx: &mut EngineContext,
        work: &Work,
    ) -> Submitted {
        for _ in 0..PATIENCE {
            match gt.submit(ctx, work) {
                Ok(submitted) => return submitted,
                Err(SubmitError::RingFull) => {
                    gt.relax();
                    gt.poll();
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the ring stays full");
    }

    /// The dword at a physical address.
    pub(crate) fn read(&self, gt: &Gt<InProcess>, address: u64) -> u32 {
        gt.platform().memory().read_u32(address).expect("in RAM")
    }

    /// Gives everything back.
    pub(crate) fn free(&mut self, gt: &mut Gt<InProcess>) {
        for page in self.pages.drain(..) {
            gt.free_page(page);
        }
        if let Some(space) = self.space.take() {
            space.release(&mut Tables { gt, owner: self.id });
        }
    }
}

const END: u32 = mi::header(mi::BATCH_BUFFER_END, 0);
