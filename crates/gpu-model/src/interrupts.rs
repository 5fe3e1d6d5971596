//! Interrupts: the master control, the GT banks and the display banks (`gen8_spec::interrupts`).
//!
//! An engine's event passes its ring IMR (in the engine), then the bank's IMR, and latches in IIR.
//! IIR and IER together drive the bank's bit in MASTER; MASTER's enable bit gates the output.

use gen8_spec::engine::EngineId;
use gen8_spec::interrupts as regs;
use gen8_spec::registers::outputs::PIPE_COUNT;

use crate::engine::Tell;
use crate::guest_rule::GuestRule;

/// One bank: mask, enable, and an identity register that is two deep.
#[derive(Clone, Copy, Debug, Hash)]
struct Bank {
    imr: u32,
    ier: u32,
    iir: u32,
    /// Second event of a bit that is set already: it becomes visible when software clears the
    /// first.
    second: u32,
    /// Levels that ISR shows.
    levels: u32,
}

impl Bank {
    const RESET: Bank = Bank { imr: u32::MAX, ier: 0, iir: 0, second: 0, levels: 0 };

    /// Latches the events `bits` that the mask lets through.
    fn raise(&mut self, bits: u32) {
        let bits = bits & !self.imr;
        self.second |= self.iir & bits;
        self.iir |= bits;
    }

    /// Software writes ones to clear; a bit that was raised twice comes back once.
    fn clear(&mut self, bits: u32) {
        let again = self.second & bits;
        self.second &= !bits;
        self.iir = self.iir & !bits | again;
    }

    /// The bits that reach MASTER.
    fn output(&self) -> u32 {
        self.iir & self.ier
    }

    fn read(&self, register: u32) -> u32 {
        match register {
            regs::IMR => self.imr,
            regs::IIR => self.iir,
            regs::IER => self.ier,
            // All other sources of the model are pulses.
            _ => self.levels,
        }
    }

    fn write(&mut self, register: u32, value: u32) {
        match register {
            regs::IMR => self.imr = value,
            regs::IIR => self.clear(value),
            regs::IER => self.ier = value,
            _ => {}
        }
    }
}

/// Where a bank lies, and which of its bits show in which bit of MASTER.
struct Place {
    base: u32,
    status: &'static [(u32, u32)],
}

/// All bits of a bank.
const ALL: u32 = u32::MAX;
/// The lower engine's field of a GT bank.
const LOW: u32 = 0x0000_ffff;
/// The upper engine's field of a GT bank.
const HIGH: u32 = 0xffff_0000;

/// The banks; the GT banks come first, in order.
static PLACES: [Place; BANKS] = [
    Place {
        base: regs::gt_bank(0),
        status: &[(LOW, EngineId::Rcs.master_bit()), (HIGH, EngineId::Bcs.master_bit())],
    },
    Place {
        base: regs::gt_bank(1),
        status: &[(LOW, EngineId::Vcs.master_bit()), (HIGH, EngineId::Vcs1.master_bit())],
    },
    Place { base: regs::gt_bank(2), status: &[(LOW, regs::MASTER_PM), (HIGH, regs::MASTER_GUC)] },
    Place { base: regs::gt_bank(3), status: &[(ALL, EngineId::Vecs.master_bit())] },
    Place { base: regs::pipe_bank(0), status: &[(ALL, regs::MASTER_PIPE_A)] },
    Place { base: regs::pipe_bank(1), status: &[(ALL, regs::MASTER_PIPE_A << 1)] },
    Place { base: regs::pipe_bank(2), status: &[(ALL, regs::MASTER_PIPE_A << 2)] },
    Place { base: regs::PORT_BANK, status: &[(ALL, regs::MASTER_PORT)] },
    Place { base: regs::MISC_BANK, status: &[(ALL, regs::MASTER_MISC)] },
    Place { base: regs::PCU_BANK, status: &[(ALL, regs::MASTER_PCU)] },
    Place { base: regs::PCH_BANK, status: &[(ALL, regs::MASTER_PCH)] },
];

