//! Power and frequency registers: storage, with the answers that a driver waits for.

use gen8_spec::mmio;
use gen8_spec::registers::power as regs;

use crate::registers::RegisterFile;
use crate::rps::Rps;

/// What the GPU did while time passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Load {
    /// An engine works or waits for something.
    Working,
    /// No engine works, but somebody keeps the GPU awake.
    Awake,
    /// No engine works and nobody minds: the GPU may enter RC6.
    Asleep,
}

/// Power, clocks and the pcode mailbox. Requests complete at once.
#[derive(Clone, Debug, Hash)]
pub struct Power {
    file: RegisterFile,
    /// Time spent in RC6.
    rc6_ns: u64,
    rps: Rps,
}

impl Power {
    /// The block after power-on.
    pub fn new() -> Self {
        Self { file: RegisterFile::new(regs::RULES), rc6_ns: 0, rps: Rps::default() }
    }

    /// Time passes. RC6 is entered whenever software allows it and the GPU is at rest; RPS
    /// evaluates the time outside. Gives the interrupts of the PM bank that this causes.
    #[must_use]
    pub fn advance(&mut self, ns: u64, load: Load) -> u32 {
        if load == Load::Asleep && self.rc6_allowed() {
            self.rc6_ns = self.rc6_ns.saturating_add(ns);
            return 0;
        }
        self.rps.advance(ns, load == Load::Working, &self.file)
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
            mmio::RC6_RESIDENCY => Some((self.rc6_ns / regs::PM_TICK_NS) as u32),
            _ => self.rps.counter(offset).or_else(|| self.file.read(offset)),
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
        assert_eq!(power.advance(10_000, Load::Asleep), 0);
        assert_eq!(power.read(mmio::RC6_RESIDENCY), Some(0));
        power.write(regs::RC_CONTROL, regs::RC_CONTROL_RC6_ENABLE | regs::RC_CONTROL_HW_ENABLE);
        for (ticks, load) in [(3, Load::Asleep), (5, Load::Awake), (7, Load::Working)] {
            assert_eq!(power.advance(ticks * regs::PM_TICK_NS, load), 0);
        }
        assert_eq!(power.read(mmio::RC6_RESIDENCY), Some(3));
    }

    #[test]
    fn frequencies_are_evaluated_outside_rc6_only() {
        let mut power = Power::new();
        power.write(regs::RC_CONTROL, regs::RC_CONTROL_RC6_ENABLE | regs::RC_CONTROL_HW_ENABLE);
        power.write(regs::RP_CONTROL, regs::RP_CONTROL_ENABLE);
        power.write(regs::RP_UP_EI, 10);
        let interval = 10 * regs::PM_TICK_NS;
        assert_eq!(power.advance(interval, Load::Asleep), 0);
        assert_eq!(power.advance(interval, Load::Awake), regs::PM_UP_EI_EXPIRED);
        assert_eq!(power.advance(interval, Load::Working), regs::PM_UP_EI_EXPIRED);
        assert_eq!(power.read(regs::RP_PREV_UP), Some(10));
        power.write(regs::RP_PREV_UP, 77);
        assert_eq!(power.read(regs::RP_PREV_UP), Some(10), "read only");
    }
}
