//! The BARs: finding the block that a register belongs to.

use gen8_spec::mmio::{self as regs, ring};
use gen8_spec::{PAGE_SIZE, pci};

use crate::aperture::Aperture;
use crate::display;
use crate::event::{Actor, Event, Interests, Invalidation};
use crate::fences::Fences;
use crate::fuses;
use crate::gpu::Gpu;
use crate::guest_rule::{GuestRule, Origin};
use crate::interrupts;
use crate::lanes::lanes;
use crate::pci::Bar;
use crate::reset;

/// Bytes of a PTE.
const PTE_SIZE: u64 = 8;
/// Bytes of a PTE as the size of an access.
const PTE_ACCESS: u8 = 8;

impl Gpu {
    pub(crate) fn read_bar(&mut self, bar: Bar, offset: u64, size: u8) -> u64 {
        if !self.answers(bar, offset, size) {
            return u64::MAX >> (64 - 8 * u32::from(size.clamp(1, 8)));
        }
        self.accesses.reads += u64::from(bar == Bar::Bar0);
        match bar {
            Bar::Bar0 if offset >= pci::BAR0_GGTT_OFFSET => self.read_pte_window(offset, size),
            Bar::Bar0 => lanes(offset, size)
                .fold(0, |value, lane| value | lane.gather(self.read_register(lane.offset as u32))),
            Bar::Bar2 => self.aperture().map_or(0, |mut aperture| aperture.read(offset, size)),
            Bar::Bar4 => lanes(offset, size)
                .fold(0, |value, lane| value | lane.gather(self.read_io(lane.offset))),
        }
    }

    pub(crate) fn write_bar(&mut self, bar: Bar, offset: u64, size: u8, value: u64) {
        if !self.answers(bar, offset, size) {
            return;
        }
        self.accesses.writes += u64::from(bar == Bar::Bar0);
        match bar {
            Bar::Bar0 if offset >= pci::BAR0_GGTT_OFFSET => {
                self.write_pte_window(offset, size, value);
            }
            Bar::Bar0 => {
                for lane in lanes(offset, size) {
                    let offset = lane.offset as u32;
                    let untouched = if lane.is_whole() { 0 } else { self.untouched(offset) };
                    self.write_register(offset, lane.merge(untouched, value));
                }
            }
            Bar::Bar2 => {
                if let Some(mut aperture) = self.aperture() {
                    aperture.write(offset, size, value);
                }
            }
            Bar::Bar4 => {
                for lane in lanes(offset, size) {
                    let untouched = if lane.is_whole() { 0 } else { self.read_io(lane.offset) };
                    self.write_io(lane.offset, lane.merge(untouched, value));
                }
            }
        }
    }

    /// Whether the function answers an access of this size and place; tells the observer if not.
    fn answers(&mut self, bar: Bar, offset: u64, size: u8) -> bool {
        let rule = if !matches!(size, 1 | 2 | 4 | 8) {
            GuestRule::BarAccessOddSize
        } else if offset.checked_add(u64::from(size)).is_none_or(|end| end > self.bar_size(bar)) {
            GuestRule::BarAccessBeyondBar
        } else if !self.state.pci.decodes(bar) {
            GuestRule::BarAccessUndecoded
        } else {
            return true;
        };
        self.tell(rule, offset);
        false
    }