/// The power-management bank among them.
const PM_BANK: usize = 2;
/// The bank of pipe A; B and C are the next.
const PIPE_BANK: usize = 4;
/// The PCH's bank.
const PCH_BANK: usize = 10;
/// Number of banks.
const BANKS: usize = 11;

/// What the output did since it was last asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Output {
    /// The output is active: enabled, and some status bit set.
    pub active: bool,
    /// An edge happened that a message-signalled interrupt must report.
    pub edge: bool,
}

/// The interrupt block.
#[derive(Clone, Debug, Hash)]
pub struct Interrupts {
    enabled: bool,
    banks: [Bank; BANKS],
    /// Level of the output when it was last sampled.
    sampled: bool,
    /// Software wrote MASTER's enable bit with status pending.
    enabled_again: bool,
}

impl Interrupts {
    /// Everything masked, nothing pending.
    pub fn new() -> Self {
        Self { enabled: false, banks: [Bank::RESET; BANKS], sampled: false, enabled_again: false }
    }

    /// Raises `bits` (`USER_INTERRUPT`, `CONTEXT_SWITCH`, …, unshifted) for `engine`. The engine's
    /// own ring IMR was applied by the engine.
    pub fn raise_engine(&mut self, engine: EngineId, bits: u32) {
        if let Some(bank) = self.banks.get_mut(engine.interrupt_bank() as usize) {
            bank.raise((bits & LOW) << engine.interrupt_shift());
        }
    }

    /// Raises `bits` of the power-management bank.
    pub fn raise_pm(&mut self, bits: u32) {
        if let Some(bank) = self.banks.get_mut(PM_BANK) {
            bank.raise(bits & LOW);
        }
    }

    /// Raises bits in the banks of all pipes.
    pub fn raise_pipes(&mut self, bits: [u32; PIPE_COUNT]) {
        for (bank, bits) in self.banks.iter_mut().skip(PIPE_BANK).zip(bits) {
            bank.raise(bits);
        }
    }

    /// Whether a pipe's bank would send one of `bits` on.
    pub fn listens_to_pipe(&self, pipe: usize, bits: u32) -> bool {
        let bank = self.banks.get(PIPE_BANK + pipe).filter(|_| pipe < PIPE_COUNT);
        bank.is_some_and(|bank| !bank.imr & bank.ier & bits != 0)
    }

    /// Sets the levels that the PCH's bank shows: which monitors are connected.
    pub fn set_pch_levels(&mut self, levels: u32) {
        if let Some(bank) = self.banks.get_mut(PCH_BANK) {
            bank.levels = levels;
        }
    }

    /// Raises `bits` of the PCH's bank.
    pub fn raise_pch(&mut self, bits: u32) {
        if let Some(bank) = self.banks.get_mut(PCH_BANK) {
            bank.raise(bits);
        }
    }

    /// MASTER's status bits: readable whether or not the output is enabled.
    fn status(&self) -> u32 {
        self.banks
            .iter()
            .zip(&PLACES)
            .flat_map(|(bank, place)| {
                let output = bank.output();
                place.status.iter().filter(move |(mask, _)| output & mask != 0)
            })
            .fold(0, |status, &(_, bit)| status | bit)
    }

    /// Samples the output. An edge is reported once: when the output became active, and when
    /// software wrote the enable bit while it was active (the handler found more work).
    pub fn sample(&mut self) -> Output {
        let active = self.enabled && self.status() != 0;
        let edge = active && (!self.sampled || self.enabled_again);
        self.sampled = active;
        self.enabled_again = false;
        Output { active, edge }
    }

    /// Register read; `None` when `offset` is not one of this block's.
    pub fn read(&self, offset: u32) -> Option<u32> {
        if offset == regs::MASTER {
            let enable = if self.enabled { regs::MASTER_ENABLE } else { 0 };
            return Some(enable | self.status());
        }
        let (index, register) = locate(offset)?;
        self.banks.get(index).map(|bank| bank.read(register))
    }

