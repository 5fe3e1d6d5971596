//! Display and PCH as far as a driver touches them while no output is connected (i915
//! `i915_reg.h`, `display/`; the probe trace of i915 6.1).

use super::Rule;
use crate::mmio;

/// SBI (side-band to the PCH): data.
pub const SBI_DATA: u32 = 0xc_6004;
/// SBI: control and status; see [`SBI_BUSY`].
pub const SBI_CTL_STAT: u32 = 0xc_6008;
/// [`SBI_CTL_STAT`]: a transaction is started and runs.
pub const SBI_BUSY: u32 = 1 << 0;
/// [`SBI_CTL_STAT`]: field of the operation, 15:8.
pub const SBI_OPCODE_MASK: u32 = 0xff00;
/// [`SBI_CTL_STAT`]: read of a configuration register.
pub const SBI_OPCODE_READ: u32 = 0x0600;

/// The table, grouped by hardware block, each group by address.
pub static RULES: &[Rule] = &[
    // CPU display.
    Rule::storage("CPU_VGACNTRL", 0x4_1000),
    Rule::storage("CHICKEN_PAR1_1", 0x4_2080),
    Rule::storage("CHICKEN_PAR2_1", 0x4_2090),
    Rule::storage("CHICKEN_PIPESL_1", 0x4_20b0).array(3, 4),
    Rule::event_bits("FPGA_DBG", mmio::FPGA_DBG),
    Rule::storage("DIGITAL_PORT_HOTPLUG_CNTRL", 0x4_4030),
    Rule::event_bits("ERR_INT", 0x4_4040),
    Rule::storage("DERRMR", 0x4_4050).with_reset(u32::MAX),
    Rule::storage("DISP_ARB_CTL", 0x4_5000),
    Rule::storage("WM0_PIPE_ILK", 0x4_5100).array(2, 4),
    Rule::storage("WM_LP_ILK", 0x4_5108).array(3, 4),
    Rule::storage("WMS_LP_ILK", 0x4_5120).array(3, 4),
    Rule::storage("WM0_PIPE_C", 0x4_5200),
    Rule::storage("WM_MISC", 0x4_5260),
    Rule::storage("WM_LINETIME", 0x4_5270).array(3, 4),
    Rule::storage("SPLL_CTL", 0x4_6020),
    Rule::storage("WRPLL_CTL1", 0x4_6040),
    Rule::storage("WRPLL_CTL2", 0x4_6060),
    Rule::storage("PORT_CLK_SEL", 0x4_6100).array(5, 4),
    Rule::storage("TRANS_CLK_SEL", 0x4_6140).array(3, 4),
    // What i915 wants to be off before the display's clocks stop (`display/intel_display_power.c`,
    // `assert_can_disable_lcpll`).
    Rule::storage("BLC_PWM_CPU_CTL2", 0x4_8250),
    Rule::storage("UTIL_PIN_CTL", 0x4_8400),
    // Transcoders, pipes and planes; index 15 of the first is the EDP transcoder.
    Rule::storage("TRANS_DDI_FUNC_CTL", 0x6_0400).array(3, 0x1000),
    Rule::storage("TRANS_DDI_FUNC_CTL_EDP", 0x6_f400),
    Rule::storage("DDI_BUF_CTL", 0x6_4000).array(5, 0x100),
    Rule::storage("EDP_PSR_IMR", 0x6_4834).with_reset(u32::MAX),
    Rule::event_bits("EDP_PSR_IIR", 0x6_4838),
    Rule::storage("PIPECONF", 0x7_0008).array(3, 0x1000),
    Rule::storage("CURCNTR", 0x7_0080).array(3, 0x1000),
    Rule::storage("DSPCNTR", 0x7_0180).array(3, 0x1000),
    Rule::storage("SPRCTL", 0x7_0280).array(3, 0x1000),
    Rule::read_only("VGT_PVINFO", mmio::VGT_PVINFO, 0).array(2, 4),
    // PCH.
    Rule::storage("SOUTH_CHICKEN2", 0xc_2004),
    Rule::storage("SOUTH_DSPCLK_GATE_D", 0xc_2020),
    Rule::storage("PCH_PORT_HOTPLUG", super::outputs::SHOTPLUG_CTL)
        .clearing(super::outputs::SHOTPLUG_STATUS),
    Rule::storage("PCH_PORT_HOTPLUG2", 0xc_403c),
    Rule::event_bits("SERR_INT", 0xc_4040),
    Rule::storage("GPIO_CTL", super::gpio::GPIO_CTL).array(super::gpio::COUNT, 4),
    Rule::storage("GMBUS", 0xc_5100).array(5, 4),
    Rule::storage("GMBUS5", 0xc_5120),
    Rule::storage("SBI_ADDR", 0xc_6000),
    Rule::storage("SBI_DATA", SBI_DATA),
    Rule::storage("SBI_CTL_STAT", SBI_CTL_STAT),
    Rule::storage("PCH_RAWCLK_FREQ", 0xc_6204),
    Rule::storage("PCH_PP_STATUS", 0xc_7200).array(5, 4),
    Rule::storage("BLC_PWM_PCH_CTL1", 0xc_8250),
    Rule::storage("PCH_GTC_CTL", 0xe_7000),
    Rule::storage("TRANS_CHICKEN1", 0xf_0060),
    // Memory controller: latencies, of which no watermark is made without a monitor.
    Rule::read_only("MCH_SSKPD", super::outputs::MCH_SSKPD, 0).array(2, 4),
    // Fences of the aperture and the GGTT flush.
    Rule::storage("TILECTL", mmio::TILECTL),
    Rule::read_only("GFX_FLSH_CNTL", mmio::GFX_FLSH_CNTL, 0),
];
