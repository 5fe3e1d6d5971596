//! Power and frequency registers: storage, with the answers that a driver waits for.

use gen8_spec::mmio;
use gen8_spec::registers::power as regs;

use crate::registers::RegisterFile;

/// Power, clocks and the pcode mailbox. Requests complete at once.
#[derive(Clone, Debug)]
pub struct Power {
    file: RegisterFile,
    /// Time spent in RC6.
    rc6_ns: u64,
}

impl Power {
    /// The block after power-on.
    pub fn new() -> Self {
        Self { file: RegisterFile::new(regs::RULES), rc6_ns: 0 }
    }

    /// Time passes. RC6 is entered whenever software allows it, no engine works and nobody holds
    /// forcewake (`asleep`).
    pub fn advance(&mut self, ns: u64, asleep: bool) {
        if asleep && self.rc6_allowed() {
            self.rc6_ns = self.rc6_ns.saturating_add(ns);
        }
    }

    fn rc6_allowed(&self) -> bool {
        let control = self.file.get(regs::RC_CONTROL);
        let by_hardware = control & regs::RC_CONTROL_HW_ENABLE != 0;
        let by_software = self.file.get(regs::RC_STATE) & regs::RC_STATE_RC6 != 0;
        control & regs::RC_CONTROL_RC6_ENABLE != 0 && (by_hardware || by_software)
    }

    /// Register read; `None` when `offset` is not one of this block's.
    pub fn read(&self, offset: u32) -> Option<u32> {
        match offset {
            mmio::RPSTAT1 => Some(self.current_frequency()),
            mmio::RC6_RESIDENCY => Some((self.rc6_ns / regs::RC6_TICK_NS) as u32),
            _ => self.file.read(offset),
        }
    }

    /// RPSTAT1: the GPU always runs at the ratio that was asked for.
    fn current_frequency(&self) -> u32 {
        let ratio = self.file.get(mmio::RPNSWREQ) >> regs::RPNSWREQ_RATIO_SHIFT;
        (ratio & regs::RPSTAT1_CAGF_MASK) << regs::RPSTAT1_CAGF_SHIFT
    }

    /// Register write; false when `offset` is not one of this block's.
    pub fn write(&mut self, offset: u32, value: u32) -> bool {
        let Some(stored) = self.file.write(offset, value) else {
            return false;
        };
        match offset {
            // Every command succeeds at once: not busy, error code 0.
            mmio::PCODE_MAILBOX => self.file.set(offset, 0),
            mmio::LCPLL_CTL => self.file.set(offset, lcpll_settled(stored)),
            _ if is_power_well(offset) => self.file.set(offset, power_well_settled(stored)),
            _ => {}
        }
        true
    }
}

impl Default for Power {
    fn default() -> Self {
        Self::new()
    }
}

fn is_power_well(offset: u32) -> bool {
    (regs::PWR_WELL_CTL..regs::PWR_WELL_CTL + 4 * regs::PWR_WELL_CTL_COUNT).contains(&offset)
}

/// Each state bit follows its request bit.
fn power_well_settled(written: u32) -> u32 {
    let requests = written & !regs::PWR_WELL_STATE_BITS;
    requests | requests >> 1
}

/// The PLL locks unless disabled; the clock source follows the request.
fn lcpll_settled(written: u32) -> u32 {
    let mut value = written & !(regs::LCPLL_LOCK | regs::LCPLL_CD_SOURCE_FCLK_DONE);
    if value & regs::LCPLL_DISABLE == 0 {
        value |= regs::LCPLL_LOCK;
    }
    if value & regs::LCPLL_CD_SOURCE_FCLK != 0 {
        value |= regs::LCPLL_CD_SOURCE_FCLK_DONE;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pcode_command_is_done_without_error() {
        let mut power = Power::new();
        assert!(power.write(mmio::PCODE_MAILBOX, 0x8000_0008));
        assert_eq!(power.read(mmio::PCODE_MAILBOX), Some(0));
    }

    #[test]
    fn power_well_state_follows_request_of_the_same_requester() {
        let mut power = Power::new();
        power.write(regs::PWR_WELL_CTL + 4, 0x8000_0000);
        assert_eq!(power.read(regs::PWR_WELL_CTL + 4), Some(0xc000_0000));
        assert_eq!(power.read(regs::PWR_WELL_CTL), Some(0));
        power.write(regs::PWR_WELL_CTL + 4, 0x4000_0000);
        assert_eq!(power.read(regs::PWR_WELL_CTL + 4), Some(0));
    }

    #[test]
    fn lcpll_lock_and_clock_source_follow_requests() {
        let mut power = Power::new();
        assert_eq!(power.read(mmio::LCPLL_CTL), Some(regs::LCPLL_LOCK));
        power.write(mmio::LCPLL_CTL, regs::LCPLL_DISABLE | regs::LCPLL_CD_SOURCE_FCLK);
        assert_eq!(
            power.read(mmio::LCPLL_CTL),
            Some(
                regs::LCPLL_DISABLE | regs::LCPLL_CD_SOURCE_FCLK | regs::LCPLL_CD_SOURCE_FCLK_DONE
            )
        );
    }

    #[test]
    fn actual_frequency_echoes_the_request() {
        let mut power = Power::new();
        power.write(mmio::RPNSWREQ, 0x0600_0000);
        assert_eq!(power.read(mmio::RPSTAT1), Some(6 << 7));
        power.write(mmio::RPSTAT1, 0);
        assert_eq!(power.read(mmio::RPSTAT1), Some(6 << 7));
    }

    #[test]
    fn rc6_residency_rises_only_while_allowed_and_asleep() {
        let mut power = Power::new();
        power.advance(10_000, true);
        assert_eq!(power.read(mmio::RC6_RESIDENCY), Some(0));
        power.write(regs::RC_CONTROL, regs::RC_CONTROL_RC6_ENABLE | regs::RC_CONTROL_HW_ENABLE);
        power.advance(1280 * 3, true);
        power.advance(1280 * 5, false);
        assert_eq!(power.read(mmio::RC6_RESIDENCY), Some(3));
    }
}
