//! Digital ports: what their buffers and their AUX channels answer.

use gen8_spec::registers::outputs as regs;

use super::output::{Port, hot_plug_bit};
use crate::registers::RegisterFile;

/// Ports of the CPU: A to E.
const DDIS: u32 = 5;

/// Values after power-on: nothing is sent, nothing drives a port. The PCH lies in the package, and its
/// firmware has told the latencies of memory.
pub(super) fn reset(file: &mut RegisterFile) {
    for port in 0..DDIS {
        file.set(regs::DDI_BUF_CTL + port * regs::DDI_BUF_STRIDE, regs::DDI_BUF_IDLE);
        let none = regs::PORT_CLK_SEL_NONE << regs::PORT_CLK_SEL_SHIFT;
        file.set(regs::PORT_CLK_SEL + 4 * port, none);
    }
    file.set(regs::PCH_RAWCLK_FREQ, regs::PCH_RAWCLK_LP_MHZ);
    file.set(regs::MCH_SSKPD, regs::MCH_SSKPD_LOW);
    file.set(regs::MCH_SSKPD + 4, regs::MCH_SSKPD_HIGH);
}

/// `stored` was written to the register at `offset`, which held `before`. The events of the PCH's bank of
/// interrupts.
pub(super) fn written(offset: u32, before: u32, stored: u32, file: &mut RegisterFile) -> u32 {
    if is_one_of(offset, regs::DDI_BUF_CTL, regs::DDI_BUF_STRIDE, DDIS) {
        file.set(offset, buffer_settled(stored));
    } else if is_one_of(offset, regs::AUX_CH_CTL, regs::AUX_STRIDE, regs::PORT_COUNT as u32) {
        file.set(offset, aux_answered(before, stored));
        let told = regs::AUX_SEND_BUSY | regs::AUX_INTERRUPT;
        if stored & told == told {
            return regs::PCH_AUX_B << ((offset - regs::AUX_CH_CTL) / regs::AUX_STRIDE);
        }
    }
    0
}

/// A monitor came or went: a long pulse. The events of the PCH's bank of interrupts: none unless software
/// looks out for pulses of this port.
pub(super) fn pulse(port: Port, file: &mut RegisterFile) -> u32 {
    let shift = regs::SHOTPLUG_STRIDE * port.index() as u32;
    let control = file.get(regs::SHOTPLUG_CTL);
    if control & regs::SHOTPLUG_ENABLE << shift == 0 {
        return 0;
    }
    file.set(regs::SHOTPLUG_CTL, control | regs::SHOTPLUG_LONG << shift);
    hot_plug_bit(port)
}

fn is_one_of(offset: u32, first: u32, stride: u32, count: u32) -> bool {
    let at = offset.wrapping_sub(first);
    at.is_multiple_of(stride) && at / stride < count
}

/// A buffer is idle unless it is enabled.
fn buffer_settled(written: u32) -> u32 {
    let idle = if written & regs::DDI_BUF_ENABLE == 0 { regs::DDI_BUF_IDLE } else { 0 };
    written & !regs::DDI_BUF_IDLE | idle
}

/// Nobody speaks DisplayPort: a transaction is over at once, by its time limit. Events are cleared
/// by writing ones.
fn aux_answered(before: u32, written: u32) -> u32 {
    let events = regs::AUX_DONE | regs::AUX_TIME_OUT_ERROR | regs::AUX_RECEIVE_ERROR;
    let left = before & !written & events;
    let value = written & !events & !regs::AUX_SEND_BUSY | left;
    match written & regs::AUX_SEND_BUSY {
        0 => value,
        _ => value | regs::AUX_DONE | regs::AUX_TIME_OUT_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::{Display, Output};

    fn display() -> Display {
        let output: Output = "hdmi=1024x768".parse().unwrap();
        Display::new(&[output])
    }

    #[test]
    fn a_buffer_is_idle_unless_it_is_enabled() {
        let mut display = display();
        for port in 0..DDIS {
            let register = regs::DDI_BUF_CTL + port * regs::DDI_BUF_STRIDE;
            assert_eq!(display.read(register, 0), Some(regs::DDI_BUF_IDLE));
            display.write(register, regs::DDI_BUF_ENABLE | regs::DDI_BUF_IDLE, 0);
            assert_eq!(display.read(register, 0), Some(regs::DDI_BUF_ENABLE));
            display.write(register, 0, 0);
            assert_eq!(display.read(register, 0), Some(regs::DDI_BUF_IDLE));
        }
    }

    #[test]
    fn aux_transactions_time_out_at_once_and_their_events_clear_by_ones() {
        let mut display = display();
        let register = regs::AUX_CH_CTL + 2 * regs::AUX_STRIDE;
        display.write(register, regs::AUX_SEND_BUSY | 0x1f, 0);
        let over = regs::AUX_DONE | regs::AUX_TIME_OUT_ERROR;
        assert_eq!(display.read(register, 0), Some(over | 0x1f));
        display.write(register, regs::AUX_DONE | 0x1f, 0);
        assert_eq!(display.read(register, 0), Some(regs::AUX_TIME_OUT_ERROR | 0x1f));
    }
}
