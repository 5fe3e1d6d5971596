//! Layout of the global hardware status page and of the per-process one (PRM Vol 6; i915
//! `gt/intel_engine.h`, `gt/intel_lrc.c`). Byte offsets.

/// Ring HEAD auto-report.
pub const HEAD_REPORT: u64 = 0x10;
/// Context status buffer: six entries of two dwords (status, context id).
pub const CSB: u64 = 0x40;
/// Index of the last written CSB entry, `0..6`.
pub const CSB_WRITE_INDEX: u64 = 0x7c;
/// Seqno slot as i915 uses it (dword 0x40).
pub const I915_SEQNO: u64 = 0x100;
/// Number of CSB entries.
pub const CSB_ENTRIES: u32 = 6;
/// Store-index slot of the PPHWSP that i915 uses for invalidation flushes.
pub const I915_PPHWSP_SCRATCH: u64 = 0xd0;