    /// The aperture, unless the function may not reach memory.
    fn aperture(&mut self) -> Option<Aperture<'_>> {
        if !self.state.pci.bus_master() {
            self.tell(GuestRule::ApertureWithoutBusMaster, 0);
            return None;
        }
        Some(Aperture {
            memory: &self.memory,
            ggtt: &self.state.ggtt,
            fences: &self.state.fences,
            events: &mut self.events,
        })
    }

    fn read_pte_window(&mut self, offset: u64, size: u8) -> u64 {
        let at = offset - pci::BAR0_GGTT_OFFSET;
        if size == PTE_ACCESS && at.is_multiple_of(PTE_SIZE) {
            return self.state.ggtt.read_pte(at / PTE_SIZE);
        }
        lanes(at, size).fold(0, |value, lane| value | lane.gather(self.pte_half(lane.offset)))
    }

    fn write_pte_window(&mut self, offset: u64, size: u8, value: u64) {
        let at = offset - pci::BAR0_GGTT_OFFSET;
        if size == PTE_ACCESS && at.is_multiple_of(PTE_SIZE) {
            self.write_pte(at / PTE_SIZE, value);
            return;
        }
        for lane in lanes(at, size) {
            let half = lane.merge(self.pte_half(lane.offset), value);
            let index = lane.offset / PTE_SIZE;
            let shift = half_shift(lane.offset);
            let kept = self.state.ggtt.read_pte(index) & !(u64::from(u32::MAX) << shift);
            self.write_pte(index, kept | u64::from(half) << shift);
        }
    }

    /// Software writes GGTT entry `index`.
    fn write_pte(&mut self, index: u64, new: u64) {
        self.check_pte(index, new);
        let ggtt = &mut self.state.ggtt;
        let by = Actor::Cpu;
        self.events.emit_for(Interests::GGTT_WRITES, || {
            let old = ggtt.read_pte(index);
            Event::GgttWritten { index, old, new, by }
        });
        if self.config.mutations.ggtt_write_lost != Some(index * PAGE_SIZE) {
            self.state.ggtt.write_pte(index, new);
        }
    }

    /// The half of a PTE at byte `at` of the window.
    fn pte_half(&self, at: u64) -> u32 {
        (self.state.ggtt.read_pte(at / PTE_SIZE) >> half_shift(at)) as u32
    }

    /// The I/O BAR: an index register, and the register that it names as data.
    fn read_io(&mut self, offset: u64) -> u32 {
        match offset {
            pci::IO_INDEX => self.state.io_index,
            pci::IO_DATA => self.read_register(self.state.io_index & !3),
            _ => 0,
        }
    }

    fn write_io(&mut self, offset: u64, value: u32) {
        match offset {
            pci::IO_INDEX => self.state.io_index = value,
            pci::IO_DATA => self.write_register(self.state.io_index & !3, value),
            _ => {}
        }
    }

    fn read_register(&mut self, offset: u32) -> u32 {
        self.check_forcewake(offset, false);
        let Some(value) = self.peek(offset) else {
            let (written, origin) = (None, Origin::Cpu);
            self.events.emit(|| Event::UnknownRegister { offset, written, origin });
            return 0;
        };
        let event = || Event::RegisterRead { offset, value };
        self.events.emit_for(Interests::REGISTER_READS, event);
        if display::reading_matters(offset) {
            self.hear_of_the_pch();
            self.update_interrupt_output();
        }
        value
    }

    fn write_register(&mut self, offset: u32, value: u32) {
        self.check_forcewake(offset, true);
        if self.events.wants(Interests::RULES.and(Interests::REGISTER_WRITES)) {
            self.tell_register_write(offset, value);
        }
        if !self.poke(offset, value) {
            let (written, origin) = (Some(value), Origin::Cpu);
            self.events.emit(|| Event::UnknownRegister { offset, written, origin });
        }
        let flips = self.state.display.take_events();
        self.state.interrupts.raise_pipes(flips);
        self.hear_of_the_pch();
        self.update_interrupt_output();
    }

    /// A CPU is about to write a register.
    #[cold]
    fn tell_register_write(&mut self, offset: u32, value: u32) {
        self.check_register(offset, value);
        let by = Actor::Cpu;
        let event = || Event::RegisterWritten { offset, value, by };
        self.events.emit_for(Interests::REGISTER_WRITES, event);
    }

    /// Real hardware loses accesses to a sleeping well. The model serves them and tells.
    fn check_forcewake(&mut self, offset: u32, write: bool) {
        if !self.state.forcewake.permits(offset, write) {
            self.tell(GuestRule::AccessWithoutForcewake, offset.into());
        }
    }

    /// Tells the observer of a rule that a CPU broke.
    fn tell(&mut self, rule: GuestRule, detail: u64) {
        self.events.emit(|| Event::GuestError { rule, origin: Origin::Cpu, detail });
    }

    /// What a narrow write leaves in the bytes that it does not name: their value, or nothing where a
    /// one would clear an event that is not meant.
    fn untouched(&mut self, offset: u32) -> u32 {
        let engine_event = self.engine_at(offset).is_some_and(|(_, at)| at == ring::EIR);
        if engine_event || interrupts::is_identity(offset) {
            return 0;
        }
        let display = self.state.display.untouched(offset);
        display.or_else(|| self.peek(offset)).unwrap_or(0)
    }

    /// Index of the engine whose register block holds `offset`, and the offset in the block.
    pub(crate) fn engine_at(&self, offset: u32) -> Option<(usize, u32)> {
        self.state.engines.iter().enumerate().find_map(|(index, engine)| {
            let at = offset.checked_sub(engine.id().mmio_base())?;
            (at < regs::ENGINE_BLOCK_SIZE).then_some((index, at))
        })
    }

    /// Index of the engine whose TLB-invalidate register is at `offset`.
    fn tlb_register_at(&self, offset: u32) -> Option<usize> {
        self.state.engines.iter().position(|e| e.id().tlb_invalidate_register() == offset)
    }

    /// Reads a register without telling the observer; `None` when no block knows it.
    pub(crate) fn peek(&mut self, offset: u32) -> Option<u32> {
        if let Some((index, at)) = self.engine_at(offset) {
            let value = self.with_engine(index, |engine, bus| engine.read(at, bus)).flatten();
            if value.is_some() {
                return value;
            }
        }
        let now_ns = self.now_ns();
        let state = &self.state;
        state
            .interrupts
            .read(offset)
            .or_else(|| state.debug_page.read(offset))
            .or_else(|| state.registers.read(offset))
            .or_else(|| state.fences.read(offset))
            .or_else(|| state.forcewake.read(offset))
            .or_else(|| state.faults.read(offset))
            .or_else(|| state.power.read(offset))
            .or_else(|| fuses::read(&self.config, offset))
            .or_else(|| self.state.display.read(offset, now_ns))
            .or_else(|| self.read_self_clearing(offset))
    }

    /// Registers of the device as a whole: the clock, and requests that are done when written.
    fn read_self_clearing(&self, offset: u32) -> Option<u32> {
        match offset {
            regs::TIMESTAMP_CTR => Some((self.now_ns() / regs::TIMESTAMP_CTR_TICK_NS) as u32),
            regs::GDRST => Some(0),
            _ => self.tlb_register_at(offset).map(|_| 0),
        }
    }

    /// Writes a register; false when no block knows it.
    fn poke(&mut self, offset: u32, value: u32) -> bool {
        if let Some((index, at)) = self.engine_at(offset) {
            let done = self.with_engine(index, |engine, bus| engine.write(at, value, bus));
            if done == Some(true) {
                return true;
            }
        }
        let now_ns = self.now_ns();
        let state = &mut self.state;
        state.interrupts.write(offset, value)
            || state.debug_page.write(offset, value, &mut self.events)
            || state.registers.write(offset, value).is_some()
            || state.fences.write(offset, value)
            || state.forcewake.write(offset, value)
            || state.faults.write(offset, value)
            || state.power.write(offset, value)
            || fuses::read(&self.config, offset).is_some()
            || state.display.write(offset, value, now_ns)
            || self.write_self_clearing(offset, value)
    }

    fn write_self_clearing(&mut self, offset: u32, value: u32) -> bool {
        match offset {
            regs::TIMESTAMP_CTR => {}
            regs::GDRST => self.reset_domains(value),
            _ => {
                let Some(index) = self.tlb_register_at(offset) else {
                    return false;
                };
                if value & regs::TLB_INVALIDATE_REQUEST != 0 {
                    self.with_engine(index, |engine, bus| {
                        engine.invalidate_tlb(Invalidation::Register, bus);
                    });
                }
            }
        }
        true
    }

    /// A write of GDRST: the named engines are reset at once and the bits clear themselves.
    fn reset_domains(&mut self, domains: u32) {
        if domains & regs::GDRST_FULL != 0 {
            self.state.fences = Fences::new();
        }
        for engine in &mut self.state.engines {
            if reset::selects(domains, engine.id()) {
                engine.reset();
            }
        }
        self.events.emit(|| Event::Reset { domains });
    }
}

/// Bit position of the half of a PTE at byte `at` of the window.
fn half_shift(at: u64) -> u32 {
    if at.is_multiple_of(PTE_SIZE) { 0 } else { 32 }
}

/// The PTE window and the pages that it maps have the same page size; the window is whole pages.
const _: () = assert!(pci::BAR0_GGTT_OFFSET.is_multiple_of(PAGE_SIZE));
