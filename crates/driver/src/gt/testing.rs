//! A machine for unit tests: it records register writes, keeps RAM, and completes requests without
//! looking at what they do. What a real device does with them is tested against the model.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use gen8_spec::commands::length::command_dwords;
use gen8_spec::commands::{mi, pipe_control};
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{ContextDescriptor, csb};
use gen8_spec::interrupts::{CONTEXT_SWITCH, IIR, MASTER, USER_INTERRUPT, gt_bank};
use gen8_spec::mmio::{FORCEWAKE_ACK_HSW, FORCEWAKE_MT, GDRST, ring as reg};
use gen8_spec::pci::{BAR0_GGTT_OFFSET, CFG_GMCH_CTRL, CFG_ID, VENDOR_INTEL};
use gen8_spec::pte::ADDRESS_MASK;
use gen8_spec::{PAGE_SIZE, context_image, debug_page, hwsp, masked_apply};
use ppgtt::PhysicalMemory;

use crate::Platform;

const RAM_BASE: u64 = 0x10_0000;
const RAM_PAGES: u64 = 1024;
const MASKED: [u32; 2] = [reg::MI_MODE, reg::GFX_MODE];

/// RAM as dwords.
pub(crate) struct FakeMemory(RefCell<Vec<u32>>);

impl FakeMemory {
    fn index(address: u64) -> Option<usize> {
        let offset = address.checked_sub(RAM_BASE)?;
        (offset < RAM_PAGES * PAGE_SIZE && offset % 4 == 0).then_some((offset / 4) as usize)
    }
}

impl PhysicalMemory for FakeMemory {
    fn read_u64(&self, address: u64) -> Option<u64> {
        let high = u64::from(self.read_u32(address + 4)?);
        Some(high << 32 | u64::from(self.read_u32(address)?))
    }
    fn write_u64(&self, address: u64, value: u64) -> bool {
        self.write_u32(address, value as u32) && self.write_u32(address + 4, (value >> 32) as u32)
    }
    fn read_u32(&self, address: u64) -> Option<u32> {
        Some(self.0.borrow()[Self::index(address)?])
    }
    fn write_u32(&self, address: u64, value: u32) -> bool {
        let Some(index) = Self::index(address) else { return false };
        self.0.borrow_mut()[index] = value;
        true
    }
}

/// The machine. Requests complete in [`Platform::relax`], except on engines in `stuck`.
pub(crate) struct FakeMachine {
    memory: FakeMemory,
    allocated: BTreeSet<u64>,
    pages_left: usize,
    registers: BTreeMap<u32, u32>,
    ptes: BTreeMap<u64, u64>,
    writes: Vec<(u32, u64)>,
    elsp: BTreeMap<EngineId, Vec<u32>>,
    lists: BTreeMap<EngineId, Vec<ContextDescriptor>>,
    interrupt: bool,
    now: u64,
    /// PCI device id.
    pub(crate) device_id: u16,
    /// Whether the debug page answers.
    pub(crate) debug_page: Option<u32>,
    /// Engines that execute nothing.
    pub(crate) stuck: BTreeSet<EngineId>,
    /// With a seed: registers read as anything, and DMA pages change by themselves.
    pub(crate) lies: Option<u64>,
    /// RESET_CTL never reports ready.
    pub(crate) reset_broken: bool,
}

impl FakeMachine {
    pub(crate) fn new() -> Self {
        FakeMachine {
            memory: FakeMemory(RefCell::new(vec![0; (RAM_PAGES * PAGE_SIZE / 4) as usize])),
            allocated: BTreeSet::new(),
            pages_left: RAM_PAGES as usize,
            registers: BTreeMap::new(),
            ptes: BTreeMap::new(),
            writes: Vec::new(),
            elsp: BTreeMap::new(),
            lists: BTreeMap::new(),
            interrupt: false,
            now: 0,
            device_id: 0x1626,
            debug_page: None,
            stuck: BTreeSet::new(),
            lies: None,
            reset_broken: false,
        }
    }

