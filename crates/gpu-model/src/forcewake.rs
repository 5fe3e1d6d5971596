//! Forcewake: software keeps the render power well awake while it touches GT registers.
//!
//! The model's registers are always reachable, as if the well were awake; an access that real
//! hardware would lose is told to the observer, since it is a driver bug.

use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring};
use gen8_spec::registers::power;
use gen8_spec::{masked_apply, mmio::FORCEWAKE_RANGE_END};

/// The forcewake block.
#[derive(Clone, Debug, Default, Hash)]
pub struct Forcewake {
    requests: u32,
}

impl Forcewake {
    /// Whether somebody keeps the well awake.
    pub fn is_awake(&self) -> bool {
        self.requests != 0
    }

    /// Whether real hardware would serve this access: the well is awake, the register is outside
    /// its range, or the register is shadowed for writes.
    pub fn permits(&self, offset: u32, write: bool) -> bool {
        self.is_awake()
            || offset >= FORCEWAKE_RANGE_END
            || offset == mmio::FORCEWAKE_MT
            || (write && is_shadowed(offset))
    }

    /// Register read; `None` when `offset` is not one of this block's.
    pub fn read(&self, offset: u32) -> Option<u32> {
        match offset {
            mmio::FORCEWAKE_MT | mmio::FORCEWAKE_ACK_HSW => Some(self.requests),
            mmio::FORCEWAKE_ACK_IVB | mmio::GT_THREAD_STATUS => Some(0),
            _ => None,
        }
    }

    /// Register write; false when `offset` is not one of this block's.
    pub fn write(&mut self, offset: u32, value: u32) -> bool {
        match offset {
            mmio::FORCEWAKE_MT => self.requests = masked_apply(self.requests, value),
            mmio::FORCEWAKE_ACK_HSW | mmio::FORCEWAKE_ACK_IVB | mmio::GT_THREAD_STATUS => {}
            _ => return false,
        }
        true
    }
}

/// Registers that hardware buffers while the well sleeps (i915 `gen8_shadowed_regs`): VCS1's tail is
/// not among them.
fn is_shadowed(offset: u32) -> bool {
    const TAILS: [EngineId; 4] = [EngineId::Rcs, EngineId::Vcs, EngineId::Vecs, EngineId::Bcs];
    offset == mmio::RPNSWREQ
        || offset == power::RC_VIDEO_FREQ
        || TAILS.iter().any(|engine| offset == engine.mmio_base() + ring::TAIL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen8_spec::{masked_disable, masked_enable};

    #[test]
    fn acknowledge_follows_each_request_bit_at_once() {
        let mut forcewake = Forcewake::default();
        forcewake.write(mmio::FORCEWAKE_MT, masked_enable(1));
        forcewake.write(mmio::FORCEWAKE_MT, masked_enable(1 << 15));
        assert_eq!(forcewake.read(mmio::FORCEWAKE_ACK_HSW), Some(0x8001));
        forcewake.write(mmio::FORCEWAKE_MT, masked_disable(1));
        assert_eq!(forcewake.read(mmio::FORCEWAKE_ACK_HSW), Some(0x8000));
        forcewake.write(mmio::FORCEWAKE_MT, masked_disable(0xffff));
        assert_eq!(forcewake.read(mmio::FORCEWAKE_ACK_HSW), Some(0));
    }

    #[test]
    fn acknowledge_is_read_only() {
        let mut forcewake = Forcewake::default();
        assert!(forcewake.write(mmio::FORCEWAKE_ACK_HSW, masked_enable(1)));
        assert!(!forcewake.is_awake());
    }

    #[test]
    fn asleep_only_shadowed_writes_and_display_are_permitted() {
        let forcewake = Forcewake::default();
        let tail = EngineId::Rcs.mmio_base() + ring::TAIL;
        assert!(forcewake.permits(tail, true));
        assert!(!forcewake.permits(tail, false));
        assert!(!forcewake.permits(EngineId::Vcs1.mmio_base() + ring::TAIL, true));
        assert!(!forcewake.permits(mmio::GDRST, true));
        assert!(forcewake.permits(mmio::FPGA_DBG, false));
    }
}
