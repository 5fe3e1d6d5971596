//! A GPU with five engines, each with a context, on guarded RAM: what a run starts from, and how it
//! is judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gen8_spec::commands::mi;
use gen8_spec::context_image::{self as image, control};
use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{Addressing, ContextDescriptor};
use gen8_spec::mmio::ring as reg;
use gen8_spec::pte::{CacheLevel, encode_ggtt_pte};
use gen8_spec::{PAGE_SIZE, masked_enable, mmio, pci};
use gpu_model::{Bar, EngineActivity, Event, Gpu, GpuConfig, GuestRam, Interests, Observer};
use observe::Observers;
use ppgtt::{AddressSpace, Levels, PageAllocator, PageTableRoot, PhysicalMemory};
use rustix::time::{ClockId, clock_gettime};

use crate::ram::{HIGH, MAIN, READ_ONLY};

/// GT3: it has all five engines.
const DEVICE_ID: u16 = 0x1626;
/// The smallest GGTT (GMCH_CTRL, GGMS 1): the least to set up.
const GMCH_CTRL: u16 = 1 << 6;

/// A monitor, so that the display is more than storage.
const OUTPUT: &str = "hdmi=1024x768";

// What lies where in main RAM, engine after engine where each has its own. The GGTT maps all of RAM,
// address for address.
const STATUS_PAGES: u64 = 0x1000;
const RINGS: u64 = 0x8000;
/// Page tables, in the order in which `ppgtt` asks for them.
pub const TABLES: u64 = 0x1_0000;
/// Number of pages from [`TABLES`] on.
pub const TABLE_PAGES: u64 = 48;
const IMAGES: u64 = 0x4_0000;
/// As the render engine's has it, the largest.
const IMAGE_SIZE: u64 = EngineId::Rcs.context_image_pages() * PAGE_SIZE;
/// Pages that are mapped at [`DATA_VA`].
pub const DATA: u64 = 0x10_0000;
const DATA_PAGES: u64 = 64;
const BATCHES: u64 = 0x14_0000;
const BATCH_PAGES: u64 = 2;

/// Virtual address of data: main RAM, then pages that may only be read, the first pages behind main
/// RAM, which are none, high RAM, and the first pages behind that.
pub const DATA_VA: u64 = 0x40_0000;
/// Pages mapped there.
pub const DATA_VA_PAGES: u64 = DATA_PAGES + 16 + 4 + 18;
/// Virtual address of the first engine's batch; the next one's is a page-table span on.
pub const BATCH_VA: u64 = 0x80_0000;
const BATCH_STRIDE: u64 = 0x1_0000;
/// Bytes of data mapped at the very end of the address space.
const TOP_SIZE: u64 = 16 * PAGE_SIZE;
/// Dwords that a batch can have.
pub const BATCH_DWORDS: usize = (BATCH_PAGES * PAGE_SIZE / 4) as usize;

/// Commands a step.
const BUDGET: u32 = 1000;
/// Processor time that a step may take, by far: with sanitizers a step of full blits takes 10 ms.
const STEP_LIMIT: Duration = Duration::from_secs(2);

/// How software submits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
    /// Context images and ELSP.
    Execlists,
    /// Ring registers.
    Legacy,
}

/// Notes by a bit each which engines the device told instruction errors of; formats every event, as
/// a log does.
struct Listener(Arc<AtomicU32>);

impl Observer for Listener {
    fn interests(&self) -> Interests {
        Interests::ALL
    }

    fn event(&mut self, _now_ns: u64, event: &Event) {
        assert!(!format!("{event:?}").is_empty());
        if let Event::InstructionError { engine, .. } = event {
            self.0.fetch_or(1 << *engine as u32, Ordering::Relaxed);
        }
    }
}

struct Pages {
    next: u64,
}

impl PageAllocator for Pages {
    fn alloc(&mut self, _kind: PageKind) -> Option<u64> {
        let page = self.next;
        self.next += PAGE_SIZE;
        (page < TABLES + TABLE_PAGES * PAGE_SIZE).then_some(page)
    }
    fn free(&mut self, _page: u64, _kind: PageKind) {}
}

