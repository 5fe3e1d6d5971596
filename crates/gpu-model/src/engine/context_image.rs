//! The logical-ring context image in guest memory: what a restore reads and a save writes.
//!
//! Fields stand at the dwords of [`gen8_spec::context_image`]. Only value dwords are written;
//! register offsets and everything unknown stay as software left them, and nothing beyond the
//! engine's image is touched. Registers without a documented place are kept in a block of the
//! model's own, marked by a magic number and a version.

use gen8_spec::PAGE_SIZE;
use gen8_spec::context_image as dw;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;
use ppgtt::PhysicalMemory;

/// Marks the model's own block ("G8EX").
const EXTRA_MAGIC: u32 = u32::from_le_bytes(*b"G8EX");
/// Version of the block's layout: magic, version, count, then (register, value) pairs.
const EXTRA_VERSION: u32 = 1;
/// "Registers" of the block from here on are dwords of the blitter's setup, which no access reaches;
/// BAR0 ends far below.
pub(crate) const EXTRA_BLITTER_SETUP: u32 = 1 << 31;
/// Dwords ahead of the pairs.
const EXTRA_HEADER: u64 = 3;
/// Most pairs that are read back: what fits in a page.
const EXTRA_MAX: u32 = ((PAGE_SIZE / 4 - EXTRA_HEADER) / 2) as u32;
/// Where the block lies in the state page of an image without engine pages: past the documented
/// registers and the MI_BATCH_BUFFER_END that i915 puts after them.
const EXTRA_DWORD_XCS: u64 = 0x80;

/// Documented registers of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ContextState {
    pub(crate) control: u32,
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) start: u32,
    pub(crate) ctl: u32,
    pub(crate) batch: u64,
    pub(crate) batch_state: u32,
    pub(crate) second: u64,
    pub(crate) second_state: u32,
    pub(crate) per_ctx: u32,
    pub(crate) indirect: u32,
    pub(crate) indirect_offset: u32,
    pub(crate) timestamp: u32,
    pub(crate) pdps: [u64; 4],
    pub(crate) power: u32,
    pub(crate) swctrl: u32,
    pub(crate) excc: u32,
    pub(crate) mi_mode: u32,
    pub(crate) batch_offset: u32,
    pub(crate) gprs: [u32; 2 * reg::GPR_COUNT as usize],
}

/// The register-state page of an image, at its physical address.
pub(crate) struct StatePage<'m, M> {
    memory: &'m M,
    page: u64,
    engine: EngineId,
}

impl<'m, M: PhysicalMemory> StatePage<'m, M> {
    /// The state page at physical `page` of an image of `engine`.
    pub(crate) fn new(memory: &'m M, page: u64, engine: EngineId) -> Self {
        StatePage { memory, page, engine }
    }

    /// Reads the documented registers; `None` if the page is not in RAM.
    pub(crate) fn load(&self) -> Option<ContextState> {
        let mut state = ContextState {
            control: self.value(dw::CONTEXT_CONTROL)?,
            head: self.value(dw::RING_HEAD)?,
            tail: self.value(dw::RING_TAIL)?,
            start: self.value(dw::RING_START)?,
            ctl: self.value(dw::RING_CTL)?,
            batch: self.wide(dw::BB_ADDR_UDW, dw::BB_ADDR)?,
            batch_state: self.value(dw::BB_STATE)?,
            second: self.wide(dw::SBB_ADDR_UDW, dw::SBB_ADDR)?,
            second_state: self.value(dw::SBB_STATE)?,
            timestamp: self.value(dw::CTX_TIMESTAMP)?,
            ..ContextState::default()
        };
        state.pdps = self.pdps()?;
        if self.engine == EngineId::Rcs {
            state.per_ctx = self.value(dw::BB_PER_CTX_PTR)?;
            state.indirect = self.value(dw::INDIRECT_CTX)?;
            state.indirect_offset = self.value(dw::INDIRECT_CTX_OFFSET)?;
            state.power = self.value(dw::R_PWR_CLK_STATE)?;
            state.mi_mode = self.value(dw::RCS_MI_MODE)?;
            state.batch_offset = self.value(dw::RCS_BB_OFFSET)?;
            for (n, gpr) in state.gprs.iter_mut().enumerate() {
                *gpr = self.value(dw::RCS_GPR0 + 2 * n)?;
            }
        } else {
            state.swctrl = self.value(dw::XCS_SWCTRL)?;
            state.excc = self.value(dw::XCS_EXCC)?;
        }
        Some(state)
    }

