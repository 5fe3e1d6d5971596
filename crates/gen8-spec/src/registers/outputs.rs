//! The display as far as a driver touches it once something is connected: ports with their
//! monitors, pipes with their timing and planes (i915 `i915_reg.h`, `display/`; PRM Vol 2c).

use super::Rule;
use super::planes::{
    CSC_COEFF, CUR_FBC_CTL, CURBASE, CURPOS, CURSURFLIVE, DSPOFFSET, DSPSTRIDE, DSPSURF,
    DSPSURFLIVE, GAMMA_MODE, LGC_PALETTE, PALETTE_STRIDE, PIPE_CRC_CTL, PIPE_CRC_RES_1,
    PREC_PAL_DATA, PREC_PAL_INDEX, SPRKEYMAX, SPRKEYMSK, SPRKEYVAL, SPROFFSET, SPRPOS, SPRSIZE,
    SPRSTRIDE, SPRSURF, SPRSURFLIVE,
};

/// Display ports that can have a monitor over HDMI: B, C and D.
pub const PORT_COUNT: usize = 3;
/// Pipes, each with a transcoder of its own.
pub const PIPE_COUNT: usize = 3;
/// Bytes from a pipe's or a transcoder's registers to the next one's.
pub const PIPE_STRIDE: u32 = 0x1000;

/// SFUSE_STRAP: the PCH has port B; C and D are the bits below.
pub const SFUSE_STRAP_DDIB_DETECTED: u32 = 1 << 2;
/// PCH bank of interrupts: port B is connected; C and D are the bits above (`SDE_PORTB_HOTPLUG_CPT`).
pub const PCH_PORTB_HOTPLUG: u32 = 1 << 21;

/// PCH bank of interrupts: GMBUS (`SDE_GMBUS_CPT`).
pub const PCH_GMBUS: u32 = 1 << 17;
/// PCH bank: an AUX transaction of port B is over; C and D are the bits above (`SDE_AUXB_CPT`).
pub const PCH_AUX_B: u32 = 1 << 25;

/// SHOTPLUG_CTL (i915 `PCH_PORT_HOTPLUG`): what happened at port B in the lowest bits, at C and D
/// [`SHOTPLUG_STRIDE`] bits above each.
pub const SHOTPLUG_CTL: u32 = 0xc_4030;
/// [`SHOTPLUG_CTL`]: bits from a port's field to the next one's.
pub const SHOTPLUG_STRIDE: u32 = 8;
/// [`SHOTPLUG_CTL`]: pulses of the port are looked out for.
pub const SHOTPLUG_ENABLE: u32 = 1 << 4;
/// [`SHOTPLUG_CTL`]: a long pulse came, as when a monitor comes or goes; cleared by writing one.
pub const SHOTPLUG_LONG: u32 = 1 << 1;
/// [`SHOTPLUG_CTL`]: all bits that clear by writing one: short and long pulses of B, C, D, and of A above.
pub const SHOTPLUG_STATUS: u32 = 0x0303_0303;

/// DDI_BUF_CTL of port A; the others' are [`DDI_BUF_STRIDE`] apart.
pub const DDI_BUF_CTL: u32 = 0x6_4000;
/// Bytes from a port's DDI_BUF_CTL to the next one's.
pub const DDI_BUF_STRIDE: u32 = 0x100;
/// [`DDI_BUF_CTL`]: enable.
pub const DDI_BUF_ENABLE: u32 = 1 << 31;
/// [`DDI_BUF_CTL`]: nothing is sent.
pub const DDI_BUF_IDLE: u32 = 1 << 7;

/// DP_AUX_CH_CTL of port B, behind it its data; the others' are [`AUX_STRIDE`] apart.
pub const AUX_CH_CTL: u32 = 0xe_4110;
/// Bytes from a port's DP_AUX_CH_CTL to the next one's.
pub const AUX_STRIDE: u32 = 0x100;
/// [`AUX_CH_CTL`]: send, and still busy with it.
pub const AUX_SEND_BUSY: u32 = 1 << 31;
/// [`AUX_CH_CTL`]: the transaction is over.
pub const AUX_DONE: u32 = 1 << 30;
/// [`AUX_CH_CTL`]: interrupt when the transaction is over.
pub const AUX_INTERRUPT: u32 = 1 << 29;
/// [`AUX_CH_CTL`]: nobody answered.
pub const AUX_TIME_OUT_ERROR: u32 = 1 << 28;
/// [`AUX_CH_CTL`]: what came was garbled.
pub const AUX_RECEIVE_ERROR: u32 = 1 << 25;

