//! Context descriptor, context status and execlist status (PRM Vol 2d, Vol 6; i915
//! `gt/intel_lrc.c`, `gt/intel_execlists_submission.c`).

/// Addressing mode of a context (descriptor bits 4:3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Addressing {
    /// 0: advanced, no page tables of i915's.
    Advanced32,
    /// 1: legacy 32-bit, three levels.
    Legacy32,
    /// 2: advanced 64-bit.
    Advanced64,
    /// 3: legacy 64-bit, four levels.
    Legacy64,
}

impl Addressing {
    /// Decodes descriptor bits 4:3.
    pub const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Addressing::Advanced32,
            1 => Addressing::Legacy32,
            2 => Addressing::Advanced64,
            _ => Addressing::Legacy64,
        }
    }
}

/// A context descriptor as written to ELSP: 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ContextDescriptor(pub u64);

impl ContextDescriptor {
    /// Bit 0: the element is present.
    pub const VALID: u64 = 1 << 0;
    /// Bit 1: reload the PDPs even if they are unchanged.
    pub const FORCE_PD_RESTORE: u64 = 1 << 1;
    /// Bit 2: restore from memory even if the context is the last one run.
    pub const FORCE_RESTORE: u64 = 1 << 2;
    /// Bit 5: L3/LLC coherency.
    pub const COHERENT: u64 = 1 << 5;
    /// Bit 8: PPGTT enabled.
    pub const PPGTT: u64 = 1 << 8;

    /// Bits 11:9, which mean nothing (i915 `gt/intel_lrc.h`, `GEN8_CTX_*`).
    pub const RESERVED: u64 = 7 << 9;

    /// What i915 writes for a context: valid, coherent, PPGTT, with this addressing mode.
    pub const fn new(lrca: u32, context_id: u32, addressing: Addressing) -> Self {
        let mode = match addressing {
            Addressing::Advanced32 => 0,
            Addressing::Legacy32 => 1,
            Addressing::Advanced64 => 2,
            Addressing::Legacy64 => 3,
        };
        ContextDescriptor(
            ((context_id as u64) << 32)
                | (lrca & 0xffff_f000) as u64
                | (mode << 3)
                | Self::VALID
                | Self::COHERENT
                | Self::PPGTT,
        )
    }
    /// Whether the element is present.
    pub const fn is_valid(self) -> bool {
        self.0 & Self::VALID != 0
    }
    /// Whether a full restore from memory is forced.
    pub const fn force_restore(self) -> bool {
        self.0 & Self::FORCE_RESTORE != 0
    }
    /// Whether reloading the PDPs is forced.
    pub const fn force_pd_restore(self) -> bool {
        self.0 & Self::FORCE_PD_RESTORE != 0
    }
    /// Addressing mode.
    pub const fn addressing(self) -> Addressing {
        Addressing::from_bits((self.0 >> 3) as u32)
    }
    /// GGTT address of the context image (LRCA).
    pub const fn lrca(self) -> u32 {
        self.0 as u32 & 0xffff_f000
    }
    /// Id reported in the CSB and in EXECLIST_STATUS.
    pub const fn context_id(self) -> u32 {
        (self.0 >> 32) as u32
    }
    /// Upper dword, written first to ELSP.
    pub const fn upper(self) -> u32 {
        (self.0 >> 32) as u32
    }
    /// Lower dword.
    pub const fn lower(self) -> u32 {
        self.0 as u32
    }
}

/// Bits of the low dword of a CSB entry.
pub mod csb {
    /// Idle engine received a list.
    pub const IDLE_ACTIVE: u32 = 1 << 0;
    /// The running context was preempted.
    pub const PREEMPTED: u32 = 1 << 1;
    /// Element 0 left, element 1 runs.
    pub const ELEMENT_SWITCH: u32 = 1 << 2;
    /// Nothing left to run.
    pub const ACTIVE_IDLE: u32 = 1 << 3;
    /// The context reached HEAD == TAIL.
    pub const COMPLETE: u32 = 1 << 4;
    /// The context waits on a semaphore.
    pub const WAIT_SEMAPHORE: u32 = 1 << 7;
    /// With [`WAIT_SEMAPHORE`]: the semaphore polls memory.
    pub const WAIT_POLLS: u32 = 1 << 11;
    /// With [`PREEMPTED`]: a lite restore.
    pub const LITE_RESTORE: u32 = 1 << 15;
    /// Hardware reset value of the write pointer; the next entry lands in slot 0.
    pub const WRITE_POINTER_RESET: u32 = 7;
    /// Field of CSB_PTR with the write pointer, 2:0.
    pub const WRITE_POINTER_MASK: u32 = 0x7;
    /// Shift of CSB_PTR's read pointer, 10:8.
    pub const READ_POINTER_SHIFT: u32 = 8;

    /// Value for CSB_PTR that sets both pointers (i915 `reset_csb_pointers`).
    pub const fn set_pointers(read: u32, write: u32) -> u32 {
        0xffff_0000 | (read << READ_POINTER_SHIFT) | write
    }

    /// Value for CSB_PTR that sets the read pointer only (i915 4.4 `intel_lrc_irq_handler`).
    pub const fn set_read_pointer(read: u32) -> u32 {
        crate::masked_disable(WRITE_POINTER_MASK << READ_POINTER_SHIFT)
            | (read << READ_POINTER_SHIFT)
    }
}

/// Bits of EXECLIST_STATUS, low dword.
pub mod status {
    /// A list is pending: the queue is full.
    pub const QUEUE_FULL: u32 = 1 << 2;
    /// Element 1 valid.
    pub const ELEMENT1_VALID: u32 = 1 << 3;
    /// Element 0 valid.
    pub const ELEMENT0_VALID: u32 = 1 << 4;
    /// Last switch reason, 13:5.
    pub const SWITCH_REASON_SHIFT: u32 = 5;
    /// Width of the switch reason: the low CSB bits.
    pub const SWITCH_REASON_MASK: u32 = 0x1ff;
    /// Current element, 15:14 (0 none, 1 element 0, 2 element 1).
    pub const CURRENT_SHIFT: u32 = 14;
    /// Arbitration enabled.
    pub const ARB_ENABLED: u32 = 1 << 16;
    /// Element 1 active.
    pub const ELEMENT1_ACTIVE: u32 = 1 << 17;
    /// Element 0 active.
    pub const ELEMENT0_ACTIVE: u32 = 1 << 18;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csb_pointer_values_match_i915() {
        assert_eq!(csb::set_pointers(5, 5), 0xffff_0505);
        assert_eq!(csb::set_read_pointer(3), 0x0700_0300);
    }

    #[test]
    fn descriptor_matches_what_i915_writes() {
        let d = ContextDescriptor::new(0xfffe_8000, 0x20, Addressing::Legacy64);
        assert_eq!(d.lower(), 0xfffe_8000 | 0x139);
        assert_eq!(ContextDescriptor::new(0, 1, Addressing::Legacy32).lower(), 0x129);
    }
}
