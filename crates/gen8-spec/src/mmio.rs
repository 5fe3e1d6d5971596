//! Register addresses in BAR0 and per-engine offsets (i915 `gt/intel_gt_regs.h`,
//! `gt/intel_engine_regs.h`, `i915_reg.h`; PRM Vol 2c).

/// Per-engine registers: offsets from [`crate::engine::EngineId::mmio_base`].
pub mod ring {
    /// Wait-for-event condition code (masked).
    pub const EXCC: u32 = 0x28;
    /// Software's write pointer: byte offset 20:3.
    pub const TAIL: u32 = 0x30;
    /// Hardware's read pointer: byte offset 20:2, wrap count 31:21.
    pub const HEAD: u32 = 0x34;
    /// GGTT address of the ring, 31:12.
    pub const START: u32 = 0x38;
    /// Control: see `CTL_*`.
    pub const CTL: u32 = 0x3c;
    /// Legacy semaphore mailboxes.
    pub const SYNC0: u32 = 0x40;
    /// PSMI control (masked).
    pub const PSMI_CTL: u32 = 0x50;
    /// Idle count.
    pub const MAX_IDLE: u32 = 0x54;
    /// Active head, upper half (VA 47:32).
    pub const ACTHD_UDW: u32 = 0x5c;
    /// DMA fetch address, upper half.
    pub const DMA_FADD_UDW: u32 = 0x60;
    /// Instruction parser error id: see [`IPEIR_BATCH`].
    pub const IPEIR: u32 = 0x64;
    /// Header of the current or last command.
    pub const IPEHR: u32 = 0x68;
    /// Unit done bits; all ones when idle.
    pub const INSTDONE: u32 = 0x6c;
    /// Instruction parser state.
    pub const INSTPS: u32 = 0x70;
    /// Active head: ring offset, or batch VA low half.
    pub const ACTHD: u32 = 0x74;
    /// DMA fetch address.
    pub const DMA_FADD: u32 = 0x78;
    /// GGTT address of the global hardware status page, 31:12.
    pub const HWS_PGA: u32 = 0x80;
    /// Value of the last MI_NOOP with the identification bit, 21:0.
    pub const NOPID: u32 = 0x94;
    /// Hardware-status interrupt mask.
    pub const HWSTAM: u32 = 0x98;
    /// Mode (masked): see `MI_MODE_*`.
    pub const MI_MODE: u32 = 0x9c;
    /// Ring interrupt mask, 1 = masked; bit positions include the engine's shift in its GT bank.
    pub const IMR: u32 = 0xa8;
    /// Error identity, write one to clear.
    pub const EIR: u32 = 0xb0;
    /// Error mask.
    pub const EMR: u32 = 0xb4;
    /// Error status.
    pub const ESR: u32 = 0xb8;
    /// Instruction parser mode (masked, RCS).
    pub const INSTPM: u32 = 0xc0;
    /// Render power clock state (RCS).
    pub const R_PWR_CLK_STATE: u32 = 0xc8;
    /// Engine reset handshake (masked): see `RESET_CTL_*`.
    pub const RESET_CTL: u32 = 0xd0;
    /// First-level batch state.
    pub const BBSTATE: u32 = 0x110;
    /// Second-level batch address, low half.
    pub const SBBADDR: u32 = 0x114;
    /// Second-level batch state.
    pub const SBBSTATE: u32 = 0x118;
    /// Second-level batch address, upper half.
    pub const SBBADDR_UDW: u32 = 0x11c;
    /// Batch address, low half; bit 0 = in a batch.
    pub const BBADDR: u32 = 0x140;
    /// Batch offset for MI_BATCH_BUFFER_START with "add offset".
    pub const BB_OFFSET: u32 = 0x158;
    /// Batch address, upper half.
    pub const BBADDR_UDW: u32 = 0x168;
    /// Current context id of legacy ring mode (RCS).
    pub const CCID: u32 = 0x180;
    /// Per-context batch pointer: GGTT address 31:12, bit 0 valid.
    pub const BB_PER_CTX_PTR: u32 = 0x1c0;
    /// Indirect context batch: GGTT address 31:6, cache lines 5:0.
    pub const INDIRECT_CTX: u32 = 0x1c4;
    /// Where in the restore the indirect context batch runs.
    pub const INDIRECT_CTX_OFFSET: u32 = 0x1c8;
    /// Blitter tiling control (BCS, masked).
    pub const BCS_SWCTRL: u32 = 0x200;
    /// Execlist submission port, write only.
    pub const ELSP: u32 = 0x230;
    /// Execlist status, low half.
    pub const EXECLIST_STATUS_LO: u32 = 0x234;
    /// Execlist status, upper half: id of the running context.
    pub const EXECLIST_STATUS_HI: u32 = 0x238;
    /// Preemption hint.
    pub const CTX_PREEMPT: u32 = 0x248;
    /// Interval of semaphore polls.
    pub const SEMA_WAIT_POLL: u32 = 0x24c;
    /// Result 2 of the predicate unit (MI_SET_PREDICATE).
    pub const PREDICATE_RESULT_2: u32 = 0x3bc;
    /// Predicate source 0, 64 bits.
    pub const PREDICATE_SRC0: u32 = 0x400;
    /// Predicate source 1, 64 bits.
    pub const PREDICATE_SRC1: u32 = 0x408;
    /// Predicate data, 64 bits.
    pub const PREDICATE_DATA: u32 = 0x410;
    /// Result of MI_PREDICATE, bit 0.
    pub const PREDICATE_RESULT: u32 = 0x418;
    /// Decides about predicated MI_BATCH_BUFFER_STARTs, bit 0 (i915 `i915_perf.c`, its wait batch).
    pub const PREDICATE_RESULT_1: u32 = 0x41c;
    /// Context control (masked).
    pub const CONTEXT_CONTROL: u32 = 0x244;
    /// Page-directory pointer n, low half: `PDP0_LDW + 8 * n`.
    pub const PDP0_LDW: u32 = 0x270;
    /// Page-directory pointer n, upper half: `PDP0_UDW + 8 * n`.
    pub const PDP0_UDW: u32 = 0x274;
    /// Graphics mode (masked): see `GFX_MODE_*`.
    pub const GFX_MODE: u32 = 0x29c;
    /// Timestamp, low half; 80 ns a tick, 36 significant bits.
    pub const TIMESTAMP: u32 = 0x358;
    /// Timestamp, upper half.
    pub const TIMESTAMP_UDW: u32 = 0x35c;
    /// Context status buffer entry n, low half: `CSB_LO + 8 * n`, six entries.
    pub const CSB_LO: u32 = 0x370;
    /// Context status buffer entry n, upper half: `CSB_HI + 8 * n`.
    pub const CSB_HI: u32 = 0x374;
    /// Context status buffer pointers: write 2:0, read 10:8, mask 31:16.
    pub const CSB_PTR: u32 = 0x3a0;
    /// Ticks that the context has run.
    pub const CTX_TIMESTAMP: u32 = 0x3a8;
    /// Registers made user-writable, twelve of them.
    pub const FORCE_TO_NONPRIV: u32 = 0x4d0;
    /// General-purpose register n (64 bits): `GPR0 + 8 * n`, sixteen.
    pub const GPR0: u32 = 0x600;