    /// A machine that differs by `change`.
    pub(crate) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut machine = Self::new();
        change(&mut machine);
        machine
    }

    /// Register writes since the last call: offset in BAR0 and value.
    pub(crate) fn take_writes(&mut self) -> Vec<(u32, u64)> {
        core::mem::take(&mut self.writes)
    }

    /// DMA pages not freed.
    pub(crate) fn pages_allocated(&self) -> usize {
        self.allocated.len()
    }

    /// How many more pages can be allocated.
    pub(crate) fn limit_pages(&mut self, left: usize) {
        self.pages_left = left;
    }

    /// The dword at a GGTT address, as an engine sees it.
    pub(crate) fn ggtt_read(&self, address: u64) -> u32 {
        let page = self.ptes.get(&(address / PAGE_SIZE)).map_or(0, |pte| pte & ADDRESS_MASK);
        self.memory.read_u32(page + address % PAGE_SIZE).unwrap_or(0)
    }

    fn ggtt_write(&self, address: u64, value: u32) {
        let page = self.ptes.get(&(address / PAGE_SIZE)).map_or(0, |pte| pte & ADDRESS_MASK);
        assert!(self.memory.write_u32(page + address % PAGE_SIZE, value), "GGTT {address:#x}");
    }

    /// The next lie (xorshift); `None` from an honest machine.
    fn lie(&mut self) -> Option<u64> {
        let seed = self.lies.as_mut()?;
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        Some(*seed)
    }

    /// Changes a dword of some DMA page: any value, or a small one, which is more often plausible.
    fn scribble(&mut self) {
        let (Some(place), Some(value)) = (self.lie(), self.lie()) else { return };
        let count = self.allocated.len().max(1) as u64;
        if let Some(&page) = self.allocated.iter().nth((place % count) as usize) {
            let value = if value & 1 == 0 { value as u32 } else { value as u32 >> 28 };
            self.memory.write_u32(page + (place >> 32) % 1024 * 4, value);
        }
    }

    fn ring_register(&self, engine: EngineId, register: u32) -> u32 {
        self.registers.get(&(engine.mmio_base() + register)).copied().unwrap_or(0)
    }

    fn raise(&mut self, engine: EngineId, events: u32) {
        let identity = gt_bank(engine.interrupt_bank()) + IIR;
        *self.registers.entry(identity).or_default() |= events << engine.interrupt_shift();
        *self.registers.entry(MASTER).or_default() |= engine.master_bit();
        self.interrupt = true;
    }

    /// Completes what `engine` has been given.
    fn run(&mut self, engine: EngineId) {
        if let Some(list) = self.lists.remove(&engine) {
            self.status(engine, csb::IDLE_ACTIVE, 0);
            for (position, element) in list.iter().enumerate() {
                let state = u64::from(element.lrca()) + context_image::STATE_PAGE * PAGE_SIZE;
                let field = |index: usize| state + 4 * (index as u64 + 1);
                let [head, tail, start, control] = [
                    context_image::RING_HEAD,
                    context_image::RING_TAIL,
                    context_image::RING_START,
                    context_image::RING_CTL,
                ]
                .map(|index| self.ggtt_read(field(index)));
                self.execute(engine, start, control, head, tail);
                self.ggtt_write(field(context_image::RING_HEAD), tail);
                let last = position + 1 == list.len();
                let reason = if last { csb::ACTIVE_IDLE } else { csb::ELEMENT_SWITCH };
                self.status(engine, csb::COMPLETE | reason, element.context_id());
            }
            self.raise(engine, CONTEXT_SWITCH);
        }
        let [head, tail, start, control] =
            [reg::HEAD, reg::TAIL, reg::START, reg::CTL].map(|r| self.ring_register(engine, r));
        if control & reg::CTL_VALID != 0 && head != tail {
            self.execute(engine, start, control, head, tail);
            self.registers.insert(engine.mmio_base() + reg::HEAD, tail);
        }
    }

    fn status(&mut self, engine: EngineId, status: u32, context: u32) {
        let page = u64::from(self.ring_register(engine, reg::HWS_PGA));
        let index = (self.ggtt_read(page + hwsp::CSB_WRITE_INDEX) + 1) % hwsp::CSB_ENTRIES;
        let entry = page + hwsp::CSB + 8 * u64::from(index);
        self.ggtt_write(entry, status);
        self.ggtt_write(entry + 4, context);
        self.ggtt_write(page + hwsp::CSB_WRITE_INDEX, index);
    }

    /// Finds the breadcrumbs between `head` and `tail` and writes their seqnos.
    fn execute(&mut self, engine: EngineId, start: u32, control: u32, mut head: u32, tail: u32) {
        let size = (control & reg::CTL_SIZE_MASK) + PAGE_SIZE as u32;
        let base = u64::from(start);
        while head != tail {
            let dword = |n: u32| self.ggtt_read(base + u64::from((head + 4 * n) % size));
            let header = dword(0);
            if header == pipe_control::HEADER && dword(1) & pipe_control::GLOBAL_GTT != 0 {
                self.ggtt_write(u64::from(dword(2)), dword(4));
            } else if mi::opcode(header) == mi::FLUSH_DW
                && header & mi::flush_dw::STORE_INDEX == 0
                && header >> 29 == 0
            {
                self.ggtt_write(u64::from(dword(1) & !7), dword(3));
            }
            let length = command_dwords(engine, header).expect("a known command");
            head = (head + 4 * length) % size;
        }
        self.raise(engine, USER_INTERRUPT);
    }

    fn write_register(&mut self, offset: u32, value: u32) {
        for engine in EngineId::ALL {
            let Some(register) = offset.checked_sub(engine.mmio_base()) else { continue };
            match register {
                reg::ELSP => {
                    let writes = self.elsp.entry(engine).or_default();
                    writes.push(value);
                    if let &mut [hi1, lo1, hi0, lo0] = writes.as_mut_slice() {
                        writes.clear();
                        let list = [(hi0, lo0), (hi1, lo1)]
                            .map(|(hi, lo)| ContextDescriptor(u64::from(hi) << 32 | u64::from(lo)));
                        let list = list.into_iter().filter(|element| element.is_valid()).collect();
                        self.lists.insert(engine, list);
                    }
                    return;
                }
                _ if MASKED.contains(&register) => {
                    let state = self.registers.entry(offset).or_default();
                    *state = masked_apply(*state, value);
                    return;
                }
                _ => {}
            }
        }
        match offset {
            FORCEWAKE_MT => {
                let state = self.registers.entry(FORCEWAKE_ACK_HSW).or_default();
                *state = masked_apply(*state, value);
            }
            GDRST => self.lists.clear(),
            // Done at once: the register reads 0.
            _ if EngineId::ALL.iter().any(|e| e.tlb_invalidate_register() == offset) => {}
            MASTER => {
                let state = self.registers.entry(MASTER).or_default();
                *state = *state & 0x7fff_ffff | value & 0x8000_0000;
            }
            _ if (0..4).any(|bank| offset == gt_bank(bank) + IIR) => {
                *self.registers.entry(offset).or_default() &= !value;
                self.registers.insert(MASTER, 0);
            }
            _ => {
                self.registers.insert(offset, value);
            }
        }
    }
}

