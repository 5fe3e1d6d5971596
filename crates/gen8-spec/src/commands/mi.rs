//! MI commands: class 0 in bits 31:29, opcode in bits 28:23.

/// MI_NOOP; bit 22 loads NOPID from 21:0.
pub const NOOP: u32 = 0x00;
/// MI_SET_PREDICATE.
pub const SET_PREDICATE: u32 = 0x01;
/// MI_USER_INTERRUPT.
pub const USER_INTERRUPT: u32 = 0x02;
/// MI_WAIT_FOR_EVENT.
pub const WAIT_FOR_EVENT: u32 = 0x03;
/// MI_FLUSH (no effect on Gen8).
pub const FLUSH: u32 = 0x04;
/// MI_ARB_CHECK: a preemption point.
pub const ARB_CHECK: u32 = 0x05;
/// MI_REPORT_HEAD: HEAD to the status page.
pub const REPORT_HEAD: u32 = 0x07;
/// MI_ARB_ON_OFF: bit 0 allows preemption.
pub const ARB_ON_OFF: u32 = 0x08;
/// MI_BATCH_BUFFER_END.
pub const BATCH_BUFFER_END: u32 = 0x0a;
/// MI_SUSPEND_FLUSH.
pub const SUSPEND_FLUSH: u32 = 0x0b;
/// MI_PREDICATE.
pub const PREDICATE: u32 = 0x0c;
/// MI_SET_CONTEXT (legacy ring mode, RCS).
pub const SET_CONTEXT: u32 = 0x18;
/// MI_MATH.
pub const MATH: u32 = 0x1a;
/// MI_SEMAPHORE_SIGNAL.
pub const SEMAPHORE_SIGNAL: u32 = 0x1b;
/// MI_SEMAPHORE_WAIT.
pub const SEMAPHORE_WAIT: u32 = 0x1c;
/// MI_STORE_DATA_IMM.
pub const STORE_DATA_IMM: u32 = 0x20;
/// MI_STORE_DATA_INDEX.
pub const STORE_DATA_INDEX: u32 = 0x21;
/// MI_LOAD_REGISTER_IMM.
pub const LOAD_REGISTER_IMM: u32 = 0x22;
/// MI_UPDATE_GTT.
pub const UPDATE_GTT: u32 = 0x23;
/// MI_STORE_REGISTER_MEM.
pub const STORE_REGISTER_MEM: u32 = 0x24;
/// MI_FLUSH_DW.
pub const FLUSH_DW: u32 = 0x26;
/// MI_REPORT_PERF_COUNT.
pub const REPORT_PERF_COUNT: u32 = 0x28;
/// MI_LOAD_REGISTER_MEM.
pub const LOAD_REGISTER_MEM: u32 = 0x29;
/// MI_LOAD_REGISTER_REG.
pub const LOAD_REGISTER_REG: u32 = 0x2a;
/// MI_COPY_MEM_MEM.
pub const COPY_MEM_MEM: u32 = 0x2e;
/// MI_ATOMIC.
pub const ATOMIC: u32 = 0x2f;
/// MI_BATCH_BUFFER_START.
pub const BATCH_BUFFER_START: u32 = 0x31;
/// MI_CONDITIONAL_BATCH_BUFFER_END.
pub const CONDITIONAL_BATCH_BUFFER_END: u32 = 0x36;

/// Header of an MI command with this opcode and these low bits (flags and length − 2).
pub const fn header(opcode: u32, low: u32) -> u32 {
    (opcode << 23) | low
}
/// Opcode of an MI header.
pub const fn opcode(header: u32) -> u32 {
    (header >> 23) & 0x3f
}

/// Bit 22 of the memory commands: the address is in the GGTT.
pub const USE_GGTT: u32 = 1 << 22;
/// STORE_DATA_IMM bit 21: a qword.
pub const STORE_QWORD: u32 = 1 << 21;
/// STORE_DATA_INDEX bit 21: the per-process status page.
pub const INDEX_PPHWSP: u32 = 1 << 21;
/// BATCH_BUFFER_START bit 8: PPGTT, non-privileged.
pub const BATCH_PPGTT: u32 = 1 << 8;
/// BATCH_BUFFER_START bit 22: second level.
pub const BATCH_SECOND_LEVEL: u32 = 1 << 22;
/// BATCH_BUFFER_START bit 15: predicated.
pub const BATCH_PREDICATED: u32 = 1 << 15;
/// NOOP bit 22: load NOPID.
pub const NOOP_WRITE_ID: u32 = 1 << 22;

/// Fields of MI_FLUSH_DW's header.
pub mod flush_dw {
    /// Bit 21: the address is an index into the status page.
    pub const STORE_INDEX: u32 = 1 << 21;
    /// Bit 18: invalidate the TLB (needs a post-sync write).
    pub const TLB_INVALIDATE: u32 = 1 << 18;
    /// Bits 15:14 = 1: write the immediate qword (a dword on i915's 4-dword form).
    pub const POST_SYNC_WRITE: u32 = 1 << 14;
    /// Bits 15:14: the post-sync field.
    pub const POST_SYNC_MASK: u32 = 3 << 14;
    /// Bit 8: notify interrupt.
    pub const NOTIFY: u32 = 1 << 8;
    /// Bit 7: invalidate the video pipeline cache (VCS). Not part of the length.
    pub const INVALIDATE_BSD: u32 = 1 << 7;
    /// Address dword, bit 2: GGTT.
    pub const ADDRESS_GGTT: u32 = 1 << 2;
}

/// Fields of MI_SEMAPHORE_WAIT's header. SAD is the dword in memory, SDD the command's data.
pub mod semaphore {
    /// Bit 15: poll memory (else wait for a signal).
    pub const POLL: u32 = 1 << 15;
    /// Shift of the compare operation.
    pub const COMPARE_SHIFT: u32 = 12;
    /// SAD > SDD.
    pub const SAD_GT_SDD: u32 = 0;
    /// SAD >= SDD.
    pub const SAD_GTE_SDD: u32 = 1;
    /// SAD < SDD.
    pub const SAD_LT_SDD: u32 = 2;
    /// SAD <= SDD.
    pub const SAD_LTE_SDD: u32 = 3;
    /// SAD == SDD.
    pub const SAD_EQ_SDD: u32 = 4;
    /// SAD != SDD.
    pub const SAD_NEQ_SDD: u32 = 5;
}

/// Fields of MI_SET_CONTEXT's address dword.
pub mod set_context {
    /// Bit 8: memory space is the GTT; must be one.
    pub const MEMORY_GTT: u32 = 1 << 8;
    /// Bit 3: save extended state.
    pub const SAVE_EXTENDED: u32 = 1 << 3;
    /// Bit 2: restore extended state.
    pub const RESTORE_EXTENDED: u32 = 1 << 2;
    /// Bit 1: force restore.
    pub const FORCE_RESTORE: u32 = 1 << 1;
    /// Bit 0: inhibit restore.
    pub const RESTORE_INHIBIT: u32 = 1 << 0;
}
