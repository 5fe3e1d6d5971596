//! The commands of a request.

use alloc::vec::Vec;

use gen8_spec::commands::{mi, pipe_control};
use gen8_spec::engine::EngineId;
use gen8_spec::hwsp::I915_PPHWSP_SCRATCH;
use gen8_spec::mmio::ring::{PDP0_LDW, PDP0_UDW};
use ppgtt::PageTableRoot;

use super::ring::NOOP;

/// MI_FLUSH_DW with a dword of immediate data: length field.
const FLUSH_DW_LENGTH: u32 = 2;
/// MI_SEMAPHORE_WAIT with a 48-bit address: length field.
const SEMAPHORE_WAIT_LENGTH: u32 = 2;
/// MI_BATCH_BUFFER_START with a 48-bit address: length field.
const BATCH_BUFFER_START_LENGTH: u32 = 1;
/// Registers of PDP0..3, two each.
const PDP_REGISTERS: u32 = 8;

/// Commands for one engine, before they go to a ring.
pub(super) struct Commands {
    engine: EngineId,
    dwords: Vec<u32>,
}

impl Commands {
    pub(super) fn new(engine: EngineId) -> Self {
        Commands { engine, dwords: Vec::with_capacity(80) }
    }

    pub(super) fn dwords(&self) -> &[u32] {
        &self.dwords
    }

    /// Bytes so far: the offset of the next command in the request.
    pub(super) fn bytes(&self) -> u32 {
        4 * self.dwords.len() as u32
    }

    fn push(&mut self, dwords: &[u32]) {
        self.dwords.extend_from_slice(dwords);
    }

    pub(super) fn noop(&mut self) {
        self.push(&[NOOP]);
    }

    /// TAIL is a multiple of eight bytes.
    pub(super) fn align_qword(&mut self) {
        if !self.dwords.len().is_multiple_of(2) {
            self.noop();
        }
    }

    /// MI_ARB_ON_OFF: whether the engine may switch contexts here.
    pub(super) fn arbitration(&mut self, on: bool) {
        self.push(&[mi::header(mi::ARB_ON_OFF, u32::from(on))]);
    }

    /// Switches the legacy ring to the context image at `lrca`.
    pub(super) fn set_context(&mut self, lrca: u32, restore_inhibit: bool) {
        let flags = mi::set_context::MEMORY_GTT
            | mi::set_context::SAVE_EXTENDED
            | mi::set_context::RESTORE_EXTENDED
            | if restore_inhibit { mi::set_context::RESTORE_INHIBIT } else { 0 };
        self.arbitration(false);
        // MI_SET_CONTEXT must be followed by MI_NOOP (i915 4.4 `mi_set_context`).
        self.push(&[NOOP, mi::header(mi::SET_CONTEXT, 0), lrca | flags, NOOP]);
        self.arbitration(true);
    }

    /// Loads the page-directory pointers, PDP3 first: the write of PDP0's lower half takes effect
    /// (i915 4.4 `gen8_mm_switch`). With four levels only PDP0 counts.
    pub(super) fn load_pdps(&mut self, root: &PageTableRoot) {
        let base = self.engine.mmio_base();
        let pdps = root.pdps();
        let count = match root {
            PageTableRoot::ThreeLevel(_) => PDP_REGISTERS,
            PageTableRoot::FourLevel(_) => 2,
        };
        self.push(&[mi::header(mi::LOAD_REGISTER_IMM, 2 * count - 1)]);
        for (n, pdp) in pdps.iter().enumerate().take(count as usize / 2).rev() {
            let offset = base + 8 * n as u32;
            self.push(&[offset + PDP0_UDW, (pdp >> 32) as u32, offset + PDP0_LDW, *pdp as u32]);
        }
    }

    /// Waits until the dword at the GGTT address `slot` is at least `seqno`.
    pub(super) fn semaphore_wait(&mut self, slot: u64, seqno: u32) {
        let header = mi::header(mi::SEMAPHORE_WAIT, SEMAPHORE_WAIT_LENGTH)
            | mi::USE_GGTT
            | mi::semaphore::POLL
            | mi::semaphore::SAD_GTE_SDD << mi::semaphore::COMPARE_SHIFT;
        self.push(&[header, seqno, slot as u32, (slot >> 32) as u32]);
    }

    /// Drops stale translations and read caches. The post-sync write that the TLB invalidation
    /// needs goes to a scratch slot of the status page.
    pub(super) fn invalidate(&mut self) {
        if self.engine == EngineId::Rcs {
            let flags = pipe_control::CS_STALL
                | pipe_control::TLB_INVALIDATE
                | pipe_control::INSTRUCTION_CACHE_INVALIDATE
                | pipe_control::TEXTURE_CACHE_INVALIDATE
                | pipe_control::VF_CACHE_INVALIDATE
                | pipe_control::CONST_CACHE_INVALIDATE
                | pipe_control::STATE_CACHE_INVALIDATE
                | pipe_control::QW_WRITE
                | pipe_control::STORE_DATA_INDEX;
            self.pipe_control(flags, I915_PPHWSP_SCRATCH, 0);
        } else {
            let mut flags = mi::flush_dw::STORE_INDEX
                | mi::flush_dw::POST_SYNC_WRITE
                | mi::flush_dw::TLB_INVALIDATE;
            if matches!(self.engine, EngineId::Vcs | EngineId::Vcs1) {
                flags |= mi::flush_dw::INVALIDATE_BSD;
            }
            self.flush_dw(flags, I915_PPHWSP_SCRATCH as u32, 0);
        }
    }

