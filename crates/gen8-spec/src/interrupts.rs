//! Interrupt registers and bits (i915 `gt/intel_gt_irq.c`, `i915_irq.c`; PRM Vol 2c).

use crate::engine::EngineId;

/// Master interrupt control: bit 31 enable, lower bits read-only status.
pub const MASTER: u32 = 0x4_4200;
/// [`MASTER`]: enable.
pub const MASTER_ENABLE: u32 = 1 << 31;

/// Offset of the status register in a bank.
pub const ISR: u32 = 0x0;
/// Offset of the mask register in a bank.
pub const IMR: u32 = 0x4;
/// Offset of the identity register (write one to clear, two deep) in a bank.
pub const IIR: u32 = 0x8;
/// Offset of the enable register in a bank.
pub const IER: u32 = 0xc;

/// Base of GT bank `n`, `0..4`: 0 RCS/BCS, 1 VCS/VCS1, 2 PM, 3 VECS.
pub const fn gt_bank(n: u32) -> u32 {
    0x4_4300 + BANK_STRIDE * n
}

/// Number of GT banks.
pub const GT_BANK_COUNT: u32 = 4;
/// Bytes from one bank to the next.
pub const BANK_STRIDE: u32 = 0x10;

/// Base of the bank of display pipe `n`, `0..3`.
pub const fn pipe_bank(n: u32) -> u32 {
    0x4_4400 + BANK_STRIDE * n
}

/// Base of the display-port bank.
pub const PORT_BANK: u32 = 0x4_4440;
/// Base of the display's miscellaneous bank.
pub const MISC_BANK: u32 = 0x4_4460;
/// Base of the PCU bank.
pub const PCU_BANK: u32 = 0x4_44e0;
/// Base of the PCH (south display) bank.
pub const PCH_BANK: u32 = 0xc_4000;

/// User interrupt (MI_USER_INTERRUPT).
pub const USER_INTERRUPT: u32 = 1 << 0;
/// Command-streamer error.
pub const CS_ERROR: u32 = 1 << 3;
/// PIPE_CONTROL / MI_FLUSH_DW notify.
pub const FLUSH_NOTIFY: u32 = 1 << 4;
/// Page fault.
pub const PAGE_FAULT: u32 = 1 << 7;
/// Context switch: a CSB entry was written.
pub const CONTEXT_SWITCH: u32 = 1 << 8;
/// Waiting on a semaphore.
pub const WAIT_SEMAPHORE: u32 = 1 << 11;

impl EngineId {
    /// GT interrupt bank of this engine.
    pub const fn interrupt_bank(self) -> u32 {
        match self {
            EngineId::Rcs | EngineId::Bcs => 0,
            EngineId::Vcs | EngineId::Vcs1 => 1,
            EngineId::Vecs => 3,
        }
    }

    /// Shift of this engine's 16-bit field in its bank, and in its own ring IMR.
    pub const fn interrupt_shift(self) -> u32 {
        match self {
            EngineId::Bcs | EngineId::Vcs1 => 16,
            _ => 0,
        }
    }

    /// This engine's status bit in [`MASTER`].
    pub const fn master_bit(self) -> u32 {
        match self {
            EngineId::Rcs => 1 << 0,
            EngineId::Bcs => 1 << 1,
            EngineId::Vcs => 1 << 2,
            EngineId::Vcs1 => 1 << 3,
            EngineId::Vecs => 1 << 6,
        }
    }
}
/// [`MASTER`]: GT PM bank.
pub const MASTER_PM: u32 = 1 << 4;
/// [`MASTER`]: GuC.
pub const MASTER_GUC: u32 = 1 << 5;
/// [`MASTER`]: display pipe A; B and C are the next bits.
pub const MASTER_PIPE_A: u32 = 1 << 16;
/// [`MASTER`]: display ports.
pub const MASTER_PORT: u32 = 1 << 20;
/// [`MASTER`]: display miscellaneous.
pub const MASTER_MISC: u32 = 1 << 22;
/// [`MASTER`]: PCH.
pub const MASTER_PCH: u32 = 1 << 23;
/// [`MASTER`]: PCU.
pub const MASTER_PCU: u32 = 1 << 30;
