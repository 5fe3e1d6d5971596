//! PIPE_CONTROL: 6 dwords, header 0x7a000004 (PRM Vol 2a; genxml).

/// Header with its length.
pub const HEADER: u32 = 0x7a00_0004;
/// Upper half of the header.
pub const OPCODE: u32 = HEADER >> 16;
/// Length in dwords.
pub const DWORDS: u32 = 6;
/// Dword 1 bit 0: depth cache flush.
pub const DEPTH_CACHE_FLUSH: u32 = 1 << 0;
/// Bit 2: state cache invalidate.
pub const STATE_CACHE_INVALIDATE: u32 = 1 << 2;
/// Bit 3: constant cache invalidate.
pub const CONST_CACHE_INVALIDATE: u32 = 1 << 3;
/// Bit 4: vertex-fetch cache invalidate.
pub const VF_CACHE_INVALIDATE: u32 = 1 << 4;
/// Bit 5: data cache flush.
pub const DC_FLUSH: u32 = 1 << 5;
/// Bit 7: flush enable.
pub const FLUSH_ENABLE: u32 = 1 << 7;
/// Bit 8: notify interrupt.
pub const NOTIFY: u32 = 1 << 8;
/// Bit 10: texture cache invalidate.
pub const TEXTURE_CACHE_INVALIDATE: u32 = 1 << 10;
/// Bit 11: instruction cache invalidate.
pub const INSTRUCTION_CACHE_INVALIDATE: u32 = 1 << 11;
/// Bit 12: render target cache flush.
pub const RENDER_TARGET_CACHE_FLUSH: u32 = 1 << 12;
/// Bits 15:14: post-sync operation.
pub const POST_SYNC_MASK: u32 = 3 << 14;
/// Post-sync: write the immediate qword.
pub const QW_WRITE: u32 = 1 << 14;
/// Post-sync: write the PS depth count.
pub const DEPTH_COUNT_WRITE: u32 = 2 << 14;
/// Post-sync: write the timestamp.
pub const TIMESTAMP_WRITE: u32 = 3 << 14;
/// Bit 18: TLB invalidate (needs CS stall).
pub const TLB_INVALIDATE: u32 = 1 << 18;
/// Bit 20: command-streamer stall.
pub const CS_STALL: u32 = 1 << 20;
/// Bit 21: the address is an offset into the status page (PPHWSP in execlists mode).
pub const STORE_DATA_INDEX: u32 = 1 << 21;
/// Bit 23: LRI post-sync; the address is a register.
pub const LRI_POST_SYNC: u32 = 1 << 23;
/// Bit 24: destination is in the GGTT.
pub const GLOBAL_GTT: u32 = 1 << 24;
/// Bit 27: flush L3.
pub const FLUSH_L3: u32 = 1 << 27;