    /// Runs the batch at `address`.
    pub(super) fn batch_start(&mut self, address: u64, ppgtt: bool) {
        let space = if ppgtt { mi::BATCH_PPGTT } else { 0 };
        let header = mi::header(mi::BATCH_BUFFER_START, BATCH_BUFFER_START_LENGTH) | space;
        self.push(&[header, address as u32, (address >> 32) as u32, NOOP]);
    }

    /// Flushes write caches, then writes `seqno` to the GGTT address `slot` and interrupts: who
    /// sees the seqno sees what the batch wrote.
    pub(super) fn breadcrumb(&mut self, slot: u64, seqno: u32) {
        if self.engine == EngineId::Rcs {
            let flush = pipe_control::RENDER_TARGET_CACHE_FLUSH
                | pipe_control::DEPTH_CACHE_FLUSH
                | pipe_control::DC_FLUSH
                | pipe_control::FLUSH_ENABLE;
            self.pipe_control(flush, 0, 0);
            let write = pipe_control::QW_WRITE
                | pipe_control::GLOBAL_GTT
                | pipe_control::FLUSH_ENABLE
                | pipe_control::CS_STALL;
            self.pipe_control(write, slot, seqno);
        } else {
            let address = slot as u32 | mi::flush_dw::ADDRESS_GGTT;
            self.flush_dw(mi::flush_dw::POST_SYNC_WRITE, address, seqno);
        }
        self.push(&[mi::header(mi::USER_INTERRUPT, 0)]);
    }

    fn pipe_control(&mut self, flags: u32, address: u64, data: u32) {
        self.push(&[pipe_control::HEADER, flags, address as u32, (address >> 32) as u32, data, 0]);
    }

    fn flush_dw(&mut self, flags: u32, address: u32, data: u32) {
        // GGTT addresses have 32 bits, so the upper half is 0.
        self.push(&[mi::header(mi::FLUSH_DW, FLUSH_DW_LENGTH) | flags, address, 0, data]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dwords(engine: EngineId, build: impl FnOnce(&mut Commands)) -> Vec<u32> {
        let mut commands = Commands::new(engine);
        build(&mut commands);
        commands.dwords
    }

    #[test]
    fn invalidation_is_what_i915_emits() {
        assert_eq!(
            dwords(EngineId::Rcs, Commands::invalidate),
            [0x7a00_0004, 0x0034_4c1c, 0xd0, 0, 0, 0]
        );
        assert_eq!(dwords(EngineId::Bcs, Commands::invalidate), [0x1324_4002, 0xd0, 0, 0]);
        // The probe trace of i915 6.1 has this header on vcs0.
        assert_eq!(dwords(EngineId::Vcs, Commands::invalidate), [0x1324_4082, 0xd0, 0, 0]);
        assert_eq!(dwords(EngineId::Vecs, Commands::invalidate), [0x1324_4002, 0xd0, 0, 0]);
    }

    #[test]
    fn breadcrumb_flushes_before_it_writes_the_seqno() {
        assert_eq!(
            dwords(EngineId::Rcs, |c| c.breadcrumb(0xffff_e100, 7)),
            [
                0x7a00_0004,
                0x0000_10a1,
                0,
                0,
                0,
                0, //
                0x7a00_0004,
                0x0110_4080,
                0xffff_e100,
                0,
                7,
                0, //
                0x0100_0000,
            ]
        );
        assert_eq!(
            dwords(EngineId::Vecs, |c| c.breadcrumb(0xffff_e100, 7)),
            [0x1300_4002, 0xffff_e104, 0, 7, 0x0100_0000]
        );
    }

    #[test]
    fn batch_starts_in_the_ppgtt_or_privileged() {
        assert_eq!(
            dwords(EngineId::Bcs, |c| c.batch_start(0x0000_1234_5678_9000, true)),
            [0x1880_0101, 0x5678_9000, 0x1234, 0]
        );
        assert_eq!(dwords(EngineId::Bcs, |c| c.batch_start(0x1000, false))[0], 0x1880_0001);
    }

    #[test]
    fn three_levels_load_four_pdps_the_first_last() {
        let root = PageTableRoot::ThreeLevel([0x1_0000_1000, 0x2000, 0x3000, 0x4000]);
        assert_eq!(
            dwords(EngineId::Rcs, |c| c.load_pdps(&root)),
            [
                0x1100_000f, //
                0x228c,
                0,
                0x2288,
                0x4000, //
                0x2284,
                0,
                0x2280,
                0x3000, //
                0x227c,
                0,
                0x2278,
                0x2000, //
                0x2274,
                1,
                0x2270,
                0x1000,
            ]
        );
    }

    #[test]
    fn four_levels_load_one_pdp() {
        let root = PageTableRoot::FourLevel(0x7_0000_1000);
        assert_eq!(
            dwords(EngineId::Vcs1, |c| c.load_pdps(&root)),
            [0x1100_0003, 0x1_c274, 7, 0x1_c270, 0x1000]
        );
    }

    #[test]
    fn set_context_is_bracketed_and_followed_by_a_noop() {
        assert_eq!(
            dwords(EngineId::Rcs, |c| c.set_context(0xfff0_0000, true)),
            [0x0400_0000, 0, 0x0c00_0000, 0xfff0_010d, 0, 0x0400_0001]
        );
        assert_eq!(dwords(EngineId::Rcs, |c| c.set_context(0xfff0_0000, false))[3], 0xfff0_010c);
    }

    #[test]
    fn semaphore_polls_the_ggtt_for_at_least_the_seqno() {
        assert_eq!(
            dwords(EngineId::Rcs, |c| c.semaphore_wait(0xffff_d100, 9)),
            [0x0e40_9002, 9, 0xffff_d100, 0]
        );
    }
}
