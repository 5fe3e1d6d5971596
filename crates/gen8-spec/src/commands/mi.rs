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
/// MI_LOAD_SCAN_LINES_INCL.
pub const LOAD_SCAN_LINES_INCL: u32 = 0x12;
/// MI_LOAD_SCAN_LINES_EXCL.
pub const LOAD_SCAN_LINES_EXCL: u32 = 0x13;
/// MI_DISPLAY_FLIP.
pub const DISPLAY_FLIP: u32 = 0x14;
/// MI_URB_CLEAR.
pub const URB_CLEAR: u32 = 0x19;
/// MI_RS_STORE_DATA_IMM.
pub const RS_STORE_DATA_IMM: u32 = 0x2b;
/// MI_LOAD_URB_MEM.
pub const LOAD_URB_MEM: u32 = 0x2c;
/// MI_STORE_URB_MEM.
pub const STORE_URB_MEM: u32 = 0x2d;
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
/// MI_CLFLUSH.
pub const CLFLUSH: u32 = 0x27;
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

/// First opcode of the commands that carry a length; those below are one dword.
pub const FIRST_LONG_OPCODE: u32 = 0x10;

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
/// BATCH_BUFFER_START bit 16: BB_OFFSET is added to the address.
pub const BATCH_ADD_OFFSET: u32 = 1 << 16;
/// CONDITIONAL_BATCH_BUFFER_END bit 21: compare; without it the command has no effect.
pub const CONDITIONAL_COMPARE: u32 = 1 << 21;
/// CONDITIONAL_BATCH_BUFFER_END: the address is one of a qword, 47:3.
pub const CONDITIONAL_ADDRESS_MASK: u64 = !7;
/// LOAD_REGISTER_IMM bits 11:8: bytes of the register that are not written.
pub const BYTE_DISABLES_SHIFT: u32 = 8;
/// LOAD_REGISTER_IMM: one bit a byte.
pub const BYTE_DISABLES_MASK: u32 = 0xf;
/// STORE_REGISTER_MEM bit 21: only if the predicate is set.
pub const STORE_REGISTER_PREDICATED: u32 = 1 << 21;
/// COPY_MEM_MEM bit 22: the source is in the GGTT.
pub const COPY_SOURCE_GGTT: u32 = 1 << 22;
/// COPY_MEM_MEM bit 21: the destination is in the GGTT.
pub const COPY_DESTINATION_GGTT: u32 = 1 << 21;
/// ARB_ON_OFF bit 0: preemption is allowed.
pub const ARB_ENABLE: u32 = 1 << 0;
/// NOOP: the identification number, 21:0.
pub const NOOP_ID_MASK: u32 = 0x003f_ffff;
/// STORE_DATA_INDEX: offset in the status page, 11:2.
pub const INDEX_MASK: u32 = 0xffc;
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
    /// Bits 15:14 = 3: write the timestamp.
    pub const TIMESTAMP_WRITE: u32 = 3 << 14;
    /// Bit 8: notify interrupt.
    pub const NOTIFY: u32 = 1 << 8;
    /// Bit 7: invalidate the video pipeline cache (VCS). Not part of the length.
    pub const INVALIDATE_BSD: u32 = 1 << 7;
    /// Address dword, bit 2: GGTT.
    pub const ADDRESS_GGTT: u32 = 1 << 2;
}

