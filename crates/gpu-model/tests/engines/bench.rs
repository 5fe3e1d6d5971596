//! A device with memory, page tables, rings and contexts made by hand: no driver's opinion is in
//! it. GGTT addresses equal physical ones.

use std::sync::{Arc, Mutex};

use gen8_spec::commands::mi;
use gen8_spec::context_image::{self as image, control};
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{Addressing, ContextDescriptor};
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::{PAGE_SIZE, hwsp, masked_enable, pci, pte};
use gpu_model::{Bar, EngineActivity, Event, Gpu, GpuConfig, GuestRam, Interests, Observer};
use ppgtt::{Level, Levels, PhysicalMemory};

const RAM: u64 = 16 << 20;
/// GT3: it has all five engines.
const DEVICE: u16 = 0x1626;
const RING_PAGES: u64 = 1;
pub(crate) const RING_BYTES: u32 = (RING_PAGES * PAGE_SIZE) as u32;

/// Keeps every event of some groups.
#[derive(Clone)]
struct Log(Arc<Mutex<Vec<Event>>>, Interests);

impl Observer for Log {
    fn interests(&self) -> Interests {
        self.1
    }

    fn event(&mut self, _now_ns: u64, event: &Event) {
        self.0.lock().expect("one thread").push(event.clone());
    }
}

/// The device and its memory.
pub(crate) struct Bench {
    pub(crate) gpu: Gpu,
    pub(crate) ram: GuestRam,
    log: Log,
    next_page: u64,
}

/// An address space.
#[derive(Clone, Copy)]
pub(crate) struct Vm {
    pub(crate) levels: Levels,
    pub(crate) pdps: [u64; 4],
}

/// A logical-ring context.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    pub(crate) engine: EngineId,
    pub(crate) descriptor: ContextDescriptor,
    pub(crate) ring: u64,
    pub(crate) tail: u32,
}

impl Bench {
    /// The device after a driver's first steps, with the GGTT mapped one to one.
    pub(crate) fn new() -> Bench {
        Bench::with_config(GpuConfig::by_device_id(DEVICE).expect("a Broadwell"))
    }

    pub(crate) fn with_config(config: GpuConfig) -> Bench {
        let ram = GuestRam::anonymous(RAM).expect("memory");
        let mut gpu = Gpu::new(config, ram.clone());
        let log = Log(Arc::default(), Interests::DEFAULT);
        gpu.set_observer(Some(Box::new(log.clone())));
        let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
        gpu.config_write(pci::CFG_COMMAND, 2, command.into());
        let mut bench = Bench { gpu, ram, log, next_page: PAGE_SIZE };
        bench.write_register(mmio::FORCEWAKE_MT, masked_enable(1));
        for page in 1..RAM / PAGE_SIZE {
            bench.map_ggtt(page * PAGE_SIZE, page * PAGE_SIZE);
        }
        for engine in EngineId::ALL {
            let status_page = bench.page();
            bench.set(engine, reg::HWS_PGA, status_page as u32);
            bench.set(engine, reg::IMR, 0);
        }
        bench.events();
        bench
    }

    /// A zeroed page.
    pub(crate) fn page(&mut self) -> u64 {
        self.pages(1)
    }

    /// `count` zeroed pages in a row.
    pub(crate) fn pages(&mut self, count: u64) -> u64 {
        let page = self.next_page;
        self.next_page += count * PAGE_SIZE;
        assert!(self.next_page <= RAM, "bench is out of pages");
        page
    }

    pub(crate) fn map_ggtt(&mut self, address: u64, physical: u64) {
        self.write_ggtt_pte(address, pte::encode_ggtt_pte(physical));
    }

    pub(crate) fn write_ggtt_pte(&mut self, address: u64, value: u64) {
        let offset = pci::BAR0_GGTT_OFFSET + address / PAGE_SIZE * 8;
        self.gpu.bar_write(Bar::Bar0, offset, 8, value);
    }

    pub(crate) fn read_register(&mut self, offset: u32) -> u32 {
        self.gpu.bar_read(Bar::Bar0, offset.into(), 4) as u32
    }

    pub(crate) fn write_register(&mut self, offset: u32, value: u32) {
        self.gpu.bar_write(Bar::Bar0, offset.into(), 4, value.into());
    }

    pub(crate) fn get(&mut self, engine: EngineId, offset: u32) -> u32 {
        self.read_register(engine.mmio_base() + offset)
    }