/// GMBUS0: which pins; see [`GMBUS_PIN_B`].
pub const GMBUS0: u32 = 0xc_5100;
/// [`GMBUS0`]: field of the pins, 2:0.
pub const GMBUS_PIN_MASK: u32 = 7;
/// [`GMBUS0`]: the pins of port B. C has 4, D has 6.
pub const GMBUS_PIN_B: u32 = 5;
/// [`GMBUS0`]: the pins of port C.
pub const GMBUS_PIN_C: u32 = 4;
/// [`GMBUS0`]: the pins of port D.
pub const GMBUS_PIN_D: u32 = 6;
/// GMBUS1: a command.
pub const GMBUS1: u32 = 0xc_5104;
/// [`GMBUS1`]: clears errors and stops what runs.
pub const GMBUS_SW_CLR_INT: u32 = 1 << 31;
/// [`GMBUS1`]: a command is there.
pub const GMBUS_SW_RDY: u32 = 1 << 30;
/// [`GMBUS1`]: the cycle ends with a stop.
pub const GMBUS_CYCLE_STOP: u32 = 4 << 25;
/// [`GMBUS1`]: the cycle begins by writing the index.
pub const GMBUS_CYCLE_INDEX: u32 = 2 << 25;
/// [`GMBUS1`]: the cycle ends with the bus held.
pub const GMBUS_CYCLE_WAIT: u32 = 1 << 25;
/// [`GMBUS1`]: shift of the number of bytes (24:16).
pub const GMBUS_COUNT_SHIFT: u32 = 16;
/// [`GMBUS1`]: field of the number of bytes, after the shift.
pub const GMBUS_COUNT_MASK: u32 = 0x1ff;
/// [`GMBUS1`]: shift of the index (15:8).
pub const GMBUS_INDEX_SHIFT: u32 = 8;
/// [`GMBUS1`]: shift of the device's address (7:1).
pub const GMBUS_SLAVE_SHIFT: u32 = 1;
/// [`GMBUS1`]: field of the device's address, after the shift.
pub const GMBUS_SLAVE_MASK: u32 = 0x7f;
/// [`GMBUS1`]: a read.
pub const GMBUS_READ: u32 = 1 << 0;
/// GMBUS2: status.
pub const GMBUS2: u32 = 0xc_5108;
/// [`GMBUS2`]: taken into use by a read.
pub const GMBUS_INUSE: u32 = 1 << 15;
/// [`GMBUS2`]: all bytes are moved, the bus is held.
pub const GMBUS_HW_WAIT_PHASE: u32 = 1 << 14;
/// [`GMBUS2`]: GMBUS3 can be read or written.
pub const GMBUS_HW_RDY: u32 = 1 << 11;
/// [`GMBUS2`]: the device did not acknowledge.
pub const GMBUS_SATOER: u32 = 1 << 10;
/// [`GMBUS2`]: not idle.
pub const GMBUS_ACTIVE: u32 = 1 << 9;
/// [`GMBUS2`]: field of the bytes that this cycle moved (8:0).
pub const GMBUS_MOVED_MASK: u32 = 0x1ff;
/// GMBUS3: four bytes of data, the first in 7:0.
pub const GMBUS3: u32 = 0xc_510c;
/// GMBUS4: what interrupts.
pub const GMBUS4: u32 = 0xc_5110;
/// [`GMBUS4`]: the device did not acknowledge.
pub const GMBUS_NAK_EN: u32 = 1 << 3;
/// [`GMBUS4`]: idle.
pub const GMBUS_IDLE_EN: u32 = 1 << 2;
/// [`GMBUS4`]: all bytes are moved, the bus is held.
pub const GMBUS_HW_WAIT_EN: u32 = 1 << 1;
/// [`GMBUS4`]: GMBUS3 can be read or written.
pub const GMBUS_HW_RDY_EN: u32 = 1 << 0;
/// GMBUS5: an index of two bytes, the first in 15:8.
pub const GMBUS5: u32 = 0xc_5120;
/// [`GMBUS5`]: it is sent in place of the index in [`GMBUS1`].
pub const GMBUS_2BYTE_INDEX_EN: u32 = 1 << 31;