    /// PDP0..3.
    pub(crate) fn pdps(&self) -> Option<[u64; 4]> {
        let mut pdps = [0; 4];
        for (n, pdp) in pdps.iter_mut().enumerate() {
            *pdp = self.wide(dw::pdp_udw(n), dw::pdp_ldw(n))?;
        }
        Some(pdps)
    }

    /// Any dword of the page.
    pub(crate) fn dword(&self, index: usize) -> Option<u32> {
        self.memory.read_u32(self.page + 4 * index as u64)
    }

    /// TAIL alone, as a lite restore reads it.
    pub(crate) fn tail(&self) -> Option<u32> {
        self.value(dw::RING_TAIL)
    }

    /// Writes what hardware owns back. TAIL, START, CTL and the PDPs are software's: a driver that
    /// has already queued more work there must not lose it. `false` if the page is not in RAM.
    pub(crate) fn store(&self, state: &ContextState) -> bool {
        let mut ok = self.set(dw::CONTEXT_CONTROL, state.control)
            && self.set(dw::RING_HEAD, state.head)
            && self.set(dw::BB_ADDR_UDW, (state.batch >> 32) as u32)
            && self.set(dw::BB_ADDR, state.batch as u32)
            && self.set(dw::BB_STATE, state.batch_state)
            && self.set(dw::SBB_ADDR_UDW, (state.second >> 32) as u32)
            && self.set(dw::SBB_ADDR, state.second as u32)
            && self.set(dw::SBB_STATE, state.second_state)
            && self.set(dw::CTX_TIMESTAMP, state.timestamp);
        if self.engine == EngineId::Rcs {
            ok = ok
                && self.set(dw::R_PWR_CLK_STATE, state.power)
                && self.set(dw::RCS_MI_MODE, state.mi_mode)
                && self.set(dw::RCS_BB_OFFSET, state.batch_offset);
            for (n, &gpr) in state.gprs.iter().enumerate() {
                ok = ok && self.set(dw::RCS_GPR0 + 2 * n, gpr);
            }
        } else {
            ok = ok && self.set(dw::XCS_SWCTRL, state.swctrl) && self.set(dw::XCS_EXCC, state.excc);
        }
        ok
    }

    /// The value dword behind the register offset at `index`.
    fn value(&self, index: usize) -> Option<u32> {
        self.memory.read_u32(self.page + 4 * (index as u64 + 1))
    }

    fn wide(&self, upper: usize, lower: usize) -> Option<u64> {
        Some(u64::from(self.value(upper)?) << 32 | u64::from(self.value(lower)?))
    }

    fn set(&self, index: usize, value: u32) -> bool {
        self.memory.write_u32(self.page + 4 * (index as u64 + 1), value)
    }
}

/// The model's own block of saved registers.
pub(crate) struct ExtraBlock<'m, M> {
    memory: &'m M,
    base: u64,
    limit: u32,
}

/// Page of the image and byte offset in it where the block of `engine` begins.
pub(crate) const fn extra_place(engine: EngineId) -> (u64, u64) {
    match engine {
        EngineId::Rcs => (dw::STATE_PAGE + 1, 0),
        _ => (dw::STATE_PAGE, 4 * EXTRA_DWORD_XCS),
    }
}

impl<'m, M: PhysicalMemory> ExtraBlock<'m, M> {
    /// The block at byte `offset` of the physical `page`; it ends with the page.
    pub(crate) fn new(memory: &'m M, page: u64, offset: u64) -> Self {
        let dwords = (PAGE_SIZE - (offset & (PAGE_SIZE - 1))) / 4;
        let limit = (dwords.saturating_sub(EXTRA_HEADER) / 2) as u32;
        ExtraBlock { memory, base: page + offset, limit: limit.min(EXTRA_MAX) }
    }

    /// Writes `pairs` of (register, value); those beyond the page are left out. `false` if the
    /// page is not in RAM.
    pub(crate) fn store(&self, pairs: impl Iterator<Item = (u32, u32)>) -> bool {
        let mut count = 0;
        for (register, value) in pairs.take(self.limit as usize) {
            let at = EXTRA_HEADER + 2 * u64::from(count);
            if !self.set(at, register) || !self.set(at + 1, value) {
                return false;
            }
            count += 1;
        }
        self.set(0, EXTRA_MAGIC) && self.set(1, EXTRA_VERSION) && self.set(2, count)
    }

