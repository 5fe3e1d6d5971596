//! Power, clocks and frequencies (i915 `gt/intel_rc6.c`, `gt/intel_rps.c`, `intel_pcode.c`,
//! `display/intel_display_power_well.c`; reset values from the probe trace of i915 6.1).

use super::Rule;
use crate::mmio;

/// RC6_CTX_INFO after reset: the context base is programmed by firmware, so i915 leaves runtime
/// power management on.
pub const RC6_CTX_INFO_RESET: u32 = 0x1000_0000;
/// RP_STATE_CAP of the model: RP0 950 MHz, RP1 300 MHz, RPn 300 MHz in units of 50 MHz.
pub const RP_STATE_CAP_VALUE: u32 = 0x0006_0613;
/// RC_VIDEO_FREQ; written without forcewake as well.
pub const RC_VIDEO_FREQ: u32 = 0xa00c;
/// RC_CONTROL: see [`RC_CONTROL_HW_ENABLE`].
pub const RC_CONTROL: u32 = 0xa090;
/// [`RC_CONTROL`]: RC6 allowed.
pub const RC_CONTROL_RC6_ENABLE: u32 = 1 << 18;
/// [`RC_CONTROL`]: hardware decides when to enter.
pub const RC_CONTROL_HW_ENABLE: u32 = 1 << 31;
/// RC_STATE: software's target.
pub const RC_STATE: u32 = 0xa094;
/// [`RC_STATE`]: software forces RC6 (target field 18:16 = 4).
pub const RC_STATE_RC6: u32 = 1 << 18;
/// Nanoseconds in a tick of the power-management unit: RC6 residency, and all intervals, thresholds
/// and counters of RPS (i915 `intel_gt_ns_to_pm_interval`).
pub const PM_TICK_NS: u64 = 1280;
/// Shift of the requested ratio in RPNSWREQ (31:24).
pub const RPNSWREQ_RATIO_SHIFT: u32 = 24;
/// Shift of the current ratio (CAGF, 13:7) in RPSTAT1.
pub const RPSTAT1_CAGF_SHIFT: u32 = 7;
/// Field of the current ratio in RPSTAT1, before the shift.
pub const RPSTAT1_CAGF_MASK: u32 = 0x7f;
/// RP_INTERRUPT_LIMITS: ratios at which no more interrupts ask for more, or for less.
pub const RP_INTERRUPT_LIMITS: u32 = 0xa014;
/// [`RP_INTERRUPT_LIMITS`]: shift of the upper limit (31:24).
pub const RP_LIMIT_UP_SHIFT: u32 = 24;
/// [`RP_INTERRUPT_LIMITS`]: shift of the lower limit (23:16).
pub const RP_LIMIT_DOWN_SHIFT: u32 = 16;
/// [`RP_INTERRUPT_LIMITS`]: field of the lower limit, after the shift.
pub const RP_LIMIT_DOWN_MASK: u32 = 0xff;
/// RP_CONTROL: see [`RP_CONTROL_ENABLE`].
pub const RP_CONTROL: u32 = 0xa024;
/// [`RP_CONTROL`]: evaluation runs.
pub const RP_CONTROL_ENABLE: u32 = 1 << 7;
/// [`RP_CONTROL`]: field of the upward mode.
pub const RP_CONTROL_UP_MASK: u32 = 7 << 3;
/// [`RP_CONTROL`]: more is asked for when the average of an interval is above the threshold.
pub const RP_CONTROL_UP_BUSY_AVG: u32 = 2 << 3;
/// [`RP_CONTROL`]: field of the downward mode.
pub const RP_CONTROL_DOWN_MASK: u32 = 7;
/// [`RP_CONTROL`]: less is asked for when the average of an interval is below the threshold.
pub const RP_CONTROL_DOWN_IDLE_AVG: u32 = 2;
/// RP_UP_THRESHOLD, in PM ticks.
pub const RP_UP_THRESHOLD: u32 = 0xa02c;
/// RP_DOWN_THRESHOLD, in PM ticks.
pub const RP_DOWN_THRESHOLD: u32 = 0xa030;
/// Ticks of the running upward interval.
pub const RP_CUR_UP_EI: u32 = 0xa050;
/// Busy ticks of the running upward interval.
pub const RP_CUR_UP: u32 = 0xa054;
/// Busy ticks of the last upward interval.
pub const RP_PREV_UP: u32 = 0xa058;
/// Ticks of the running downward interval.
pub const RP_CUR_DOWN_EI: u32 = 0xa05c;
/// Busy ticks of the running downward interval.
pub const RP_CUR_DOWN: u32 = 0xa060;
/// Busy ticks of the last downward interval.
pub const RP_PREV_DOWN: u32 = 0xa064;
/// The counters have 24 bits.
pub const RP_COUNTER_MASK: u32 = 0xff_ffff;
/// RP_UP_EI: length of the upward interval, in PM ticks.
pub const RP_UP_EI: u32 = 0xa068;
/// RP_DOWN_EI: length of the downward interval, in PM ticks.
pub const RP_DOWN_EI: u32 = 0xa06c;
/// PMINTRMSK: interrupts of the PM bank that are not sent; bits as in that bank.
pub const PMINTRMSK: u32 = 0xa168;
/// PM bank: the downward interval came to its end.
pub const PM_DOWN_EI_EXPIRED: u32 = 1 << 1;
/// PM bank: the upward interval came to its end.
pub const PM_UP_EI_EXPIRED: u32 = 1 << 2;
/// PM bank: less is asked for.
pub const PM_DOWN_THRESHOLD: u32 = 1 << 4;
/// PM bank: more is asked for.
pub const PM_UP_THRESHOLD: u32 = 1 << 5;
/// LCPLL_CTL: PLL disable.
pub const LCPLL_DISABLE: u32 = 1 << 31;
/// LCPLL_CTL: PLL locked, read only.
pub const LCPLL_LOCK: u32 = 1 << 30;
/// LCPLL_CTL: CD clock from FCLK.
pub const LCPLL_CD_SOURCE_FCLK: u32 = 1 << 21;
/// LCPLL_CTL: CD clock runs from FCLK, read only.
pub const LCPLL_CD_SOURCE_FCLK_DONE: u32 = 1 << 19;
/// Power-well control n: `PWR_WELL_CTL + 4 * n`, four requesters.
pub const PWR_WELL_CTL: u32 = 0x4_5400;
/// Number of power-well requesters.
pub const PWR_WELL_CTL_COUNT: u32 = 4;
/// State bits of a power-well register, one below each request bit.
pub const PWR_WELL_STATE_BITS: u32 = 0x5555_5555;

