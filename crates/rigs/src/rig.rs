//! Engines with a context each, brought up by hand: no driver is in the way of what is measured.

use gen8_spec::commands::mi;
use gen8_spec::context_image::{self as image, control};
use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{Addressing, ContextDescriptor, csb};
use gen8_spec::mmio::ring;
use gen8_spec::pte::{CacheLevel, encode_ggtt_pte};
use gen8_spec::{PAGE_SIZE, hwsp, masked_enable, mmio, pci};
use gpu_model::{Bar, EngineActivity, Gpu, GuestRam};
use ppgtt::{AddressSpace, Levels, PageAllocator, PhysicalMemory};

use crate::{RigError, config};

/// The engine of a rig that has one.
pub const ENGINE: EngineId = EngineId::Rcs;
/// RAM below this is mapped in the GGTT, address for address.
const GGTT_MAPPED: u64 = 4 << 20;
/// The status page of the first engine; what the second one works with lies behind the first one's.
pub const STATUS_PAGE: u64 = 0x1_0000;
const IMAGE: u64 = 0x10_0000;
const RING: u64 = 0x20_0000;
const NEXT: u64 = 0x8_0000;
const RING_SIZE: u64 = 4 * PAGE_SIZE;
const TABLES: u64 = 0x30_0000;
/// Physical memory that batches and their data live in.
const DATA: u64 = 0x80_0000;
const DATA_SIZE: u64 = 16 << 20;
/// Bytes for the batches, before their data.
pub const BATCH_ROOM: u64 = 1 << 20;
/// Offset of the second engine's batch.
pub const SECOND_BATCH: u64 = NEXT;
/// Id of every engine's context.
pub const CONTEXT_ID: u32 = 1;
/// Where the memory of batches and their data is in the contexts' address space.
pub const DATA_VA: u64 = 0x7f_0000_0000;
/// Steps after which a batch that is still not through never will be.
const PATIENCE: u32 = 1000;
/// Commands a step: enough that the cost of the call does not count.
const BUDGET: u32 = 4096;

/// The device and what it works on.
pub struct Rig {
    gpu: Gpu,
    memory: GuestRam,
    /// One or two.
    engines: Vec<EngineId>,
    /// Offset in every ring up to which work was submitted.
    tail: u64,
}

struct Pages {
    next: u64,
}

impl PageAllocator for Pages {
    fn alloc(&mut self, _kind: PageKind) -> Option<u64> {
        let page = self.next;
        self.next += PAGE_SIZE;
        (self.next <= DATA).then_some(page)
    }
    fn free(&mut self, _page: u64, _kind: PageKind) {}
}

impl Rig {
    /// Brings up the render engine; nothing runs yet. Every piece of work starts the batch at
    /// [`DATA_VA`].
    ///
    /// # Errors
    ///
    /// The host has no memory for it.
    pub fn new() -> Result<Rig, RigError> {
        Rig::with(ENGINE, DATA_SIZE, DATA_SIZE)
    }

    /// Brings up two engines; work of the second one starts the batch at [`SECOND_BATCH`].
    ///
    /// # Errors
    ///
    /// The host has no memory for it.
    pub fn pair(engines: [EngineId; 2]) -> Result<Rig, RigError> {
        Rig::on(&engines, DATA_SIZE, DATA_SIZE)
    }

    /// Brings up an engine with so many bytes of memory, mapped over and over up to `span` bytes of
    /// addresses; the first [`BATCH_ROOM`] only once.
    ///
    /// # Errors
    ///
    /// The host has no memory for it.
    pub fn with(engine: EngineId, size: u64, span: u64) -> Result<Rig, RigError> {
        Rig::on(&[engine], size, span)
    }

    fn on(engines: &[EngineId], size: u64, span: u64) -> Result<Rig, RigError> {
        let memory = GuestRam::anonymous(DATA + size)?;
        let gpu = Gpu::new(config()?, memory.clone());
        let mut rig = Rig { gpu, memory, engines: engines.to_vec(), tail: 0 };
        rig.wake();
        let pdps = rig.map(size, span)?;
        for (&engine, next) in engines.iter().zip(PLACES) {
            rig.enable(engine, next);
            rig.fill_ring(next);
            rig.make_context(engine, next, pdps);
        }
        Ok(rig)
    }