    /// Calls `visit` with every saved pair; does nothing if there is no block.
    pub(crate) fn load(&self, mut visit: impl FnMut(u32, u32)) {
        if self.get(0) != Some(EXTRA_MAGIC) || self.get(1) != Some(EXTRA_VERSION) {
            return;
        }
        let count = self.get(2).unwrap_or(0).min(self.limit);
        for n in 0..u64::from(count) {
            let at = EXTRA_HEADER + 2 * n;
            if let (Some(register), Some(value)) = (self.get(at), self.get(at + 1)) {
                visit(register, value);
            }
        }
    }

    fn get(&self, dword: u64) -> Option<u32> {
        self.memory.read_u32(self.base + 4 * dword)
    }

    fn set(&self, dword: u64, value: u32) -> bool {
        self.memory.write_u32(self.base + 4 * dword, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::GuestRam;

    const PAGE: u64 = 0x3000;

    fn ram() -> GuestRam {
        GuestRam::anonymous(0x10000).unwrap()
    }

    fn fill(ram: &GuestRam) {
        for n in 0..PAGE_SIZE / 4 {
            assert!(ram.write_u32(PAGE + 4 * n, 0xa000_0000 + n as u32));
        }
    }

    #[test]
    fn fields_come_from_the_dwords_that_i915_writes() {
        let ram = ram();
        fill(&ram);
        let state = StatePage::new(&ram, PAGE, EngineId::Rcs).load().unwrap();
        let at = |n: u32| 0xa000_0000 + n;
        assert_eq!((state.head, state.tail), (at(0x05), at(0x07)));
        assert_eq!((state.start, state.ctl), (at(0x09), at(0x0b)));
        assert_eq!(state.pdps[0], u64::from(at(0x31)) << 32 | u64::from(at(0x33)));
        assert_eq!(state.pdps[3], u64::from(at(0x25)) << 32 | u64::from(at(0x27)));
        assert_eq!((state.mi_mode, state.batch_offset), (at(0x59), at(0xc5)));
        assert_eq!((state.gprs[0], state.gprs[31]), (at(0xd9), at(0xd9 + 62)));
    }

    #[test]
    fn save_changes_only_values_that_hardware_owns() {
        let ram = ram();
        fill(&ram);
        let page = StatePage::new(&ram, PAGE, EngineId::Bcs);
        assert!(page.store(&ContextState::default()));
        let changed: Vec<u64> = (0..PAGE_SIZE / 4)
            .filter(|&n| ram.read_u32(PAGE + 4 * n) != Some(0xa000_0000 + n as u32))
            .collect();
        assert_eq!(changed, [0x03, 0x05, 0x0d, 0x0f, 0x11, 0x13, 0x15, 0x17, 0x23, 0x43, 0x45]);
    }

    #[test]
    fn extra_block_round_trips_and_stays_in_its_page() {
        let ram = ram();
        let (_, offset) = extra_place(EngineId::Bcs);
        let block = ExtraBlock::new(&ram, PAGE, offset);
        assert!(block.store((0..5000).map(|n| (n, n + 1))));
        assert_eq!(ram.read_u32(PAGE + PAGE_SIZE), Some(0));
        let mut seen = Vec::new();
        block.load(|register, value| seen.push((register, value)));
        assert_eq!(seen.len(), 446);
        assert!(seen.iter().all(|&(register, value)| value == register + 1));
    }

    #[test]
    fn block_of_garbage_is_no_block() {
        let ram = ram();
        fill(&ram);
        ExtraBlock::new(&ram, PAGE, 0).load(|_, _| panic!("read a pair from garbage"));
        assert!(ram.write_u32(PAGE, EXTRA_MAGIC) && ram.write_u32(PAGE + 4, EXTRA_VERSION));
        assert!(ram.write_u32(PAGE + 8, u32::MAX));
        let mut count = 0;
        ExtraBlock::new(&ram, PAGE, 0).load(|_, _| count += 1);
        assert_eq!(count, EXTRA_MAX);
    }

    #[test]
    fn page_outside_ram_is_an_answer_not_a_panic() {
        let ram = ram();
        assert_eq!(StatePage::new(&ram, 1 << 30, EngineId::Rcs).load(), None);
        assert!(!StatePage::new(&ram, 1 << 30, EngineId::Rcs).store(&ContextState::default()));
    }
}