/// Fields of the headers of MI_SEMAPHORE_WAIT and MI_SEMAPHORE_SIGNAL. SAD is the dword in memory, SDD the command's data.
pub mod semaphore {
    /// Bit 15: poll memory (else wait for a signal).
    pub const POLL: u32 = 1 << 15;
    /// MI_SEMAPHORE_SIGNAL: shift of the target engine, 17:15
    /// (`EngineId::from_semaphore_target`).
    pub const TARGET_SHIFT: u32 = 15;
    /// MI_SEMAPHORE_SIGNAL: bits of the target engine.
    pub const TARGET_MASK: u32 = 7;
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

/// Fields of MI_ATOMIC's header and its operations (genxml `MI_ATOMIC`; operands and return data:
/// the command's description in Intel's media-driver, `mhw_mi_hwcmd_g8_X.h`).
pub mod atomic {
    /// Bits 20:19: operand size.
    pub const SIZE_MASK: u32 = 3 << 19;
    /// Size: a dword.
    pub const SIZE_DWORD: u32 = 0;
    /// Size: a qword.
    pub const SIZE_QWORD: u32 = 1 << 19;
    /// Size: an octword, 16 bytes.
    pub const SIZE_OCTWORD: u32 = 2 << 19;
    /// Bit 18: operands follow in the command, else they come from general-purpose registers.
    pub const INLINE: u32 = 1 << 18;
    /// Bit 17: the streamer waits until memory is written.
    pub const CS_STALL: u32 = 1 << 17;
    /// Bit 16: the old value goes to general-purpose register [`RETURN_GPR`].
    pub const RETURN: u32 = 1 << 16;
    /// Shift of the operation, 15:8.
    pub const OPERATION_SHIFT: u32 = 8;
    /// Bits of the operation without its size.
    pub const OPERATION_MASK: u32 = 0x1f;
    /// Shift of the size in the operation: 0 dword, 1 qword, 2 octword.
    pub const OPERATION_SIZE_SHIFT: u32 = 5;
    /// Bits of the operation with its size.
    pub const OPERATION_FIELD: u32 = 0xff;
    /// Dword of the command where inline operands begin; operands 1 and 2 alternate.
    pub const INLINE_FIRST: u32 = 3;
    /// General-purpose register with the low qword of operand 1; the next has the high one.
    pub const OPERAND1_GPR: usize = 0;
    /// General-purpose register with the low qword of operand 2.
    pub const OPERAND2_GPR: usize = 2;
    /// General-purpose register that takes the low qword of the returned value.
    pub const RETURN_GPR: usize = 4;
    /// AND.
    pub const AND: u32 = 0x01;
    /// OR.
    pub const OR: u32 = 0x02;
    /// XOR.
    pub const XOR: u32 = 0x03;
    /// Store operand 1.
    pub const MOVE: u32 = 0x04;
    /// Increment.
    pub const INC: u32 = 0x05;
    /// Decrement.
    pub const DEC: u32 = 0x06;
    /// Add operand 1.
    pub const ADD: u32 = 0x07;
    /// Subtract operand 1.
    pub const SUB: u32 = 0x08;
    /// Operand 1 less memory.
    pub const RSUB: u32 = 0x09;
    /// Signed maximum.
    pub const IMAX: u32 = 0x0a;
    /// Signed minimum.
    pub const IMIN: u32 = 0x0b;
    /// Unsigned maximum.
    pub const UMAX: u32 = 0x0c;
    /// Unsigned minimum.
    pub const UMIN: u32 = 0x0d;
    /// Store operand 2 if memory equals operand 1.
    pub const CMPWR: u32 = 0x0e;
    /// Decrement; the value returned is the new one.
    pub const PREDEC: u32 = 0x0f;
}

/// Values of MI_SET_PREDICATE's field 3:0, which lands in MI_MODE (PRM Vol 2a; Intel's media-driver,
/// `mhw_mi_hwcmd_g8_X.h`): when commands are passed over.
pub mod set_predicate {
    /// The field.
    pub const MASK: u32 = 0xf;
    /// Never.
    pub const NEVER: u32 = 0;
    /// While bit 0 of PREDICATE_RESULT_2 is clear.
    pub const RESULT2_CLEAR: u32 = 1;
    /// While bit 0 of PREDICATE_RESULT_2 is set.
    pub const RESULT2_SET: u32 = 2;
    /// While bit 0 of PREDICATE_RESULT is clear.
    pub const RESULT_CLEAR: u32 = 3;
    /// While bit 0 of PREDICATE_RESULT is set.
    pub const RESULT_SET: u32 = 4;
    /// Unless one slice is enabled; with 6 and 7, two and three.
    pub const UNLESS_ONE_SLICE: u32 = 5;
    /// Unless three slices are enabled.
    pub const UNLESS_THREE_SLICES: u32 = 7;
    /// Always.
    pub const ALWAYS: u32 = 15;
}

/// Fields of MI_REPORT_PERF_COUNT and its report.
pub mod report_perf_count {
    /// Low address dword, bit 0: the report goes to the GGTT.
    pub const ADDRESS_GGTT: u32 = 1 << 0;
    /// Address bits of a report.
    pub const ADDRESS_MASK: u64 = !0x3f;
    /// Dwords of a report in the format that i915 sets up, `A32u40_A4u32_B8_C8` (i915
    /// `i915_perf.c`, `gen8_plus_oa_formats`).
    pub const REPORT_DWORDS: u64 = 64;
}

/// Fields of MI_PREDICATE's header (genxml `MI_PREDICATE`).
pub mod predicate {
    /// Compare operation, 1:0: 0 true, 1 false, 2 sources equal, 3 their difference equals data.
    pub const COMPARE_MASK: u32 = 3;
    /// Shift of the combine operation, 4:3: 0 set, 1 and, 2 or, 3 xor.
    pub const COMBINE_SHIFT: u32 = 3;
    /// Shift of the load operation, 7:6: 0 keep, 2 load, 3 load inverted.
    pub const LOAD_SHIFT: u32 = 6;
}

/// ALU instructions of MI_MATH (genxml `MI_MATH_ALU_INSTRUCTION`; PRM Vol 2a).
pub mod math {
    /// Shift of the operation, 31:20.
    pub const OPERATION_SHIFT: u32 = 20;
    /// Shift of operand 1, 19:10.
    pub const OPERAND1_SHIFT: u32 = 10;
    /// Bits of an operand.
    pub const OPERAND_MASK: u32 = 0x3ff;
    /// No operation.
    pub const NOOP: u32 = 0x000;
    /// Operand 1 := operand 2.
    pub const LOAD: u32 = 0x080;
    /// Operand 1 := not operand 2.
    pub const LOADINV: u32 = 0x480;
    /// Operand 1 := 0.
    pub const LOAD0: u32 = 0x081;
    /// Operand 1 := all ones.
    pub const LOAD1: u32 = 0x481;
    /// ACCU := SRCA + SRCB.
    pub const ADD: u32 = 0x100;
    /// ACCU := SRCA − SRCB.
    pub const SUB: u32 = 0x101;
    /// ACCU := SRCA and SRCB.
    pub const AND: u32 = 0x102;
    /// ACCU := SRCA or SRCB.
    pub const OR: u32 = 0x103;
    /// ACCU := SRCA xor SRCB.
    pub const XOR: u32 = 0x104;
    /// Register operand 1 := operand 2.
    pub const STORE: u32 = 0x180;
    /// Register operand 1 := not operand 2.
    pub const STOREINV: u32 = 0x580;
    /// Operand: SRCA.
    pub const SRCA: u32 = 0x20;
    /// Operand: SRCB.
    pub const SRCB: u32 = 0x21;
    /// Operand: accumulator.
    pub const ACCU: u32 = 0x31;
    /// Operand: zero flag.
    pub const ZF: u32 = 0x32;
    /// Operand: carry flag.
    pub const CF: u32 = 0x33;
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