    /// [`CTL`]: the ring is valid.
    pub const CTL_VALID: u32 = 1 << 0;
    /// [`CTL`]: waiting on a semaphore.
    pub const CTL_WAIT_SEMAPHORE: u32 = 1 << 10;
    /// [`CTL`]: no register accesses by the ring's commands (all engines but render).
    pub const CTL_REGISTERS_OFF: u32 = 1 << 8;
    /// [`CTL`]: waiting (i915 `RING_WAIT`).
    pub const CTL_WAIT: u32 = 1 << 11;
    /// [`CTL`]: ring size field, pages − 1 in 20:12, so `size - 4096` can be or-ed in.
    pub const CTL_SIZE_MASK: u32 = 0x001f_f000;
    /// [`CTL`]: head auto-report field, 2:1.
    pub const CTL_REPORT_MASK: u32 = 3 << 1;
    /// [`CTL`]: report HEAD to the status page every 64 KiB (i915 `RING_REPORT_64K`).
    pub const CTL_REPORT_64K: u32 = 1 << 1;
    /// [`CTL`]: report HEAD to the status page every 128 KiB (i915 `RING_REPORT_128K`).
    pub const CTL_REPORT_128K: u32 = 2 << 1;
    /// [`HEAD`]: offset bits.
    pub const HEAD_ADDR: u32 = 0x001f_fffc;
    /// [`TAIL`]: offset bits.
    pub const TAIL_ADDR: u32 = 0x001f_fff8;
    /// [`MI_MODE`]: stop the ring.
    pub const MI_MODE_STOP_RING: u32 = 1 << 8;
    /// [`MI_MODE`]: what MI_SET_PREDICATE set, 3:0 (RCS).
    pub const MI_MODE_PREDICATE: u32 = 0xf;
    /// [`MI_MODE`]: idle or stopped, read only.
    pub const MI_MODE_IDLE: u32 = 1 << 9;
    /// [`RESET_CTL`]: software requests a reset.
    pub const RESET_CTL_REQUEST: u32 = 1 << 0;
    /// [`RESET_CTL`]: engine is ready to be reset, read only.
    pub const RESET_CTL_READY: u32 = 1 << 1;
    /// [`RESET_CTL`]: catastrophic error.
    pub const RESET_CTL_CAT_ERROR: u32 = 1 << 2;
    /// [`GFX_MODE`]: execlists instead of the legacy ring (RUN_LIST enable).
    pub const GFX_MODE_EXECLISTS: u32 = 1 << 15;
    /// [`GFX_MODE`]: only explicit commands invalidate TLBs.
    pub const GFX_MODE_TLB_EXPLICIT: u32 = 1 << 13;
    /// [`GFX_MODE`]: PPGTT enable (legacy ring mode).
    pub const GFX_MODE_PPGTT: u32 = 1 << 9;
    /// [`GFX_MODE`]: 48-bit PPGTT (legacy ring mode).
    pub const GFX_MODE_48BIT: u32 = 1 << 7;
    /// [`GFX_MODE`]: privilege checks are off.
    pub const GFX_MODE_PRIVILEGE_OFF: u32 = 1 << 0;
    /// [`EIR`]: instruction error.
    pub const EIR_INSTRUCTION: u32 = 1 << 0;
    /// [`EIR`]: a command without the privilege for it was passed over, or a write to a read-only
    /// page (i915 `gt/intel_execlists_submission.c`, `enable_error_interrupt`: CP_PRIV). No reason
    /// to stop.
    pub const EIR_PRIVILEGE: u32 = 1 << 2;
    /// [`IPEIR`]: the command that was not understood lies in a batch, not in the ring. (Documented
    /// since Gen4; PRM for the 965, volume 1. What Broadwell has in the bits below is not.)
    pub const IPEIR_BATCH: u32 = 1 << 3;
    /// [`BCS_SWCTRL`]: tiled sources are Y-tiled (IGT `lib/intel_reg.h`: BCS_SRC_Y).
    pub const BCS_SOURCE_Y: u32 = 1 << 0;
    /// [`BCS_SWCTRL`]: tiled destinations are Y-tiled (IGT `lib/intel_reg.h`: BCS_DST_Y).
    pub const BCS_DESTINATION_Y: u32 = 1 << 1;
    /// [`BBSTATE`], [`SBBSTATE`]: the batch is in the PPGTT and not privileged.
    pub const BBSTATE_PPGTT: u32 = 1 << 5;
    /// [`BBADDR`], [`SBBADDR`]: in a batch of this level.
    pub const BBADDR_VALID: u32 = 1 << 0;
    /// [`BB_PER_CTX_PTR`]: the batch is to be run.
    pub const BB_PER_CTX_VALID: u32 = 1 << 0;
    /// [`INDIRECT_CTX`]: number of cache lines.
    pub const INDIRECT_CTX_LINES: u32 = 0x3f;
    /// [`CSB_PTR`]: write pointer field.
    pub const CSB_PTR_WRITE_MASK: u32 = 0x7;
    /// [`CSB_PTR`]: shift of the read pointer field.
    pub const CSB_PTR_READ_SHIFT: u32 = 8;
    /// [`CCID`]: a context is current (i915 4.x `CCID_EN`).
    pub const CCID_VALID: u32 = 1 << 0;
    /// [`FORCE_TO_NONPRIV`]: number of registers.
    pub const FORCE_TO_NONPRIV_COUNT: u32 = 12;
    /// Number of general-purpose registers.
    pub const GPR_COUNT: u32 = 16;
    /// Register address bits of MI register commands and of [`FORCE_TO_NONPRIV`], 22:2
    /// (PRM Vol 2a).
    pub const ADDRESS_MASK: u32 = 0x007f_fffc;
}