/// WRPLL_CTL1; see [`WRPLL_ENABLE`].
pub const WRPLL_CTL1: u32 = 0x4_6040;
/// Bytes from WRPLL_CTL1 to WRPLL_CTL2.
pub const WRPLL_STRIDE: u32 = 0x20;
/// [`WRPLL_CTL1`]: enable.
pub const WRPLL_ENABLE: u32 = 1 << 31;
/// [`WRPLL_CTL1`]: field of the reference clock.
pub const WRPLL_REF_MASK: u32 = 3 << 28;
/// [`WRPLL_CTL1`]: the reference is the PCH's SSC, [`SSC_KHZ`].
pub const WRPLL_REF_PCH_SSC: u32 = 1 << 28;
/// [`WRPLL_CTL1`]: the reference is LCPLL, [`LCPLL_KHZ`].
pub const WRPLL_REF_LCPLL: u32 = 3 << 28;
/// [`WRPLL_CTL1`]: field of the reference's divider, in halves, 7:0.
pub const WRPLL_REF_DIVIDER_MASK: u32 = 0xff;
/// [`WRPLL_CTL1`]: shift of the divider behind the PLL (13:8).
pub const WRPLL_POST_SHIFT: u32 = 8;
/// [`WRPLL_CTL1`]: field of the divider behind the PLL, after the shift.
pub const WRPLL_POST_MASK: u32 = 0x3f;
/// [`WRPLL_CTL1`]: shift of the feedback divider, in halves (23:16).
pub const WRPLL_FEEDBACK_SHIFT: u32 = 16;
/// [`WRPLL_CTL1`]: field of the feedback divider, after the shift.
pub const WRPLL_FEEDBACK_MASK: u32 = 0xff;
/// Output of LCPLL as a reference, in kHz (i915 `hsw_ddi_wrpll_get_freq`).
pub const LCPLL_KHZ: u64 = 2_700_000;
/// The PCH's spread-spectrum reference, in kHz (i915 `hsw_update_dpll_ref_clks`).
pub const SSC_KHZ: u64 = 135_000;
/// A WRPLL makes five clocks of each pixel: ten bits, both edges.
pub const WRPLL_CLOCKS_PER_PIXEL: u64 = 5;

/// PORT_CLK_SEL of port A: where a port's clock comes from.
pub const PORT_CLK_SEL: u32 = 0x4_6100;
/// [`PORT_CLK_SEL`]: shift of the source (31:29).
pub const PORT_CLK_SEL_SHIFT: u32 = 29;
/// [`PORT_CLK_SEL`]: WRPLL1; WRPLL2 is the next.
pub const PORT_CLK_SEL_WRPLL1: u32 = 4;
/// [`PORT_CLK_SEL`]: nothing, as after reset.
pub const PORT_CLK_SEL_NONE: u32 = 7;

/// TRANS_DDI_FUNC_CTL of transcoder A.
pub const TRANS_DDI_FUNC_CTL: u32 = 0x6_0400;
/// [`TRANS_DDI_FUNC_CTL`]: enable.
pub const TRANS_DDI_FUNC_ENABLE: u32 = 1 << 31;
/// [`TRANS_DDI_FUNC_CTL`]: shift of the port (30:28): A is 0.
pub const TRANS_DDI_PORT_SHIFT: u32 = 28;
/// [`TRANS_DDI_FUNC_CTL`]: field of the port, after the shift.
pub const TRANS_DDI_PORT_MASK: u32 = 7;

/// HTOTAL of transcoder A: pixels in a line less 1 above those that show less 1.
pub const HTOTAL: u32 = 0x6_0000;
/// VTOTAL of transcoder A: lines of a frame less 1 above those that show less 1.
pub const VTOTAL: u32 = 0x6_000c;
/// VBLANK of transcoder A: last line without picture above the one before the first.
pub const VBLANK: u32 = 0x6_0010;
/// PIPESRC of pipe A: pixels of a line less 1 above lines less 1.
pub const PIPESRC: u32 = 0x6_001c;