/// The machine.
pub struct Machine {
    /// The device.
    pub gpu: Gpu,
    /// Its RAM.
    pub memory: GuestRam,
    submission: Submission,
    levels: Levels,
    root: PageTableRoot,
    tails: [u32; 5],
    instruction_errors: Arc<AtomicU32>,
    /// FUSE2 as the part has it.
    fuse2: u32,
}

impl Machine {
    /// Brings the device up on RAM that is all 0.
    pub fn new(memory: GuestRam, submission: Submission, levels: Levels) -> Machine {
        let mut config = GpuConfig::by_device_id(DEVICE_ID).expect("a Broadwell");
        config.gmch_ctrl = GMCH_CTRL;
        config.outputs = vec![OUTPUT.parse().expect("an output")];
        let mut gpu = Gpu::new(config, memory.clone());
        let instruction_errors = Arc::new(AtomicU32::new(0));
        gpu.set_observer(Some(Box::new(Listener(Arc::clone(&instruction_errors)))));
        let root = build_tables(&memory, levels);
        let (tails, fuse2) = ([0; 5], 0);
        let mut machine =
            Machine { gpu, memory, submission, levels, root, tails, instruction_errors, fuse2 };
        machine.bring_up();
        machine.fuse2 = machine.get(mmio::FUSE2);
        machine
    }

    /// Lets these observers hear of everything from now on.
    pub fn watch(&mut self, mut observers: Observers) {
        observers.push(Listener(Arc::clone(&self.instruction_errors)));
        self.gpu.set_observer(Some(Box::new(observers)));
    }

    /// From any state: the function answers, the GGTT maps RAM, every engine has its context.
    fn bring_up(&mut self) {
        self.answer();
        self.set(mmio::FORCEWAKE_MT, masked_enable(1));
        for range in [MAIN, HIGH, READ_ONLY] {
            for page in (range.base..range.base + range.len).step_by(PAGE_SIZE as usize) {
                let at = pci::BAR0_GGTT_OFFSET + page / PAGE_SIZE * 8;
                self.gpu.bar_write(Bar::Bar0, at, 8, encode_ggtt_pte(page));
            }
        }
        self.tails = [0; 5];
        for engine in EngineId::ALL {
            self.bring_up_engine(engine);
        }
    }

    fn bring_up_engine(&mut self, engine: EngineId) {
        let n = engine as u64;
        let base = engine.mmio_base();
        self.set(base + reg::MI_MODE, reg::MI_MODE_STOP_RING << 16);
        self.set(base + reg::HWS_PGA, (STATUS_PAGES + n * PAGE_SIZE) as u32);
        self.set(base + reg::IMR, 0);
        let wide = if self.levels == Levels::Four { reg::GFX_MODE_48BIT } else { 0 };
        match self.submission {
            Submission::Execlists => {
                self.set(base + reg::GFX_MODE, masked_enable(reg::GFX_MODE_EXECLISTS));
                self.make_image(engine);
            }
            Submission::Legacy => {
                self.set(base + reg::GFX_MODE, reg::GFX_MODE_EXECLISTS << 16);
                self.set(base + reg::GFX_MODE, masked_enable(reg::GFX_MODE_PPGTT | wide));
                for (pdp, at) in self.root.pdps().into_iter().zip((0..).step_by(8)) {
                    self.set(base + reg::PDP0_UDW + at, (pdp >> 32) as u32);
                    self.set(base + reg::PDP0_LDW + at, pdp as u32);
                }
                let ring = [(reg::CTL, 0), (reg::HEAD, 0), (reg::TAIL, 0)];
                let place = [(reg::START, ring_of(engine) as u32), (reg::CTL, reg::CTL_VALID)];
                for (at, value) in ring.into_iter().chain(place) {
                    self.set(base + at, value);
                }
            }
        }
    }