/// Depth samples that passed, low half; the upper one follows (RCS).
pub const PS_DEPTH_COUNT: u32 = 0x2350;
/// GTT cache enable; i915 reads it back.
pub const HSW_GTT_CACHE_EN: u32 = 0x4024;
/// Fault register shared by all engines: see `FAULT_*`.
pub const RING_FAULT_REG: u32 = 0x4094;
/// Private PAT, indices 0–3.
pub const PRIVATE_PAT_LO: u32 = 0x40e0;
/// Private PAT, indices 4–7.
pub const PRIVATE_PAT_HI: u32 = 0x40e4;
/// PAT low value that i915 writes (`bdw_setup_private_ppat`).
pub const PRIVATE_PAT_LO_I915: u32 = 0x000a_0907;
/// PAT high value that i915 writes.
pub const PRIVATE_PAT_HI_I915: u32 = 0x3b2b_1b0b;
/// Faulting address bits 43:12.
pub const FAULT_TLB_DATA0: u32 = 0x4b10;
/// Faulting address bits 47:44 in 3:0; bit 4: GGTT.
pub const FAULT_TLB_DATA1: u32 = 0x4b14;
/// RC6 context info; 0 makes i915 6.1 disable runtime power management.
pub const RC6_CTX_INFO: u32 = 0x8504;
/// Slice and subslice fuses.
pub const FUSE2: u32 = 0x9120;
/// EU fuses, slice 0.
pub const EU_DISABLE0: u32 = 0x9134;
/// EU fuses, slices 1 and 2.
pub const EU_DISABLE1: u32 = 0x9138;
/// EU fuses, slice 2.
pub const EU_DISABLE2: u32 = 0x913c;
/// Reset request, self clearing: see [`GDRST_FULL`] and `EngineId::reset_domain`.
pub const GDRST: u32 = 0x941c;
/// Forcewake request (masked).
pub const FORCEWAKE_MT: u32 = 0xa188;
/// Forcewake acknowledge: low half of the request state.
pub const FORCEWAKE_ACK_HSW: u32 = 0x13_0044;
/// GT thread status; 2:0 must read 0.
pub const GT_THREAD_STATUS: u32 = 0x13_805c;
/// Unclaimed-register report; bit 31 must read 0.
pub const FPGA_DBG: u32 = 0x4_2300;
/// Display fuse strap.
pub const FUSE_STRAP: u32 = 0x4_2014;
/// [`FUSE_STRAP`]: the part has no display (i915 `ILK_INTERNAL_DISPLAY_DISABLE`).
pub const FUSE_STRAP_DISPLAY_DISABLED: u32 = 1 << 30;
/// GT frequency request, ratio << 24.
pub const RPNSWREQ: u32 = 0xa008;
/// Actual frequency.
pub const RPSTAT1: u32 = 0xa01c;
/// Fence register n, low half: `FENCE_LO + 8 * n`, 32 of them.
pub const FENCE_LO: u32 = 0x10_0000;
/// Number of fence registers.
pub const FENCE_COUNT: u32 = 32;
/// Tiling control.
pub const TILECTL: u32 = 0x10_1000;
/// GGTT flush and TLB invalidate.
pub const GFX_FLSH_CNTL: u32 = 0x10_1008;
/// [`GFX_FLSH_CNTL`]: flush posted PTE writes and drop GGTT translations (i915 `GFX_FLSH_CNTL_EN`).
pub const GFX_FLSH_CNTL_EN: u32 = 1 << 0;
/// eDRAM capability.
pub const EDRAM_CAP: u32 = 0x12_0010;
/// LCPLL control (not the forcewake acknowledge, which is its neighbour).
pub const LCPLL_CTL: u32 = 0x13_0040;
/// RC6 residency counter, 1.28 us a tick.
pub const RC6_RESIDENCY: u32 = 0x13_8108;
/// Pcode mailbox; bit 31 run/busy.
pub const PCODE_MAILBOX: u32 = 0x13_8124;
/// Pcode data.
pub const PCODE_DATA: u32 = 0x13_8128;
/// Pcode data 1.
pub const PCODE_DATA1: u32 = 0x13_812c;
/// Frequency capabilities (MCHBAR mirror): RP0 7:0, RP1 15:8, RPn 23:16, units of 50 MHz.
pub const RP_STATE_CAP: u32 = 0x14_5998;
/// vGPU magic lives here; must not read as the GVT magic.
pub const VGT_PVINFO: u32 = 0x7_8000;

