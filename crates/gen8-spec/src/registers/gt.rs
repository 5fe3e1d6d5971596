//! Registers of the device that are plain storage: no block does anything with them, drivers and
//! batches read back what they wrote (i915 `gt/intel_gt_regs.h`, `i915_reg.h`; names are theirs).
//!
//! `RCS_xxxx` and `GT_xxxx` stand for registers that are known to be saved, masked or written
//! (IGT `gem_ctx_isolation`, GVT `handlers.c`) but that i915 does not name.
//!
//! Engines' own registers, interrupts, faults, power and fuses are with their blocks.

use super::Rule;
use crate::mmio;

/// The table, grouped by hardware block, each group by address.
pub static RULES: &[Rule] = &[
    // MMU and arbiter.
    Rule::storage("HSW_GTT_CACHE_EN", mmio::HSW_GTT_CACHE_EN),
    Rule::masked("ARB_MODE", 0x4030),
    Rule::storage("GAMW_ECO_DEV_RW_IA", 0x4080),
    Rule::storage("GAM_ECOCHK", 0x4090),
    Rule::read_only("ERROR_GEN6", 0x40a0, 0),
    Rule::read_only("DONE_REG", 0x40b0, 0),
    Rule::storage("GEN8_PRIVATE_PAT_LO", mmio::PRIVATE_PAT_LO),
    Rule::storage("GEN8_PRIVATE_PAT_HI", mmio::PRIVATE_PAT_HI),
    Rule::storage("RING_FAULT_REG_VCS", 0x4194),
    Rule::storage("RING_FAULT_REG_BCS", 0x4294),
    Rule::storage("RING_FAULT_REG_VECS", 0x4394),
    Rule::read_only("PP_PFD", 0x4580, 0).array(32, 4),
    Rule::masked("GAMTARBMODE", 0x4a08),
    Rule::storage("GEN8_L3_LRA_1_GPGPU", 0x4dd4),
    // Render engine's neighbours: 3D pipeline state and statistics.
    Rule::read_only("PGTBL_ER", 0x2024, 0),
    Rule::masked("RCS_2088", 0x2088),
    Rule::masked("_3D_CHICKEN3", 0x2090),
    Rule::storage("GEN7_FF_THREAD_MODE", 0x20a0),
    Rule::masked("RCS_20DC", 0x20dc),
    Rule::masked("FF_SLICE_CS_CHICKEN1", 0x20e0),
    Rule::masked("FF_SLICE_CS_CHICKEN2", 0x20e4),
    Rule::masked("RCS_2120", 0x2120),
    Rule::masked("RCS_2124", 0x2124),
    Rule::storage("RCS_2158", 0x2158),
    Rule::storage("CS_INVOCATION_COUNT", 0x2290).array(2, 4),
    Rule::storage("RCS_22C8", 0x22c8).array(2, 4),
    Rule::storage("RCS_22D8", 0x22d8).array(2, 4),
    Rule::storage("RCS_22F0", 0x22f0).array(4, 4),
    Rule::storage("PIPELINE_STATISTICS", 0x2300).array(20, 4),
    Rule::storage("PS_DEPTH_COUNT", mmio::PS_DEPTH_COUNT).array(2, 4),
    Rule::storage("RCS_2360", 0x2360).array(2, 4),
    Rule::storage("3DPRIM_END_OFFSET", 0x2420),
    Rule::storage("3DPRIM_START_VERTEX", 0x2430).array(5, 4),
    Rule::storage("RCS_2448", 0x2448).array(4, 4),
    Rule::masked("RCS_2470", 0x2470),
    Rule::storage("GPGPU_DISPATCHDIM", 0x2500).array(3, 4),
    Rule::masked("RCS_2580", 0x2580),
    Rule::read_only("RCS_2B00", 0x2b00, 0),
    Rule::storage("SO_NUM_PRIMS_WRITTEN", 0x5200).array(8, 4),
    Rule::storage("SO_PRIM_STORAGE_NEEDED", 0x5240).array(8, 4),
    Rule::storage("SO_WRITE_OFFSET", 0x5280).array(4, 4),
    // Caches, workarounds and clock gating.
    Rule::masked("CACHE_MODE_0", 0x7000),
    Rule::masked("CACHE_MODE_1", 0x7004),
    Rule::masked("GT_MODE", 0x7008),
    Rule::masked("COMMON_SLICE_CHICKEN1", 0x7010),
    Rule::masked("COMMON_SLICE_CHICKEN2", 0x7014),
    Rule::masked("GT_7018", 0x7018),
    Rule::storage("L3CNTLREG", 0x7034),
    Rule::read_only("SC_INSTDONE", 0x7100, u32::MAX),
    Rule::masked("HDC_CHICKEN0", 0x7300),
    Rule::storage("MCR_SELECTOR", 0x0fdc),
    Rule::storage("HSW_IDICR", 0x9008),
    Rule::read_only("GT_91B8", 0x91b8, 0),
    Rule::read_only("GT_91C0", 0x91c0, 0),
    Rule::storage("GEN6_UCGCTL1", 0x9400),
    Rule::storage("GEN6_UCGCTL2", 0x9404),
    Rule::storage("GEN7_MISCCPCTL", 0x9424),
    Rule::storage("GEN8_UCGCTL6", 0x9430),
    Rule::storage("GEN8_L3SQCREG1", 0xb100),
    Rule::storage("GEN8_L3SQCREG4", 0xb118),
    Rule::masked("GT_E100", 0xe100),
    Rule::read_only("SAMPLER_INSTDONE", 0xe160, u32::MAX),
    Rule::read_only("ROW_INSTDONE", 0xe164, u32::MAX),
    Rule::masked("GT_E180", 0xe180),
    Rule::masked("HALF_SLICE_CHICKEN3", 0xe184),
    Rule::masked("HALF_SLICE_CHICKEN2", 0xe188),
    Rule::masked("HALF_SLICE_CHICKEN7", 0xe194),
    Rule::storage("GT_E400", 0xe400).array(2, 4),
    Rule::masked("GEN8_ROW_CHICKEN", 0xe4f0),
    Rule::masked("GEN7_ROW_CHICKEN2", 0xe4f4),
];