    /// A new context: whatever was in its image is gone.
    fn make_image(&self, engine: EngineId) {
        let first = IMAGES + engine as u64 * IMAGE_SIZE;
        let qwords = (engine.context_image_pages() * PAGE_SIZE / 8) as usize;
        assert!(self.memory.fill_u64(first, 0, qwords), "images are in RAM");
        let set = |index: usize, value| {
            self.poke(image_of(engine) + 4 * (index as u64 + 1), value);
        };
        for (n, pdp) in self.root.pdps().into_iter().enumerate() {
            set(image::pdp_udw(n), (pdp >> 32) as u32);
            set(image::pdp_ldw(n), pdp as u32);
        }
        let inhibit = control::INHIBIT_SYNC_SWITCH | control::RESTORE_INHIBIT;
        set(image::CONTEXT_CONTROL, masked_enable(inhibit));
        for index in [image::RING_HEAD, image::RING_TAIL] {
            set(index, 0);
        }
        set(image::RING_START, ring_of(engine) as u32);
        set(image::RING_CTL, reg::CTL_VALID);
    }

    /// Writes a dword of RAM; nothing where there is none.
    pub fn poke(&self, at: u64, value: u32) {
        // What is not RAM drops the write, as on the bus.
        self.memory.write_u32(at, value);
    }

    /// Writes a register.
    pub fn set(&mut self, offset: u32, value: u32) {
        self.gpu.bar_write(Bar::Bar0, offset.into(), 4, value.into());
    }

    fn get(&mut self, offset: u32) -> u32 {
        self.gpu.bar_read(Bar::Bar0, offset.into(), 4) as u32
    }

    /// Takes back what silences the function: decoding, bus mastering, power state.
    pub fn answer(&mut self) {
        let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER | pci::COMMAND_IO;
        self.gpu.config_write(pci::CFG_COMMAND, 2, command.into());
        self.gpu.config_write(pci::CFG_PM + pci::PM_CONTROL, 2, 0);
    }

    /// Puts commands at the engine's batch address.
    pub fn write_batch(&self, engine: EngineId, commands: &[u32]) {
        let start = BATCHES + engine as u64 * BATCH_PAGES * PAGE_SIZE;
        for (at, &dword) in (start..).step_by(4).zip(commands.iter().take(BATCH_DWORDS)) {
            self.poke(at, dword);
        }
    }

    /// Appends commands to the engine's ring and submits it.
    pub fn submit(&mut self, engine: EngineId, commands: &[u32]) {
        let tail = &mut self.tails[engine as usize];
        let padding = commands.len() % 2;
        for &dword in commands.iter().chain(&[mi::NOOP][..padding]) {
            self.memory.write_u32(ring_of(engine) + u64::from(*tail), dword);
            *tail = (*tail + 4) % PAGE_SIZE as u32;
        }
        let tail = *tail;
        match self.submission {
            Submission::Legacy => self.set(engine.mmio_base() + reg::TAIL, tail),
            Submission::Execlists => {
                self.poke(image_of(engine) + 4 * (image::RING_TAIL as u64 + 1), tail);
                self.submit_list(engine, [self.descriptor(engine), ContextDescriptor(0)]);
            }
        }
    }

    /// Descriptor of the engine's context.
    pub fn descriptor(&self, engine: EngineId) -> ContextDescriptor {
        let mode = match self.levels {
            Levels::Three => Addressing::Legacy32,
            Levels::Four => Addressing::Legacy64,
        };
        let lrca = (IMAGES + engine as u64 * IMAGE_SIZE) as u32;
        ContextDescriptor::new(lrca, engine as u32 + 1, mode)
    }

    /// Writes two elements to the submission port.
    pub fn submit_list(&mut self, engine: EngineId, [first, second]: [ContextDescriptor; 2]) {
        for half in [second.upper(), second.lower(), first.upper(), first.lower()] {
            self.set(engine.mmio_base() + reg::ELSP, half);
        }
    }

    /// One step, judged.
    pub fn step(&mut self) -> EngineActivity {
        let before = processor_time();
        let report = self.gpu.step(BUDGET);
        let took = processor_time().saturating_sub(before);
        assert!(report.commands <= BUDGET, "{report:?} with a budget of {BUDGET}");
        assert!(took < STEP_LIMIT, "a step took {took:?} of processor time");
        report.state
    }

