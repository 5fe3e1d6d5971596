//! Names of registers for those who ask what a register holds: a block's name, the register's, and where
//! it is. The tables of rules have their own names; what is no rule is named as its constant is.

use super::{Rule, display, gt, outputs, power, ring};
use crate::engine::EngineId;
use crate::interrupts as irq;
use crate::mmio::{self, ring as reg};

/// A register, or an array of equal ones, with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// Hardware name.
    pub name: &'static str,
    /// Offset of the (first) register: in BAR0, or in the block of an engine.
    pub offset: u32,
    /// Number of equal registers.
    pub count: u32,
    /// Bytes from one to the next.
    pub stride: u32,
}

impl Name {
    const fn array(name: &'static str, offset: u32, count: u32, stride: u32) -> Name {
        Name { name, offset, count, stride }
    }

    const fn of(rule: &Rule) -> Name {
        Name::array(rule.name, rule.offset, rule.count, rule.stride)
    }

    /// The registers' indices and offsets.
    pub fn offsets(self) -> impl Iterator<Item = (u32, u32)> {
        (0..self.count).map(move |n| (n, self.offset + n * self.stride))
    }
}

/// Constants of one module under their own names.
macro_rules! named {
    ($module:ident: $($name:ident),* $(,)?) => {
        [$(Name::array(stringify!($name), $module::$name, 1, 4)),*]
    };
}

/// State of an engine, at offsets from its base: what its table of rules does not have.
static ENGINE_STATE: [Name; 25] = named!(reg:
    TAIL, HEAD, START, CTL, ACTHD_UDW, DMA_FADD_UDW, IPEHR, INSTDONE, ACTHD, DMA_FADD, ESR, BBSTATE,
    SBBADDR, SBBSTATE, SBBADDR_UDW, BBADDR, BBADDR_UDW, ELSP, EXECLIST_STATUS_LO, EXECLIST_STATUS_HI,
    TIMESTAMP, TIMESTAMP_UDW, CSB_PTR, CTX_TIMESTAMP, PREDICATE_RESULT_2,
);

/// Arrays of an engine.
static ENGINE_ARRAYS: [Name; 5] = [
    Name::array("PDP_LDW", reg::PDP0_LDW, 4, 8),
    Name::array("PDP_UDW", reg::PDP0_UDW, 4, 8),
    Name::array("CSB_LO", reg::CSB_LO, crate::hwsp::CSB_ENTRIES, 8),
    Name::array("CSB_HI", reg::CSB_HI, crate::hwsp::CSB_ENTRIES, 8),
    Name::array("GPR", reg::GPR0, 2 * reg::GPR_COUNT, 4),
];

/// Faults, fuses, forcewake and requests of the device as a whole.
static DEVICE: [Name; 16] = named!(mmio:
    RING_FAULT_REG, FAULT_TLB_DATA0, FAULT_TLB_DATA1, FUSE2, EU_DISABLE0, EU_DISABLE1, EU_DISABLE2,
    GDRST, FORCEWAKE_MT, FORCEWAKE_ACK_HSW, FORCEWAKE_ACK_IVB, GT_THREAD_STATUS, FUSE_STRAP,
    FUSE_STRAP3, SFUSE_STRAP, TIMESTAMP_CTR,
);

/// Requests to invalidate TLBs (i915 `gt/intel_gt_regs.h`).
static TLBS: [Name; 5] = [
    Name::array("GEN8_RTCR", EngineId::Rcs.tlb_invalidate_register(), 1, 4),
    Name::array("GEN8_M1TCR", EngineId::Vcs.tlb_invalidate_register(), 1, 4),
    Name::array("GEN8_M2TCR", EngineId::Vcs1.tlb_invalidate_register(), 1, 4),
    Name::array("GEN8_BTCR", EngineId::Bcs.tlb_invalidate_register(), 1, 4),
    Name::array("GEN8_VTCR", EngineId::Vecs.tlb_invalidate_register(), 1, 4),
];

/// The fences' halves.
static FENCES: [Name; 2] = [
    Name::array("FENCE_LO", mmio::FENCE_LO, mmio::FENCE_COUNT, 8),
    Name::array("FENCE_HI", mmio::FENCE_LO + 4, mmio::FENCE_COUNT, 8),
];