/// [`GDRST`]: the whole GT.
pub const GDRST_FULL: u32 = 1 << 0;

/// [`RING_FAULT_REG`]: a fault is latched; the first one wins until this is cleared.
pub const FAULT_VALID: u32 = 1 << 0;
/// [`RING_FAULT_REG`]: level of the entry that failed, 2:1 (0 PTE, 1 PDE, 2 PDPE, 3 PML4E).
pub const FAULT_LEVEL_SHIFT: u32 = 1;
/// [`RING_FAULT_REG`]: source id, 10:3.
pub const FAULT_SOURCE_SHIFT: u32 = 3;
/// [`RING_FAULT_REG`]: GGTT instead of PPGTT.
pub const FAULT_GGTT: u32 = 1 << 11;
/// [`RING_FAULT_REG`]: engine, 14:12 (`EngineId::fault_id`).
pub const FAULT_ENGINE_SHIFT: u32 = 12;
/// [`FAULT_TLB_DATA1`]: the faulting address is in the GGTT.
pub const FAULT_DATA1_GGTT: u32 = 1 << 4;
/// Nanoseconds in a tick of the command-streamer timestamp: 12.5 MHz (i915 `intel_gt_clock_utils.c`).
pub const TIMESTAMP_TICK_NS: u64 = 80;
/// Significant bits of the timestamp (Mesa assumes 36).
pub const TIMESTAMP_BITS: u32 = 36;
/// [`FAULT_TLB_DATA0`]: shift of the faulting address (bits 43:12).
pub const FAULT_DATA0_ADDRESS_SHIFT: u32 = 12;
/// [`FAULT_TLB_DATA1`]: shift of the faulting address (bits 47:44).
pub const FAULT_DATA1_ADDRESS_SHIFT: u32 = 44;
/// [`FAULT_TLB_DATA1`]: field of the faulting address.
pub const FAULT_DATA1_ADDRESS_MASK: u32 = 0xf;
/// Registers below this need forcewake (i915 `intel_uncore.c`, `__gen8_reg_read_fw_domains`).
pub const FORCEWAKE_RANGE_END: u32 = 0x4_0000;
/// Forcewake acknowledge of Ivybridge; unused on Broadwell, reads 0.
pub const FORCEWAKE_ACK_IVB: u32 = 0x13_0090;
/// Display strap 3.
pub const FUSE_STRAP3: u32 = 0x4_2020;
/// South display strap.
pub const SFUSE_STRAP: u32 = 0xc_2014;
/// [`SFUSE_STRAP`]: the PCH has no display (i915 `SFUSE_STRAP_DISPLAY_DISABLED`).
pub const SFUSE_STRAP_DISPLAY_DISABLED: u32 = 1 << 7;
/// Free-running display timestamp (i915 `IVB_TIMESTAMP_CTR`).
pub const TIMESTAMP_CTR: u32 = 0x4_4070;
/// Nanoseconds in a tick of [`TIMESTAMP_CTR`] (i915 `intel_crtc_scanlines_since_frame_timestamp`
/// computes with microseconds).
pub const TIMESTAMP_CTR_TICK_NS: u64 = 1000;
/// Span of one engine's register block: from its base.
pub const ENGINE_BLOCK_SIZE: u32 = 0x800;
/// TLB-invalidate registers (`EngineId::tlb_invalidate_register`): request; clears itself.
pub const TLB_INVALIDATE_REQUEST: u32 = 1 << 0;