/// [`PIPESRC`]: shift of the width (27:16).
pub const PIPESRC_WIDTH_SHIFT: u32 = 16;
/// [`PIPESRC`]: field of width and height, after the shift.
pub const PIPESRC_MASK: u32 = 0xfff;

/// PIPEDSL of pipe A: the line that is sent.
pub const PIPEDSL: u32 = 0x7_0000;
/// A port of HDMI is so many lines ahead of [`PIPEDSL`] (i915 `update_scanline_offset`).
pub const PIPEDSL_HDMI_OFFSET: u64 = 2;
/// PIPECONF of pipe A.
pub const PIPECONF: u32 = 0x7_0008;
/// [`PIPECONF`]: enable.
pub const PIPECONF_ENABLE: u32 = 1 << 31;
/// [`PIPECONF`]: the pipe runs; software cannot write it.
pub const PIPECONF_STATE: u32 = 1 << 30;
/// PIPE_FRMCOUNT of pipe A: frames since it was enabled.
pub const PIPE_FRMCOUNT: u32 = 0x7_0040;
/// PIPE_FLIPCOUNT of pipe A: flips of the primary plane.
pub const PIPE_FLIPCOUNT: u32 = 0x7_0044;

/// VIDEO_DIP_CTL of transcoder A: which info frames are sent to the monitor.
pub const VIDEO_DIP_CTL: u32 = 0x6_0200;
/// [`VIDEO_DIP_CTL`]: the one that describes the picture.
pub const VIDEO_DIP_ENABLE_AVI: u32 = 1 << 12;
/// VIDEO_DIP_AVI_DATA of transcoder A: three bytes of head and one of ECC, then the info frame.
pub const VIDEO_DIP_AVI_DATA: u32 = 0x6_0220;

/// A pipe's bank of interrupts: a blanking begins (`GEN8_PIPE_VBLANK`).
pub const PIPE_VBLANK: u32 = 1 << 0;
/// A pipe's bank: the primary plane shows what was asked for (`GEN8_PIPE_PRIMARY_FLIP_DONE`).
pub const PIPE_PRIMARY_FLIP_DONE: u32 = 1 << 4;
/// A pipe's bank: the sprite shows what was asked for (`GEN8_PIPE_SPRITE_FLIP_DONE`).
pub const PIPE_SPRITE_FLIP_DONE: u32 = 1 << 5;
/// A pipe's bank: the primary plane has no memory (`GEN8_PIPE_PRIMARY_FAULT`).
pub const PIPE_PRIMARY_FAULT: u32 = 1 << 8;
/// A pipe's bank: the sprite has no memory (`GEN8_PIPE_SPRITE_FAULT`).
pub const PIPE_SPRITE_FAULT: u32 = 1 << 9;
/// A pipe's bank: the cursor has no memory (`GEN8_PIPE_CURSOR_FAULT`).
pub const PIPE_CURSOR_FAULT: u32 = 1 << 10;
/// A pipe's bank: PIPE_CRC_RES has another frame's value (`GEN8_PIPE_CDCLK_CRC_DONE`).
pub const PIPE_CRC_DONE: u32 = 1 << 28;
/// A pipe's bank: there were no pixels to send (`GEN8_PIPE_FIFO_UNDERRUN`).
pub const PIPE_FIFO_UNDERRUN: u32 = 1 << 31;

/// PCH_RAWCLK_FREQ; only the low field counts.
pub const PCH_RAWCLK_FREQ: u32 = 0xc_6204;
/// The raw clock of a PCH in the package (LPT-LP), in MHz.
pub const PCH_RAWCLK_LP_MHZ: u32 = 24;

/// IVB_TIMESTAMP_CTR: microseconds.
pub const TIMESTAMP_CTR_US: u32 = 0x4_4070;