/// A bank's four registers under i915's names.
macro_rules! bank {
    ($prefix:literal, $base:expr, $count:expr) => {
        [
            Name::array(concat!($prefix, "ISR"), $base + irq::ISR, $count, irq::BANK_STRIDE),
            Name::array(concat!($prefix, "IMR"), $base + irq::IMR, $count, irq::BANK_STRIDE),
            Name::array(concat!($prefix, "IIR"), $base + irq::IIR, $count, irq::BANK_STRIDE),
            Name::array(concat!($prefix, "IER"), $base + irq::IER, $count, irq::BANK_STRIDE),
        ]
    };
}

/// Number of pipes' banks (i915 `GEN8_DE_PIPE_ISR`).
const PIPE_BANKS: u32 = 3;

static MASTER: [Name; 1] = [Name::array("GEN8_MASTER_IRQ", irq::MASTER, 1, 4)];
static GT_BANKS: [Name; 4] = bank!("GEN8_GT_", irq::gt_bank(0), irq::GT_BANK_COUNT);
static PIPES: [Name; 4] = bank!("GEN8_DE_PIPE_", irq::pipe_bank(0), PIPE_BANKS);
static PORTS: [Name; 4] = bank!("GEN8_DE_PORT_", irq::PORT_BANK, 1);
static MISC: [Name; 4] = bank!("GEN8_DE_MISC_", irq::MISC_BANK, 1);
static PCU: [Name; 4] = bank!("GEN8_PCU_", irq::PCU_BANK, 1);
static PCH: [Name; 4] = bank!("SDE", irq::PCH_BANK, 1);

/// Registers of every engine, at offsets from its base (`EngineId::mmio_base`).
pub fn engine() -> impl Iterator<Item = Name> {
    let state = ENGINE_STATE.into_iter().filter(|name| !is_rule(name, ring::RULES));
    state.chain(ENGINE_ARRAYS).chain(ring::RULES.iter().map(Name::of))
}

/// Registers outside of the engines' blocks, each with the name of its block.
pub fn device() -> impl Iterator<Item = (&'static str, Name)> {
    let rules = [("gt", gt::RULES), ("power", power::RULES), ("display", display::RULES)];
    let rules = rules.into_iter().chain([("display", outputs::RULES)]);
    let ruled =
        rules.flat_map(|(block, rules)| rules.iter().map(move |rule| (block, Name::of(rule))));
    let banks = [GT_BANKS, PIPES, PORTS, MISC, PCU, PCH].into_iter().flatten();
    let interrupts = MASTER.into_iter().chain(banks).map(|name| ("interrupts", name));
    let fences = FENCES.into_iter().map(|name| ("fences", name));
    let device = DEVICE.into_iter().chain(TLBS).map(|name| ("device", name));
    device.chain(interrupts).chain(fences).chain(ruled)
}

fn is_rule(name: &Name, rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.offset == name.offset)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    fn assert_distinct(mut offsets: Vec<u32>) {
        offsets.sort_unstable();
        let twice: Vec<&[u32]> = offsets.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:x?}");
    }

    #[test]
    fn no_register_has_two_names() {
        assert_distinct(engine().flat_map(Name::offsets).map(|(_, offset)| offset).collect());
        let all = device().flat_map(|(_, name)| name.offsets());
        assert_distinct(all.map(|(_, offset)| offset).collect());
    }

    #[test]
    fn names_stand_for_their_registers() {
        let find = |wanted: &str| engine().find(|name| name.name == wanted).map(|name| name.offset);
        assert_eq!(
            (find("HEAD"), find("CSB_PTR"), find("GFX_MODE")),
            (Some(0x34), Some(0x3a0), Some(0x29c))
        );
        let iir = device().find(|(_, name)| name.name == "GEN8_GT_IIR").map(|(_, name)| name);
        let offsets: Vec<u32> = iir.into_iter().flat_map(Name::offsets).map(|(_, at)| at).collect();
        assert_eq!(offsets, [0x4_4308, 0x4_4318, 0x4_4328, 0x4_4338]);
    }
}
