//! GPU page faults as values, and the registers that report the first one.

use gen8_spec::engine::EngineId;
use gen8_spec::mmio;

/// A translation or access that failed, as the fault registers report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GpuFault {
    /// Engine that made the access; `None` for the CPU through the aperture.
    pub engine: Option<EngineId>,
    /// Whether the address is in the GGTT.
    pub ggtt: bool,
    /// Virtual (or GGTT) address.
    pub address: u64,
    /// Whether it was a write.
    pub write: bool,
    /// Level of the entry that failed: 0 PTE, 1 PDE, 2 PDPE, 3 PML4E.
    pub level: u32,
    /// The entry as read, if it was readable.
    pub entry: u64,
}

/// GEN8_RING_FAULT_REG and GEN8_FAULT_TLB_DATA0/1: the first fault since software cleared the valid
/// bit. Plain storage for software, which clears the valid bit by a read-modify-write.
#[derive(Clone, Debug, Default, Hash)]
pub struct FaultRegisters {
    fault: u32,
    data0: u32,
    data1: u32,
}

impl FaultRegisters {
    /// Latches `fault` unless one is latched already.
    pub fn latch(&mut self, fault: GpuFault) {
        if self.fault & mmio::FAULT_VALID != 0 {
            return;
        }
        let engine = fault.engine.map_or(0, EngineId::fault_id);
        self.fault = mmio::FAULT_VALID
            | (fault.level & 3) << mmio::FAULT_LEVEL_SHIFT
            | engine << mmio::FAULT_ENGINE_SHIFT
            | if fault.ggtt { mmio::FAULT_GGTT } else { 0 };
        self.data0 = (fault.address >> mmio::FAULT_DATA0_ADDRESS_SHIFT) as u32;
        self.data1 = (fault.address >> mmio::FAULT_DATA1_ADDRESS_SHIFT) as u32
            & mmio::FAULT_DATA1_ADDRESS_MASK
            | if fault.ggtt { mmio::FAULT_DATA1_GGTT } else { 0 };
    }

    /// Register read; `None` when `offset` is not one of this block's.
    pub fn read(&self, offset: u32) -> Option<u32> {
        match offset {
            mmio::RING_FAULT_REG => Some(self.fault),
            mmio::FAULT_TLB_DATA0 => Some(self.data0),
            mmio::FAULT_TLB_DATA1 => Some(self.data1),
            _ => None,
        }
    }

    /// Register write; false when `offset` is not one of this block's.
    pub fn write(&mut self, offset: u32, value: u32) -> bool {
        match offset {
            mmio::RING_FAULT_REG => self.fault = value,
            mmio::FAULT_TLB_DATA0 => self.data0 = value,
            mmio::FAULT_TLB_DATA1 => self.data1 = value,
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(address: u64) -> GpuFault {
        GpuFault {
            engine: Some(EngineId::Bcs),
            ggtt: false,
            address,
            write: true,
            level: 2,
            entry: 0,
        }
    }

    #[test]
    fn first_fault_wins_until_valid_is_cleared() {
        let mut registers = FaultRegisters::default();
        registers.latch(fault(0x7abc_1234_5000));
        registers.latch(fault(0x1000));
        assert_eq!(registers.read(mmio::RING_FAULT_REG), Some(1 | 2 << 1 | 4 << 12));
        assert_eq!(registers.read(mmio::FAULT_TLB_DATA0), Some(0xabc1_2345));
        assert_eq!(registers.read(mmio::FAULT_TLB_DATA1), Some(0x7));
        assert!(registers.write(mmio::RING_FAULT_REG, 0));
        registers.latch(fault(0x1000));
        assert_eq!(registers.read(mmio::FAULT_TLB_DATA0), Some(1));
    }

    #[test]
    fn ggtt_fault_says_so_in_both_registers() {
        let mut registers = FaultRegisters::default();
        registers.latch(GpuFault { ggtt: true, engine: None, level: 0, ..fault(0xf000) });
        assert_eq!(registers.read(mmio::RING_FAULT_REG), Some(1 | 1 << 11));
        assert_eq!(registers.read(mmio::FAULT_TLB_DATA1), Some(1 << 4));
    }
}