    pub(crate) fn set(&mut self, engine: EngineId, offset: u32, value: u32) {
        self.write_register(engine.mmio_base() + offset, value);
    }

    /// Hears events of these groups from now on.
    pub(crate) fn listen(&mut self, interests: Interests) {
        self.log.1 = interests;
        self.gpu.set_observer(Some(Box::new(self.log.clone())));
        self.events();
    }

    /// The events since the last call.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        core::mem::take(&mut *self.log.0.lock().expect("one thread"))
    }

    pub(crate) fn peek(&self, address: u64) -> u32 {
        self.ram.read_u32(address).expect("in RAM")
    }

    pub(crate) fn poke(&self, address: u64, value: u32) {
        assert!(self.ram.write_u32(address, value), "in RAM");
    }

    pub(crate) fn poke_all(&self, address: u64, values: &[u32]) {
        for (n, &value) in values.iter().enumerate() {
            self.poke(address + 4 * n as u64, value);
        }
    }

    /// Steps until no engine is busy.
    pub(crate) fn run(&mut self) -> EngineActivity {
        for _ in 0..1000 {
            let report = self.gpu.step(1000);
            if report.state != EngineActivity::Busy {
                return report.state;
            }
        }
        panic!("the device is busy for ever");
    }

    /// An address space without mappings.
    pub(crate) fn vm(&mut self, levels: Levels) -> Vm {
        let mut pdps = [0; 4];
        match levels {
            Levels::Three => pdps = pdps.map(|_| self.page()),
            Levels::Four => pdps[0] = self.page(),
        }
        Vm { levels, pdps }
    }

    /// Writes the PTE of `va`, building tables on the way, and returns its address.
    pub(crate) fn write_pte(&mut self, vm: Vm, va: u64, entry: u64) -> u64 {
        let (mut table, top) = match vm.levels {
            Levels::Three => (vm.pdps[(va >> 30) as usize & 3], 1),
            Levels::Four => (vm.pdps[0], 3),
        };
        for level in [Level::Pml4, Level::Pdp, Level::Pd] {
            if level.number() > top {
                continue;
            }
            let at = table + 8 * level.index(va) as u64;
            let mut next = self.ram.read_u64(at).expect("in RAM") & pte::ADDRESS_MASK;
            if next == 0 {
                next = self.page();
                assert!(self.ram.write_u64(at, pte::encode_table(next)));
            }
            table = next;
        }
        let at = table + 8 * Level::Pt.index(va) as u64;
        assert!(self.ram.write_u64(at, entry));
        at
    }

    pub(crate) fn map(&mut self, vm: Vm, va: u64, physical: u64) -> u64 {
        let entry = pte::encode_pte(physical, pte::CacheLevel::Llc, false);
        self.write_pte(vm, va, entry)
    }

    /// A page mapped at `va`.
    pub(crate) fn mapped_page(&mut self, vm: Vm, va: u64) -> u64 {
        let page = self.page();
        self.map(vm, va, page);
        page
    }

    /// Puts a batch at `va`.
    pub(crate) fn batch(&mut self, vm: Vm, va: u64, commands: &[u32]) -> u64 {
        let page = self.mapped_page(vm, va);
        self.poke_all(page, commands);
        page
    }

    /// Turns execlists on.
    pub(crate) fn execlists(&mut self, engine: EngineId) {
        self.set(engine, reg::GFX_MODE, masked_enable(reg::GFX_MODE_EXECLISTS));
    }

    /// A context with an empty ring, restorable.
    pub(crate) fn context(&mut self, engine: EngineId, vm: Vm, id: u32) -> Context {
        let pages = engine.context_image_pages();
        let lrca = self.pages(pages);
        let ring = self.pages(RING_PAGES);
        let mode = match vm.levels {
            Levels::Three => Addressing::Legacy32,
            Levels::Four => Addressing::Legacy64,
        };
        let descriptor = ContextDescriptor::new(lrca as u32, id, mode);
        let context = Context { engine, descriptor, ring, tail: 0 };
        let inhibit = masked_enable(control::INHIBIT_SYNC_SWITCH);
        self.set_image(context, image::CONTEXT_CONTROL, inhibit);
        self.set_image(context, image::RING_START, ring as u32);
        self.set_image(context, image::RING_CTL, (RING_BYTES - PAGE_SIZE as u32) | reg::CTL_VALID);
        for (n, pdp) in vm.pdps.into_iter().enumerate() {
            self.set_image(context, image::pdp_udw(n), (pdp >> 32) as u32);
            self.set_image(context, image::pdp_ldw(n), pdp as u32);
        }
        context
    }

    /// Address of the value of image field `index`.
    pub(crate) fn image_at(context: Context, index: usize) -> u64 {
        u64::from(context.descriptor.lrca())
            + image::STATE_PAGE * PAGE_SIZE
            + 4 * (index as u64 + 1)
    }

    pub(crate) fn set_image(&self, context: Context, index: usize, value: u32) {
        self.poke(Self::image_at(context, index), value);
    }

    pub(crate) fn image(&self, context: Context, index: usize) -> u32 {
        self.peek(Self::image_at(context, index))
    }

    /// Appends commands to a context's ring, padded to a qword, and moves TAIL in the image.
    pub(crate) fn emit(&self, context: &mut Context, commands: &[u32]) {
        let padding = commands.len() % 2;
        for &dword in commands.iter().chain(&[0][..padding]) {
            self.poke(context.ring + u64::from(context.tail), dword);
            context.tail = (context.tail + 4) % RING_BYTES;
        }
        self.set_image(*context, image::RING_TAIL, context.tail);
    }

    /// Writes a list to the submit port.
    pub(crate) fn submit(&mut self, first: Context, second: Option<Context>) {
        let second = second.map_or(ContextDescriptor(0), |context| context.descriptor);
        self.submit_raw(first.engine, first.descriptor, second);
    }

    pub(crate) fn submit_raw(
        &mut self,
        engine: EngineId,
        first: ContextDescriptor,
        second: ContextDescriptor,
    ) {
        for dword in [second.upper(), second.lower(), first.upper(), first.lower()] {
            self.set(engine, reg::ELSP, dword);
        }
    }

    pub(crate) fn status_page(&mut self, engine: EngineId) -> u64 {
        self.get(engine, reg::HWS_PGA).into()
    }

    /// Last written CSB index in the status page.
    pub(crate) fn csb_index(&mut self, engine: EngineId) -> u32 {
        let page = self.status_page(engine);
        self.peek(page + hwsp::CSB_WRITE_INDEX)
    }

    /// The first `count` CSB entries in the status page.
    pub(crate) fn csb(&mut self, engine: EngineId, count: u64) -> Vec<(u32, u32)> {
        let at = self.status_page(engine) + hwsp::CSB;
        (0..count).map(|n| (self.peek(at + 8 * n), self.peek(at + 8 * n + 4))).collect()
    }
}