    /// Lets the function decode and master the bus, the GT wake, the GGTT map low RAM.
    fn wake(&mut self) {
        let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
        self.gpu.config_write(pci::CFG_COMMAND, 2, command.into());
        self.write(mmio::FORCEWAKE_MT, masked_enable(1));
        for page in 0..GGTT_MAPPED / PAGE_SIZE {
            let pte = encode_ggtt_pte(page * PAGE_SIZE);
            self.gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * page, 8, pte);
        }
    }

    /// Lets an engine use execlists.
    fn enable(&mut self, engine: EngineId, next: u64) {
        self.write(engine.mmio_base() + ring::HWS_PGA, (STATUS_PAGE + next) as u32);
        let mode = masked_enable(ring::GFX_MODE_EXECLISTS);
        self.write(engine.mmio_base() + ring::GFX_MODE, mode);
    }

    fn write(&mut self, register: u32, value: u32) {
        self.gpu.bar_write(Bar::Bar0, register.into(), 4, value.into());
    }

    /// The same work all along the ring: start the batch. So the next work is always there, and
    /// submitting it costs the tail alone.
    fn fill_ring(&self, next: u64) {
        let start = mi::header(mi::BATCH_BUFFER_START, 1) | mi::BATCH_PPGTT;
        let batch = DATA_VA + next;
        let work = [start, batch as u32, (batch >> 32) as u32, mi::NOOP];
        let dwords: Vec<u32> = work.repeat((RING_SIZE / WORK_SIZE) as usize);
        self.put(RING + next, &dwords);
    }

    /// Makes the address space of all contexts; its PDPs.
    fn map(&self, size: u64, span: u64) -> Result<[u64; 4], RigError> {
        let mut pages = Pages { next: TABLES };
        let mut space = AddressSpace::new(&self.memory, &mut pages, Levels::Four)?;
        space.allocate_range(&self.memory, &mut pages, DATA_VA, span)?;
        let data = (0..span).step_by(PAGE_SIZE as usize).map(|at| match at < BATCH_ROOM {
            true => DATA + at,
            false => DATA + BATCH_ROOM + (at - BATCH_ROOM) % (size - BATCH_ROOM),
        });
        space.insert(&self.memory, DATA_VA, data, CacheLevel::Llc, false)?;
        Ok(space.root().pdps())
    }

    fn make_context(&self, engine: EngineId, next: u64, pdps: [u64; 4]) {
        let state = STATE + next;
        let set = |index: usize, value| self.put(state + 4 * (index as u64 + 1), &[value]);
        for (n, pdp) in pdps.into_iter().enumerate() {
            set(image::pdp_udw(n), (pdp >> 32) as u32);
            set(image::pdp_ldw(n), pdp as u32);
        }
        let headers = match engine {
            EngineId::Rcs => [image::RCS_LRI_0, image::RCS_LRI_1, image::RCS_LRI_2],
            _ => [image::XCS_LRI_0, image::XCS_LRI_1, image::XCS_LRI_2],
        };
        let places = [image::LRI_HEADER_0, image::LRI_HEADER_1, image::LRI_HEADER_2];
        for (index, header) in places.into_iter().zip(headers) {
            self.put(state + 4 * index as u64, &[header]);
        }
        let inhibit = control::INHIBIT_SYNC_SWITCH | control::RESTORE_INHIBIT;
        set(image::CONTEXT_CONTROL, masked_enable(inhibit));
        set(image::RING_START, (RING + next) as u32);
        let size = (RING_SIZE - PAGE_SIZE) as u32 & ring::CTL_SIZE_MASK;
        set(image::RING_CTL, size | ring::CTL_VALID);
    }

    /// Writes dwords at a physical address below the end of RAM.
    fn put(&self, address: u64, dwords: &[u32]) {
        let bytes: Vec<u8> = dwords.iter().flat_map(|dword| dword.to_le_bytes()).collect();
        self.memory.write_bytes(address, &bytes);
    }

    /// Writes dwords at an offset of the mapped memory.
    pub fn put_data(&self, offset: u64, dwords: &[u32]) {
        self.put(DATA + offset, dwords);
    }

    /// Reads a dword of the mapped memory.
    pub fn data(&self, offset: u64) -> Option<u32> {
        self.memory.read_u32(DATA + offset)
    }

    /// Puts one more start of the batch into every ring and writes the ELSPs.
    pub fn submit(&mut self) {
        let (place, tail) = self.next_tail();
        for (n, next) in (0..self.engines.len()).zip(PLACES) {
            self.memory.write_u32(place + next, tail);
            let port = self.engines[n].mmio_base() + ring::ELSP;
            for half in elsp_writes(next) {
                self.write(port, half);
            }
        }
    }

    /// The next RING_TAIL, and where it is in the first engine's image.
    pub fn next_tail(&mut self) -> (u64, u32) {
        self.tail = (self.tail + WORK_SIZE) % RING_SIZE;
        (STATE + 4 * (image::RING_TAIL as u64 + 1), self.tail as u32)
    }

    /// What RAM holds, for another device of which the registers are set up by [`Rig::setup`] and that gets
    /// [`Rig::elsp_writes`].
    pub fn memory_content(&self) -> Vec<u8> {
        let mut content = vec![0; self.memory.size() as usize];
        self.memory.read_bytes(0, &mut content);
        content
    }

    /// What the first engine's device has to be told, as offsets in BAR0 and dwords.
    pub fn setup() -> Vec<(u64, u32)> {
        let base = u64::from(ENGINE.mmio_base());
        let mut writes = vec![
            (mmio::FORCEWAKE_MT.into(), masked_enable(1)),
            (base + u64::from(ring::HWS_PGA), STATUS_PAGE as u32),
            (base + u64::from(ring::GFX_MODE), masked_enable(ring::GFX_MODE_EXECLISTS)),
        ];
        for page in 0..GGTT_MAPPED / PAGE_SIZE {
            let pte = encode_ggtt_pte(page * PAGE_SIZE);
            let offset = pci::BAR0_GGTT_OFFSET + 8 * page;
            writes.extend([(offset, pte as u32), (offset + 4, (pte >> 32) as u32)]);
        }
        writes
    }

    /// The dwords that submit the first engine's context.
    pub fn elsp_writes() -> [u32; 4] {
        elsp_writes(0)
    }

    /// The newest CSB entry in the first engine's status page: its index and its status.
    pub fn last_context_status(&self) -> Option<(u32, u32)> {
        let index = self.memory.read_u32(STATUS_PAGE + hwsp::CSB_WRITE_INDEX)?;
        let status = self.memory.read_u32(STATUS_PAGE + hwsp::CSB + 8 * u64::from(index))?;
        Some((index, status))
    }

    /// Steps the device once; commands that it executed.
    pub fn step(&mut self) -> u64 {
        self.gpu.step(BUDGET).commands.into()
    }

    /// Runs every engine's batch once, to its end.
    pub fn run_batch(&mut self) {
        self.submit();
        while self.gpu.step(BUDGET).state == EngineActivity::Busy {}
    }

    /// Runs an endless batch for at least so many commands; how many they were.
    pub fn run(&mut self, commands: u64) -> u64 {
        let mut done = 0;
        while done < commands {
            done += self.step().max(1);
        }
        done
    }

    /// Submits the first engine's batch and steps until the CSB says that it is idle again.
    ///
    /// # Errors
    ///
    /// It never is.
    pub fn run_to_csb(&mut self) -> Result<(), RigError> {
        let before = self.last_context_status();
        self.submit();
        let idle = (0..PATIENCE).any(|_| {
            self.step();
            let now = self.last_context_status();
            now != before && now.is_some_and(|(_, status)| status & csb::ACTIVE_IDLE != 0)
        });
        if idle { Ok(()) } else { Err(RigError::NoStatus { steps: PATIENCE }) }
    }

    /// Makes sure that an endless batch really runs.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn check_endless(&mut self) -> Result<(), RigError> {
        let executed: u64 = (0..64).map(|_| self.step()).sum();
        if executed > 1000 { Ok(()) } else { Err(RigError::Stuck { executed }) }
    }
}

/// The dwords that submit an engine's context. Element 1 is empty; the last of the four writes submits.
fn elsp_writes(next: u64) -> [u32; 4] {
    let image = (IMAGE + next) as u32;
    let descriptor = ContextDescriptor::new(image, CONTEXT_ID, Addressing::Legacy64);
    [0, 0, descriptor.upper(), descriptor.lower()]
}

/// What lies where, for the first and the second engine.
const PLACES: [u64; 2] = [0, NEXT];
/// Bytes of ring that start the batch once.
const WORK_SIZE: u64 = 16;
/// The register state of the first engine's context image.
const STATE: u64 = IMAGE + image::STATE_PAGE * PAGE_SIZE;
