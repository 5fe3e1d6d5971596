//! Where a transcoder's pixel clock comes from: port, PLL, reference.

use gen8_spec::registers::outputs as regs;

use crate::registers::RegisterFile;

/// Pixels in a millisecond of a transcoder; `None` while nothing that makes pixels of HDMI drives it.
pub(super) fn pixel_khz(transcoder: u32, file: &RegisterFile) -> Option<u64> {
    let function = file.get(regs::TRANS_DDI_FUNC_CTL + transcoder * regs::PIPE_STRIDE);
    if function & regs::TRANS_DDI_FUNC_ENABLE == 0 {
        return None;
    }
    let port = function >> regs::TRANS_DDI_PORT_SHIFT & regs::TRANS_DDI_PORT_MASK;
    let source = file.read(regs::PORT_CLK_SEL + 4 * port)? >> regs::PORT_CLK_SEL_SHIFT;
    let pll = source.checked_sub(regs::PORT_CLK_SEL_WRPLL1).filter(|&pll| pll < 2)?;
    wrpll_khz(file.get(regs::WRPLL_CTL1 + pll * regs::WRPLL_STRIDE))
}

/// What a WRPLL makes (i915 `hsw_ddi_wrpll_get_freq`); `None` while it is off or divides by nothing.
fn wrpll_khz(control: u32) -> Option<u64> {
    if control & regs::WRPLL_ENABLE == 0 {
        return None;
    }
    let reference = match control & regs::WRPLL_REF_MASK {
        regs::WRPLL_REF_LCPLL => regs::LCPLL_KHZ,
        0 => return None,
        // On Broadwell the other choice is the same clock.
        _ => regs::SSC_KHZ,
    };
    let field = |shift: u32, mask: u32| u64::from(control >> shift & mask);
    let feedback = field(regs::WRPLL_FEEDBACK_SHIFT, regs::WRPLL_FEEDBACK_MASK);
    let divider = field(0, regs::WRPLL_REF_DIVIDER_MASK)
        * field(regs::WRPLL_POST_SHIFT, regs::WRPLL_POST_MASK)
        * regs::WRPLL_CLOCKS_PER_PIXEL;
    (reference * feedback).checked_div(divider).filter(|&khz| khz > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrpll_multiplies_and_divides_its_reference() {
        // What i915 writes for 65 MHz.
        assert_eq!(wrpll_khz(0xb020_0e13), Some(64_962));
        assert_eq!(wrpll_khz(0x9020_0e13), Some(3_248));
    }

    #[test]
    fn a_wrpll_that_is_off_or_divides_by_nothing_makes_nothing() {
        for control in [0x3020_0e13, 0x8020_0e13, 0xb020_0013, 0xb020_0e00, 0xb000_0e13] {
            assert_eq!(wrpll_khz(control), None, "{control:#x}");
        }
    }
}
