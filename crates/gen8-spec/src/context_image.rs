//! Dword indices of the register-state page (page 1) of a logical-ring context image
//! (i915 `gt/intel_lrc_reg.h`; PRM Vol 2d). Each index names the *register offset* dword; the value
//! follows it. Software and hardware find fields by these fixed places.

use crate::mmio::ring as reg;

/// Page of the image that holds the register state; page 0 is the PPHWSP.
pub const STATE_PAGE: u64 = 1;
/// First LRI header.
pub const LRI_HEADER_0: usize = 0x01;
/// CONTEXT_CONTROL.
pub const CONTEXT_CONTROL: usize = 0x02;
/// RING_HEAD.
pub const RING_HEAD: usize = 0x04;
/// RING_TAIL.
pub const RING_TAIL: usize = 0x06;
/// RING_START.
pub const RING_START: usize = 0x08;
/// RING_CTL.
pub const RING_CTL: usize = 0x0a;
/// BBADDR_UDW.
pub const BB_ADDR_UDW: usize = 0x0c;
/// BBADDR.
pub const BB_ADDR: usize = 0x0e;
/// BBSTATE.
pub const BB_STATE: usize = 0x10;
/// SBBADDR_UDW.
pub const SBB_ADDR_UDW: usize = 0x12;
/// SBBADDR.
pub const SBB_ADDR: usize = 0x14;
/// SBBSTATE.
pub const SBB_STATE: usize = 0x16;
/// BB_PER_CTX_PTR (RCS).
pub const BB_PER_CTX_PTR: usize = 0x18;
/// INDIRECT_CTX (RCS).
pub const INDIRECT_CTX: usize = 0x1a;
/// INDIRECT_CTX_OFFSET (RCS).
pub const INDIRECT_CTX_OFFSET: usize = 0x1c;
/// Second LRI header.
pub const LRI_HEADER_1: usize = 0x21;
/// CTX_TIMESTAMP.
pub const CTX_TIMESTAMP: usize = 0x22;
/// PDP3_UDW; the eight PDP registers follow in the order 3U 3L 2U 2L 1U 1L 0U 0L.
pub const PDP3_UDW: usize = 0x24;
/// Index of PDP `n`'s upper half.
pub const fn pdp_udw(n: usize) -> usize {
    PDP3_UDW + 4 * (3 - n)
}
/// Index of PDP `n`'s lower half.
pub const fn pdp_ldw(n: usize) -> usize {
    pdp_udw(n) + 2
}
/// Third LRI header.
pub const LRI_HEADER_2: usize = 0x41;
/// R_PWR_CLK_STATE (RCS).
pub const R_PWR_CLK_STATE: usize = 0x42;
/// BCS_SWCTRL (all engines but render).
pub const XCS_SWCTRL: usize = 0x42;
/// EXCC (all engines but render).
pub const XCS_EXCC: usize = 0x44;
/// First dword after the documented state of a non-render image.
pub const XCS_END: usize = 0x46;
/// MI_MODE pair (RCS): i915 rewrites its value dword 0x59.
pub const RCS_MI_MODE: usize = 0x58;
/// BB_OFFSET pair (RCS): i915 zeroes its value dword 0xc5.
pub const RCS_BB_OFFSET: usize = 0xc4;
/// GPR0 pair (RCS).
pub const RCS_GPR0: usize = 0xd8;

/// First LRI header of a render image: 14 registers, force posted.
pub const RCS_LRI_0: u32 = 0x1100_101b;
/// Second LRI header of a render image: 9 registers.
pub const RCS_LRI_1: u32 = 0x1100_1011;
/// Third LRI header of a render image: 1 register.
pub const RCS_LRI_2: u32 = 0x1100_0001;
/// First LRI header of the other images: 11 registers.
pub const XCS_LRI_0: u32 = 0x1100_0015;
/// Second LRI header of the other images: 9 registers.
pub const XCS_LRI_1: u32 = 0x1100_0011;
/// Third LRI header of the other images: 2 registers.
pub const XCS_LRI_2: u32 = 0x1100_0003;