/// MI_STORE_DATA_IMM of a dword.
pub(crate) fn store(address: u64, value: u32) -> [u32; 4] {
    [mi::header(mi::STORE_DATA_IMM, 2), address as u32, (address >> 32) as u32, value]
}

/// The same in the GGTT.
pub(crate) fn store_ggtt(address: u64, value: u32) -> [u32; 4] {
    let [header, low, high, value] = store(address, value);
    [header | mi::USE_GGTT, low, high, value]
}

/// MI_BATCH_BUFFER_START with these flags.
pub(crate) fn start(address: u64, flags: u32) -> [u32; 3] {
    [mi::header(mi::BATCH_BUFFER_START, 1) | flags, address as u32, (address >> 32) as u32]
}

/// MI_LOAD_REGISTER_IMM of one register.
pub(crate) fn load_register(register: u32, value: u32) -> [u32; 3] {
    [mi::header(mi::LOAD_REGISTER_IMM, 1), register, value]
}

/// MI_SEMAPHORE_WAIT in the GGTT, polling.
pub(crate) fn wait_ggtt(address: u64, compare: u32, data: u32) -> [u32; 4] {
    let flags = mi::USE_GGTT | mi::semaphore::POLL | compare << mi::semaphore::COMPARE_SHIFT;
    [mi::header(mi::SEMAPHORE_WAIT, 2) | flags, data, address as u32, (address >> 32) as u32]
}

/// A command of one dword.
pub(crate) const fn one(opcode: u32) -> u32 {
    mi::header(opcode, 0)
}

pub(crate) const END: u32 = one(mi::BATCH_BUFFER_END);
pub(crate) const ARB_CHECK: u32 = one(mi::ARB_CHECK);
pub(crate) const ARB_OFF: u32 = one(mi::ARB_ON_OFF);
pub(crate) const ARB_ON: u32 = mi::header(mi::ARB_ON_OFF, mi::ARB_ENABLE);