impl Platform for FakeMachine {
    type Memory = FakeMemory;

    fn memory(&self) -> &FakeMemory {
        &self.memory
    }

    fn alloc_page(&mut self) -> Option<u64> {
        self.pages_left = self.pages_left.checked_sub(1)?;
        let page = (0..RAM_PAGES)
            .map(|n| RAM_BASE + n * PAGE_SIZE)
            .find(|page| !self.allocated.contains(page))?;
        self.allocated.insert(page);
        assert!(self.memory.fill_u64(page, 0, 512));
        Some(page)
    }

    fn free_page(&mut self, page: u64) {
        assert!(self.allocated.remove(&page), "page {page:#x} is not allocated");
        self.pages_left += 1;
    }

    fn config_read32(&mut self, offset: u16) -> u32 {
        match offset {
            CFG_ID => u32::from(self.device_id) << 16 | u32::from(VENDOR_INTEL),
            CFG_GMCH_CTRL => 0xc0,
            _ => 0,
        }
    }

    fn config_write32(&mut self, _offset: u16, _value: u32) {}

    fn mmio_read32(&mut self, offset: u32) -> u32 {
        if let Some(lie) = self.lie()
            && lie & 0x300 != 0
        {
            return (lie >> 16) as u32;
        }
        for engine in EngineId::ALL {
            if offset == engine.mmio_base() + reg::RESET_CTL && !self.reset_broken {
                return (self.ring_register(engine, reg::RESET_CTL) & reg::RESET_CTL_REQUEST) << 1;
            }
            if offset == engine.mmio_base() + reg::MI_MODE {
                return self.ring_register(engine, reg::MI_MODE) | reg::MI_MODE_IDLE;
            }
        }
        match offset {
            debug_page::SIGNATURE if self.debug_page.is_some() => debug_page::SIGNATURE_VALUE,
            debug_page::VERSION => self.debug_page.unwrap_or(0),
            GDRST => 0,
            _ => self.registers.get(&offset).copied().unwrap_or(0),
        }
    }

    fn mmio_write32(&mut self, offset: u32, value: u32) {
        self.writes.push((offset, value.into()));
        self.write_register(offset, value);
    }

    fn mmio_write64(&mut self, offset: u32, value: u64) {
        self.writes.push((offset, value));
        if let Some(pte) = u64::from(offset).checked_sub(BAR0_GGTT_OFFSET) {
            self.ptes.insert(pte / 8, value);
        }
    }

    fn aperture_read32(&mut self, offset: u64) -> u32 {
        self.ggtt_read(offset)
    }

    fn aperture_write32(&mut self, offset: u64, value: u32) {
        self.ggtt_write(offset, value);
    }

    fn now_ns(&mut self) -> u64 {
        self.now
    }

    fn relax(&mut self) {
        self.now += 1_000_000;
        if self.lies.is_some() {
            (0..64).for_each(|_| self.scribble());
            self.interrupt = true;
            return;
        }
        for engine in EngineId::ALL {
            if !self.stuck.contains(&engine) {
                self.run(engine);
            }
        }
    }

    fn take_interrupt(&mut self) -> bool {
        core::mem::take(&mut self.interrupt)
    }
}