/// The headers of the three register lists: dword index and command.
pub const fn headers(render: bool) -> [(usize, u32); 3] {
    let [first, second, third] = match render {
        true => [RCS_LRI_0, RCS_LRI_1, RCS_LRI_2],
        false => [XCS_LRI_0, XCS_LRI_1, XCS_LRI_2],
    };
    [(LRI_HEADER_0, first), (LRI_HEADER_1, second), (LRI_HEADER_2, third)]
}

/// The registers of the three lists: dword index of the register's offset, and that offset from the
/// engine's base.
pub const fn registers(render: bool) -> &'static [(usize, u32)] {
    const COMMON: [(usize, u32); 20] = [
        (CONTEXT_CONTROL, reg::CONTEXT_CONTROL),
        (RING_HEAD, reg::HEAD),
        (RING_TAIL, reg::TAIL),
        (RING_START, reg::START),
        (RING_CTL, reg::CTL),
        (BB_ADDR_UDW, reg::BBADDR_UDW),
        (BB_ADDR, reg::BBADDR),
        (BB_STATE, reg::BBSTATE),
        (SBB_ADDR_UDW, reg::SBBADDR_UDW),
        (SBB_ADDR, reg::SBBADDR),
        (SBB_STATE, reg::SBBSTATE),
        (CTX_TIMESTAMP, reg::CTX_TIMESTAMP),
        (pdp_udw(3), reg::PDP0_UDW + 24),
        (pdp_ldw(3), reg::PDP0_LDW + 24),
        (pdp_udw(2), reg::PDP0_UDW + 16),
        (pdp_ldw(2), reg::PDP0_LDW + 16),
        (pdp_udw(1), reg::PDP0_UDW + 8),
        (pdp_ldw(1), reg::PDP0_LDW + 8),
        (pdp_udw(0), reg::PDP0_UDW),
        (pdp_ldw(0), reg::PDP0_LDW),
    ];
    const RENDER: [(usize, u32); 24] = {
        let mut list = [(0, 0); 24];
        let mut n = 0;
        while n < COMMON.len() {
            list[n] = COMMON[n];
            n += 1;
        }
        list[20] = (BB_PER_CTX_PTR, reg::BB_PER_CTX_PTR);
        list[21] = (INDIRECT_CTX, reg::INDIRECT_CTX);
        list[22] = (INDIRECT_CTX_OFFSET, reg::INDIRECT_CTX_OFFSET);
        list[23] = (R_PWR_CLK_STATE, reg::R_PWR_CLK_STATE);
        list
    };
    const OTHER: [(usize, u32); 22] = {
        let mut list = [(0, 0); 22];
        let mut n = 0;
        while n < COMMON.len() {
            list[n] = COMMON[n];
            n += 1;
        }
        list[20] = (XCS_SWCTRL, reg::BCS_SWCTRL);
        list[21] = (XCS_EXCC, reg::EXCC);
        list
    };
    if render { &RENDER } else { &OTHER }
}

/// CONTEXT_CONTROL bits (masked register; as in the image's value dword).
pub mod control {
    /// Do not restore engine state: it starts from reset values.
    pub const RESTORE_INHIBIT: u32 = 1 << 0;
    /// Resource streamer.
    pub const RS_ENABLE: u32 = 1 << 1;
    /// Do not save engine state.
    pub const SAVE_INHIBIT: u32 = 1 << 2;
    /// Inhibit synchronous context switch.
    pub const INHIBIT_SYNC_SWITCH: u32 = 1 << 3;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pdp_places_match_i915() {
        assert_eq!((pdp_udw(3), pdp_ldw(3)), (0x24, 0x26));
        assert_eq!((pdp_udw(0), pdp_ldw(0)), (0x30, 0x32));
    }
}
