//! Interrupts: master control, the GT banks and the display banks (`gen8_spec::interrupts`).

use gen8_spec::engine::EngineId;
use gen8_spec::interrupts as regs;

/// One bank: mask, enable, and an identity register that is two deep.
#[derive(Clone, Debug)]
struct Bank {
    imr: u32,
    ier: u32,
    iir: u32,
    /// Second event of a bit that was set already: it becomes visible when software clears the
    /// first.
    pending: u32,
}

impl Bank {
    const RESET: Bank = Bank { imr: u32::MAX, ier: 0, iir: 0, pending: 0 };

    /// Latches the edges `bits` that the mask lets through.
    fn raise(&mut self, bits: u32) {
        let bits = bits & !self.imr;
        self.pending |= self.iir & bits;
        self.iir |= bits;
    }

    /// Software writes ones to clear; a bit that was raised twice comes back once.
    fn clear(&mut self, bits: u32) {
        self.iir &= !bits;
        let again = self.pending & bits;
        self.iir |= again;
        self.pending &= !again;
    }

    fn output(&self) -> u32 {
        self.iir & self.ier
    }
}

/// Number of GT banks.
const GT_BANKS: usize = 4;

/// The interrupt block.
#[derive(Clone, Debug)]
pub struct Interrupts {
    enabled: bool,
    gt: [Bank; GT_BANKS],
}

impl Interrupts {
    /// Everything masked, nothing pending.
    pub fn new() -> Self {
        Self { enabled: false, gt: [Bank::RESET; GT_BANKS] }
    }

    /// Raises `bits` (`USER_INTERRUPT`, `CONTEXT_SWITCH`, …, unshifted) for `engine`. The engine's
    /// own ring IMR was applied by the engine.
    pub fn raise_engine(&mut self, engine: EngineId, bits: u32) {
        if let Some(bank) = self.gt.get_mut(engine.interrupt_bank() as usize) {
            bank.raise((bits & 0xffff) << engine.interrupt_shift());
        }
    }

    /// Whether the master output is active: enabled and some status bit set.
    pub fn line(&self) -> bool {
        self.enabled && self.gt.iter().any(|bank| bank.output() != 0)
    }

    /// GT IIR of bank `n`, as software would read it.
    pub fn gt_identity(&self, n: u32) -> u32 {
        self.gt.get(n as usize).map_or(0, |bank| bank.iir)
    }

    /// Register read; `None` when `offset` is not one of this block's.
    pub fn read(&self, offset: u32) -> Option<u32> {
        let (bank, register) = self.locate(offset)?;
        Some(match register {
            regs::IMR => bank.imr,
            regs::IIR => bank.iir,
            regs::IER => bank.ier,
            _ => 0,
        })
    }

    /// Register write; false when `offset` is not one of this block's.
    pub fn write(&mut self, offset: u32, value: u32) -> bool {
        if offset == regs::MASTER {
            self.enabled = value & regs::MASTER_ENABLE != 0;
            return true;
        }
        let Some(index) = Self::gt_index(offset) else {
            return false;
        };
        let Some(bank) = self.gt.get_mut(index) else {
            return false;
        };
        match offset & 0xc {
            regs::IMR => bank.imr = value,
            regs::IIR => bank.clear(value),
            regs::IER => bank.ier = value,
            _ => {}
        }
        true
    }

    fn gt_index(offset: u32) -> Option<usize> {
        let first = regs::gt_bank(0);
        (first..regs::gt_bank(GT_BANKS as u32))
            .contains(&offset)
            .then_some(((offset - first) / 0x10) as usize)
    }

    fn locate(&self, offset: u32) -> Option<(&Bank, u32)> {
        Some((self.gt.get(Self::gt_index(offset)?)?, offset & 0xc))
    }
}

impl Default for Interrupts {
    fn default() -> Self {
        Self::new()
    }
}