    /// Judges the device after whatever it went through: errors were told, it answers, and a full
    /// reset brings `engine` back.
    pub fn judge(mut self, engine: EngineId) {
        self.answer();
        let told = self.instruction_errors.load(Ordering::Relaxed);
        for engine in EngineId::ALL {
            // EMR, which the guest has, decides on EIR; ESR has every error that lasts.
            let errors = self.get(engine.mmio_base() + reg::ESR);
            let is_told = told & 1 << engine as u32 != 0;
            assert!(is_told || errors & reg::EIR_INSTRUCTION == 0, "{}: no event", engine.name());
        }
        assert_eq!(self.get(mmio::FUSE2), self.fuse2, "what no guest changes");
        self.set(mmio::GDRST, mmio::GDRST_FULL);
        assert_eq!(self.get(mmio::GDRST), 0, "the reset is done");
        assert_eq!(self.step(), EngineActivity::Idle, "after the reset");
        self.root = build_tables(&self.memory, self.levels);
        self.bring_up();
        self.check_alive(engine);
    }

    /// The engine runs a user batch that stores a dword.
    fn check_alive(&mut self, engine: EngineId) {
        let marker = 0x600d_0000 | engine as u32;
        self.poke(DATA, 0);
        let (low, high) = (DATA_VA as u32, (DATA_VA >> 32) as u32);
        let store = [mi::header(mi::STORE_DATA_IMM, 2), low, high, marker];
        self.write_batch(engine, &[&store[..], &[BATCH_END]].concat());
        self.submit(engine, &start_batch(engine, mi::BATCH_PPGTT));
        while self.step() == EngineActivity::Busy {}
        let stored = self.memory.read_u32(DATA);
        assert_eq!(stored, Some(marker), "{} after the reset", engine.name());
    }
}

/// MI_BATCH_BUFFER_END.
pub(crate) const BATCH_END: u32 = mi::header(mi::BATCH_BUFFER_END, 0);

/// Virtual address of the engine's batch.
pub fn batch_va(engine: EngineId) -> u64 {
    BATCH_VA + engine as u64 * BATCH_STRIDE
}

/// MI_BATCH_BUFFER_START of the engine's batch.
pub fn start_batch(engine: EngineId, flags: u32) -> [u32; 3] {
    let address = match flags & mi::BATCH_PPGTT {
        0 => BATCHES + engine as u64 * BATCH_PAGES * PAGE_SIZE,
        _ => batch_va(engine),
    };
    [mi::header(mi::BATCH_BUFFER_START, 1) | flags, address as u32, (address >> 32) as u32]
}

/// Where the engine's context image keeps its registers.
pub fn image_of(engine: EngineId) -> u64 {
    IMAGES + engine as u64 * IMAGE_SIZE + image::STATE_PAGE * PAGE_SIZE
}

fn ring_of(engine: EngineId) -> u64 {
    RINGS + engine as u64 * PAGE_SIZE
}

/// The page tables of all contexts.
fn build_tables(memory: &GuestRam, levels: Levels) -> PageTableRoot {
    let mut pages = Pages { next: TABLES };
    let mut space = AddressSpace::new(memory, &mut pages, levels).expect("tables");
    let main = (0..DATA_PAGES).map(|n| DATA + n * PAGE_SIZE);
    let beyond = [(READ_ONLY.base, 16), (MAIN.len, 4), (HIGH.base, 18)];
    let beyond =
        beyond.into_iter().flat_map(|(at, count)| (0..count).map(move |n| at + n * PAGE_SIZE));
    let top = (0..TOP_SIZE).step_by(PAGE_SIZE as usize).map(|at| DATA + at);
    let mut map = |va: u64, list: Vec<u64>| {
        let len = list.len() as u64 * PAGE_SIZE;
        space.allocate_range(memory, &mut pages, va, len).expect("tables");
        space.insert(memory, va, list, CacheLevel::Llc, false).expect("mapped");
    };
    map(DATA_VA, main.chain(beyond).collect());
    for engine in EngineId::ALL {
        let first = BATCHES + engine as u64 * BATCH_PAGES * PAGE_SIZE;
        map(batch_va(engine), (0..BATCH_PAGES).map(|n| first + n * PAGE_SIZE).collect());
    }
    map(levels.total() - TOP_SIZE, top.collect());
    space.root()
}

/// What this thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