/// MCH_SSKPD, lower half: latencies of memory for the watermarks (i915 `hsw_read_wm_latency`).
pub const MCH_SSKPD: u32 = 0x14_5d10;
/// [`MCH_SSKPD`] with a monitor: WM3 45 µs, WM2 18 µs and WM1 2 µs, in halves.
pub const MCH_SSKPD_LOW: u32 = 90 << 20 | 36 << 12 | 4 << 4;
/// Its upper half: WM0 2 µs in tenths, WM4 80 µs in halves.
pub const MCH_SSKPD_HIGH: u32 = 20 << 24 | 160;

/// The registers besides those of [`super::display::RULES`], by address.
pub static RULES: &[Rule] = &[
    // CPU display.
    Rule::storage("CHICKEN_TRANS", 0x4_20c0).array(3, 4),
    Rule::storage("DPFC_CB_BASE", 0x4_3200),
    Rule::storage("DPFC_CONTROL", 0x4_3208).array(8, 4),
    Rule::storage("IPS_CTL", 0x4_3408),
    Rule::storage("CDCLK_FREQ", 0x4_6200),
    Rule::storage("PIPE_CSC_A", CSC_COEFF).array(16, 4),
    Rule::storage("PIPE_CSC_B", 0x4_9110).array(16, 4),
    Rule::storage("PIPE_CSC_C", 0x4_9210).array(16, 4),
    Rule::storage("LGC_PALETTE_A", LGC_PALETTE).array(256, 4),
    Rule::storage("LGC_PALETTE_B", 0x4_a800).array(256, 4),
    Rule::storage("LGC_PALETTE_C", 0x4_b000).array(256, 4),
    Rule::storage("PREC_PAL_INDEX", PREC_PAL_INDEX).array(3, PALETTE_STRIDE),
    Rule::storage("PREC_PAL_DATA", PREC_PAL_DATA).array(3, PALETTE_STRIDE),
    Rule::storage("PREC_PAL_GC_MAX_A", 0x4_a410).array(8, 4),
    Rule::storage("PREC_PAL_GC_MAX_B", 0x4_ac10).array(8, 4),
    Rule::storage("PREC_PAL_GC_MAX_C", 0x4_b410).array(8, 4),
    Rule::storage("GAMMA_MODE", GAMMA_MODE).array(3, PALETTE_STRIDE),
    // Transcoders.
    Rule::storage("HTOTAL", HTOTAL).array(3, PIPE_STRIDE),
    Rule::storage("HBLANK", 0x6_0004).array(3, PIPE_STRIDE),
    Rule::storage("HSYNC", 0x6_0008).array(3, PIPE_STRIDE),
    Rule::storage("VTOTAL", VTOTAL).array(3, PIPE_STRIDE),
    Rule::storage("VBLANK", VBLANK).array(3, PIPE_STRIDE),
    Rule::storage("VSYNC", 0x6_0014).array(3, PIPE_STRIDE),
    Rule::storage("PIPESRC", PIPESRC).array(3, PIPE_STRIDE),
    Rule::storage("VSYNCSHIFT", 0x6_0028).array(3, PIPE_STRIDE),
    Rule::storage("PIPE_MULT", 0x6_002c).array(3, PIPE_STRIDE),
    Rule::storage("DATA_LINK_M_N_A", 0x6_0030).array(8, 4),
    Rule::storage("DATA_LINK_M_N_B", 0x6_1030).array(8, 4),
    Rule::storage("DATA_LINK_M_N_C", 0x6_2030).array(8, 4),
    Rule::storage("PIPE_CRC_CTL", PIPE_CRC_CTL).array(3, PIPE_STRIDE),
    Rule::read_only("PIPE_CRC_RES_A", PIPE_CRC_RES_1, 0).array(5, 4),
    Rule::read_only("PIPE_CRC_RES_B", PIPE_CRC_RES_1 + PIPE_STRIDE, 0).array(5, 4),
    Rule::read_only("PIPE_CRC_RES_C", PIPE_CRC_RES_1 + 2 * PIPE_STRIDE, 0).array(5, 4),
    Rule::storage("VIDEO_DIP_A", VIDEO_DIP_CTL).array(88, 4),
    Rule::storage("VIDEO_DIP_B", 0x6_1200).array(88, 4),
    Rule::storage("VIDEO_DIP_C", 0x6_2200).array(88, 4),
    Rule::storage("TRANS_MSA_MISC", 0x6_0410).array(3, PIPE_STRIDE),
    // Ports.
    Rule::storage("DP_TP_CTL", 0x6_4040).array(5, DDI_BUF_STRIDE),
    Rule::storage("DP_TP_STATUS", 0x6_4044).array(5, DDI_BUF_STRIDE),
    Rule::storage("DDI_BUF_TRANS", 0x6_4e00).array(120, 4),
    Rule::storage("AUD_PIN_ELD_CP_VLD", 0x6_50c0),
    // Pipes and planes.
    Rule::storage("PF_WIN_POS", 0x6_8070).array(3, 0x800),
    Rule::storage("PF_WIN_SZ", 0x6_8074).array(3, 0x800),
    Rule::storage("PF_CTL", 0x6_8080).array(3, 0x800),
    Rule::read_only("PIPEDSL", PIPEDSL, 0).array(3, PIPE_STRIDE),
    Rule::storage("PIPEMISC", 0x7_0030).array(3, PIPE_STRIDE),
    Rule::read_only("PIPE_FRMCOUNT", PIPE_FRMCOUNT, 0).array(3, PIPE_STRIDE),
    Rule::storage("PIPE_FLIPCOUNT", PIPE_FLIPCOUNT).array(3, PIPE_STRIDE),
    Rule::storage("CURBASE", CURBASE).array(3, PIPE_STRIDE),
    Rule::storage("CURPOS", CURPOS).array(3, PIPE_STRIDE),
    Rule::storage("CUR_FBC_CTL", CUR_FBC_CTL).array(3, PIPE_STRIDE),
    Rule::read_only("CURSURFLIVE", CURSURFLIVE, 0).array(3, PIPE_STRIDE),
    Rule::storage("DSPLINOFF", 0x7_0184).array(3, PIPE_STRIDE),
    Rule::storage("DSPSTRIDE", DSPSTRIDE).array(3, PIPE_STRIDE),
    Rule::storage("DSPSURF", DSPSURF).array(3, PIPE_STRIDE),
    Rule::storage("DSPOFFSET", DSPOFFSET).array(3, PIPE_STRIDE),
    Rule::read_only("DSPSURFLIVE", DSPSURFLIVE, 0).array(3, PIPE_STRIDE),
    Rule::storage("SPRLINOFF", 0x7_0284).array(3, PIPE_STRIDE),
    Rule::storage("SPRSTRIDE", SPRSTRIDE).array(3, PIPE_STRIDE),
    Rule::storage("SPRPOS", SPRPOS).array(3, PIPE_STRIDE),
    Rule::storage("SPRSIZE", SPRSIZE).array(3, PIPE_STRIDE),
    Rule::storage("SPRKEYVAL", SPRKEYVAL).array(3, PIPE_STRIDE),
    Rule::storage("SPRKEYMSK", SPRKEYMSK).array(3, PIPE_STRIDE),
    Rule::storage("SPRSURF", SPRSURF).array(3, PIPE_STRIDE),
    Rule::storage("SPRKEYMAX", SPRKEYMAX).array(3, PIPE_STRIDE),
    Rule::storage("SPROFFSET", SPROFFSET).array(3, PIPE_STRIDE),
    Rule::read_only("SPRSURFLIVE", SPRSURFLIVE, 0).array(3, PIPE_STRIDE),
    Rule::storage("SPRSCALE", 0x7_0304).array(3, PIPE_STRIDE),
    Rule::storage("SPRGAMC_A", 0x7_0400).array(20, 4),
    Rule::storage("SPRGAMC_B", 0x7_1400).array(20, 4),
    Rule::storage("SPRGAMC_C", 0x7_2400).array(20, 4),
    // PCH.
    Rule::storage("PCH_DP_AUX_CH_B", AUX_CH_CTL).array(6, 4),
    Rule::storage("PCH_DP_AUX_CH_C", AUX_CH_CTL + AUX_STRIDE).array(6, 4),
    Rule::storage("PCH_DP_AUX_CH_D", AUX_CH_CTL + 2 * AUX_STRIDE).array(6, 4),
];