/// The table, grouped by hardware block, each group by address.
pub static RULES: &[Rule] = &[
    // RPS: frequencies.
    Rule::storage("GEN6_RPNSWREQ", mmio::RPNSWREQ),
    Rule::storage("GEN6_RC_VIDEO_FREQ", RC_VIDEO_FREQ),
    Rule::storage("GEN6_RP_DOWN_TIMEOUT", 0xa010),
    Rule::storage("GEN6_RP_INTERRUPT_LIMITS", RP_INTERRUPT_LIMITS),
    Rule::read_only("GEN6_RPSTAT1", mmio::RPSTAT1, 0),
    Rule::storage("GEN6_RP_CONTROL", RP_CONTROL),
    Rule::storage("GEN6_RP_UP_THRESHOLD", RP_UP_THRESHOLD),
    Rule::storage("GEN6_RP_DOWN_THRESHOLD", RP_DOWN_THRESHOLD),
    Rule::read_only("GEN6_RP_COUNTERS", RP_CUR_UP_EI, 0).array(6, 4),
    Rule::storage("GEN6_RP_UP_EI", RP_UP_EI),
    Rule::storage("GEN6_RP_DOWN_EI", RP_DOWN_EI),
    Rule::storage("GEN6_RP_IDLE_HYSTERSIS", 0xa070),
    // RC6: render power-down.
    Rule::storage("RC6_CTX_BASE", 0x0d48),
    Rule::storage("GEN8_RC6_CTX_INFO", mmio::RC6_CTX_INFO).with_reset(RC6_CTX_INFO_RESET),
    Rule::storage("GEN6_RC_CONTROL", RC_CONTROL),
    Rule::storage("GEN6_RC_STATE", RC_STATE),
    Rule::storage("GEN6_RC1_WAKE_RATE_LIMIT", 0xa098),
    Rule::storage("GEN6_RC6_WAKE_RATE_LIMIT", 0xa09c),
    Rule::storage("GEN6_RC_EVALUATION_INTERVAL", 0xa0a8),
    Rule::storage("GEN6_RC_IDLE_HYSTERSIS", 0xa0ac),
    Rule::storage("GEN6_RC_SLEEP", 0xa0b0),
    Rule::storage("GEN6_RC1E_THRESHOLD", 0xa0b4),
    Rule::storage("GEN6_RC6_THRESHOLD", 0xa0b8),
    Rule::storage("GEN6_PMINTRMSK", PMINTRMSK),
    Rule::read_only("GEN6_GT_CORE_STATUS", 0x13_8060, 0),
    Rule::read_only("GEN6_GT_GFX_RC6_LOCKED", 0x13_8104, 0),
    Rule::read_only("GEN6_GT_GFX_RC6", mmio::RC6_RESIDENCY, 0),
    // Pcode mailbox.
    Rule::storage("GEN6_PCODE_MAILBOX", mmio::PCODE_MAILBOX),
    Rule::storage("GEN6_PCODE_DATA", mmio::PCODE_DATA),
    Rule::storage("GEN6_PCODE_DATA1", mmio::PCODE_DATA1),
    // Clocks and power wells.
    Rule::storage("HSW_PWR_WELL_CTL", PWR_WELL_CTL).array(PWR_WELL_CTL_COUNT, 4),
    Rule::storage("HSW_PWR_WELL_CTL5", 0x4_5410),
    Rule::storage("HSW_PWR_WELL_CTL6", 0x4_5414),
    Rule::storage("HSW_NDE_RSTWRN_OPT", 0x4_6408),
    Rule::storage("LCPLL_CTL", mmio::LCPLL_CTL).with_reset(LCPLL_LOCK),
    Rule::storage("D_COMP_BDW", 0x13_8144),
    // Stolen memory: none is reserved.
    Rule::read_only("GEN6_STOLEN_RESERVED", 0x10_82c0, 0),
    // Mirror of the host bridge: memory controller and package.
    Rule::read_only("HSW_EDRAM_CAP", mmio::EDRAM_CAP, 0),
    Rule::read_only("MCHBAR_DRAM_CHANNELS", 0x14_5000, 0).array(24, 4),
    Rule::read_only("GT_PERF_LIMIT_REASONS", 0x14_5948, 0),
    Rule::read_only("GEN6_GT_PERF_STATUS", 0x14_5994, 0),
    Rule::read_only("GEN6_RP_STATE_CAP", mmio::RP_STATE_CAP, RP_STATE_CAP_VALUE),
    Rule::read_only("DCLK", 0x14_5e04, 0),
];