    /// Looks at a register write before it takes effect.
    pub(crate) fn check_write(&self, offset: u32, value: u32, tell: Tell<'_>) {
        let place = locate(offset);
        let Some((bank, register)) = place.and_then(|(n, at)| Some((self.banks.get(n)?, at)))
        else {
            return;
        };
        match register {
            regs::ISR => tell(GuestRule::ReadOnlyRegisterWritten, offset.into()),
            regs::IER if value & !bank.ier & bank.iir != 0 => {
                tell(GuestRule::IirPendingAtEnable, offset.into());
            }
            regs::IIR if self.enabled && value & bank.output() != 0 => {
                tell(GuestRule::IirClearedWithMasterOn, offset.into());
            }
            _ => {}
        }
    }

    /// Register write; false when `offset` is not one of this block's.
    pub fn write(&mut self, offset: u32, value: u32) -> bool {
        if offset == regs::MASTER {
            self.enabled = value & regs::MASTER_ENABLE != 0;
            self.enabled_again |= self.enabled;
            return true;
        }
        let Some((index, register)) = locate(offset) else {
            return false;
        };
        if let Some(bank) = self.banks.get_mut(index) {
            bank.write(register, value);
        }
        true
    }
}

impl Default for Interrupts {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether `offset` is an identity register, whose bits clear by writing one.
pub fn is_identity(offset: u32) -> bool {
    locate(offset).is_some_and(|(_, register)| register == regs::IIR)
}

/// Bank index and register of `offset`.
fn locate(offset: u32) -> Option<(usize, u32)> {
    let index = PLACES
        .iter()
        .position(|place| (place.base..place.base + regs::BANK_STRIDE).contains(&offset))?;
    Some((index, offset & (regs::BANK_STRIDE - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything of GT bank 0 unmasked and enabled.
    fn open() -> Interrupts {
        let mut interrupts = Interrupts::new();
        interrupts.write(regs::gt_bank(0) + regs::IMR, 0);
        interrupts.write(regs::gt_bank(0) + regs::IER, u32::MAX);
        interrupts
    }

    #[test]
    fn identity_is_two_deep_and_not_three() {
        let mut interrupts = open();
        let iir = regs::gt_bank(0) + regs::IIR;
        for _ in 0..3 {
            interrupts.raise_engine(EngineId::Rcs, regs::USER_INTERRUPT);
        }
        interrupts.write(iir, u32::MAX);
        assert_eq!(interrupts.read(iir), Some(regs::USER_INTERRUPT));
        interrupts.write(iir, u32::MAX);
        assert_eq!(interrupts.read(iir), Some(0));
    }

    #[test]
    fn clearing_one_bit_leaves_the_second_event_of_another() {
        let mut interrupts = open();
        let iir = regs::gt_bank(0) + regs::IIR;
        for _ in 0..2 {
            interrupts.raise_engine(EngineId::Rcs, regs::USER_INTERRUPT | regs::CONTEXT_SWITCH);
        }
        interrupts.write(iir, regs::USER_INTERRUPT);
        interrupts.write(iir, regs::USER_INTERRUPT);
        assert_eq!(interrupts.read(iir), Some(regs::CONTEXT_SWITCH));
        interrupts.write(iir, regs::CONTEXT_SWITCH);
        assert_eq!(interrupts.read(iir), Some(regs::CONTEXT_SWITCH));
    }

    #[test]
    fn masked_event_does_not_latch() {
        let mut interrupts = open();
        interrupts.write(regs::gt_bank(0) + regs::IMR, regs::USER_INTERRUPT << 16);
        interrupts.raise_engine(EngineId::Bcs, regs::USER_INTERRUPT);
        assert_eq!(interrupts.read(regs::gt_bank(0) + regs::IIR), Some(0));
    }

    #[test]
    fn status_shows_each_engine_also_while_disabled() {
        for engine in EngineId::ALL {
            let mut interrupts = Interrupts::new();
            let bank = regs::gt_bank(engine.interrupt_bank());
            interrupts.write(bank + regs::IMR, 0);
            interrupts.write(bank + regs::IER, u32::MAX);
            interrupts.raise_engine(engine, regs::CONTEXT_SWITCH);
            assert_eq!(interrupts.read(regs::MASTER), Some(engine.master_bit()));
            let shifted = regs::CONTEXT_SWITCH << engine.interrupt_shift();
            assert_eq!(interrupts.read(bank + regs::IIR), Some(shifted));
        }
    }

    #[test]
    fn power_management_has_a_status_bit_of_its_own() {
        let mut interrupts = Interrupts::new();
        let bank = regs::gt_bank(PM_BANK as u32);
        interrupts.write(bank + regs::IMR, 0);
        interrupts.write(bank + regs::IER, u32::MAX);
        interrupts.raise_pm(1 << 5);
        assert_eq!(interrupts.read(bank + regs::IIR), Some(1 << 5));
        assert_eq!(interrupts.read(regs::MASTER), Some(regs::MASTER_PM));
    }

    #[test]
    fn a_pipe_is_listened_to_only_while_its_bank_lets_the_event_through() {
        let mut interrupts = Interrupts::new();
        let bank = regs::pipe_bank(1);
        assert!(!interrupts.listens_to_pipe(1, 1));
        interrupts.write(bank + regs::IER, 1);
        assert!(!interrupts.listens_to_pipe(1, 1));
        interrupts.write(bank + regs::IMR, !1);
        assert!(interrupts.listens_to_pipe(1, 1));
        assert!(!interrupts.listens_to_pipe(1, 2) && !interrupts.listens_to_pipe(0, 1));
        interrupts.raise_pipes([0, 3, 0]);
        assert_eq!(interrupts.read(bank + regs::IIR), Some(1));
        assert_eq!(interrupts.read(regs::MASTER), Some(regs::MASTER_PIPE_A << 1));
    }

    #[test]
    fn levels_of_the_pch_are_read_and_not_written() {
        let mut interrupts = Interrupts::new();
        interrupts.set_pch_levels(1 << 21);
        interrupts.write(regs::PCH_BANK + regs::ISR, 0);
        assert_eq!(interrupts.read(regs::PCH_BANK + regs::ISR), Some(1 << 21));
        assert_eq!(interrupts.read(regs::PCH_BANK + regs::IIR), Some(0));
    }

    #[test]
    fn status_needs_the_enable_register_of_the_bank() {
        let mut interrupts = open();
        interrupts.write(regs::gt_bank(0) + regs::IER, 0);
        interrupts.raise_engine(EngineId::Rcs, regs::USER_INTERRUPT);
        assert_eq!(interrupts.read(regs::MASTER), Some(0));
        assert_eq!(interrupts.read(regs::gt_bank(0) + regs::IIR), Some(regs::USER_INTERRUPT));
    }

    #[test]
    fn edge_when_output_rises_and_when_enable_is_written_with_status_pending() {
        let mut interrupts = open();
        interrupts.write(regs::MASTER, regs::MASTER_ENABLE);
        assert_eq!(interrupts.sample(), Output { active: false, edge: false });
        interrupts.raise_engine(EngineId::Rcs, regs::USER_INTERRUPT);
        assert_eq!(interrupts.sample(), Output { active: true, edge: true });
        interrupts.raise_engine(EngineId::Bcs, regs::USER_INTERRUPT);
        assert_eq!(interrupts.sample(), Output { active: true, edge: false });
        interrupts.write(regs::MASTER, regs::MASTER_ENABLE);
        assert_eq!(interrupts.sample(), Output { active: true, edge: true });
    }

    #[test]
    fn handler_that_clears_everything_gets_no_second_edge() {
        let mut interrupts = open();
        interrupts.write(regs::MASTER, regs::MASTER_ENABLE);
        interrupts.raise_engine(EngineId::Rcs, regs::USER_INTERRUPT);
        interrupts.sample();
        interrupts.write(regs::MASTER, 0);
        assert!(!interrupts.sample().active);
        interrupts.write(regs::gt_bank(0) + regs::IIR, regs::USER_INTERRUPT);
        interrupts.write(regs::MASTER, regs::MASTER_ENABLE);
        assert_eq!(interrupts.sample(), Output { active: false, edge: false });
    }
}
