//! Registers of an engine's block that are storage: offsets from the engine's base (PRM Vol 2c;
//! i915 `gt/intel_engine_regs.h`). What moves by itself (HEAD, ACTHD, CSB, timestamps) is state of
//! the engine.

use super::Rule;
use crate::mmio::ring as reg;

/// Every engine has these; some are used by one engine only and stored by all.
pub static RULES: &[Rule] = &[
    Rule::masked("EXCC", reg::EXCC),
    Rule::storage("SYNC", reg::SYNC0).array(3, 4),
    Rule::masked("PSMI_CTL", reg::PSMI_CTL),
    Rule::storage("MAX_IDLE", reg::MAX_IDLE).with_writable(0x000f_ffff),
    Rule::storage("IPEIR", reg::IPEIR),
    Rule::read_only("INSTPS", reg::INSTPS, 0),
    Rule::storage("HWS_PGA", reg::HWS_PGA).with_writable(0xffff_f000),
    Rule::read_only("ID", 0x8c, 0),
    Rule::storage("NOPID", reg::NOPID).with_writable(0x003f_ffff),
    Rule::storage("HWSTAM", reg::HWSTAM).with_reset(u32::MAX),
    Rule::masked("MI_MODE", reg::MI_MODE).with_writable(0xffff & !reg::MI_MODE_IDLE),
    Rule::storage("IMR", reg::IMR).with_reset(u32::MAX),
    Rule::event_bits("EIR", reg::EIR),
    Rule::storage("EMR", reg::EMR).with_reset(u32::MAX),
    Rule::masked("INSTPM", reg::INSTPM),
    Rule::storage("R_PWR_CLK_STATE", reg::R_PWR_CLK_STATE),
    Rule::masked("RESET_CTL", reg::RESET_CTL).with_writable(reg::RESET_CTL_REQUEST),
    Rule::storage("BB_OFFSET", reg::BB_OFFSET),
    Rule::storage("CCID", reg::CCID),
    Rule::storage("BB_PER_CTX_PTR", reg::BB_PER_CTX_PTR),
    Rule::storage("INDIRECT_CTX", reg::INDIRECT_CTX),
    Rule::storage("INDIRECT_CTX_OFFSET", reg::INDIRECT_CTX_OFFSET),
    Rule::storage("ECOSKPD", 0x1d0),
    Rule::masked("BCS_SWCTRL", reg::BCS_SWCTRL),
    Rule::storage("CSCMDOP", 0x20c),
    Rule::storage("PP_DIR_DCLV", 0x220),
    Rule::storage("PP_DIR_BASE", 0x228),
    Rule::masked("CONTEXT_CONTROL", reg::CONTEXT_CONTROL),
    Rule::storage("CTX_PREEMPT", reg::CTX_PREEMPT),
    Rule::storage("SEMA_WAIT_POLL", reg::SEMA_WAIT_POLL),
    // Reset value: i915 never writes TLB_EXPLICIT on Broadwell, and each of its requests begins
    // with an explicit invalidation. The model starts in the mode that forgives least.
    Rule::masked("GFX_MODE", reg::GFX_MODE).with_reset(reg::GFX_MODE_TLB_EXPLICIT),
    Rule::storage("PREDICATE_RESULT_2", reg::PREDICATE_RESULT_2),
    Rule::storage("MI_PREDICATE", reg::PREDICATE_SRC0).array(8, 4),
    Rule::storage("FORCE_TO_NONPRIV", reg::FORCE_TO_NONPRIV).array(reg::FORCE_TO_NONPRIV_COUNT, 4),
];
