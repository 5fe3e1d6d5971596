//! Accesses as such, and forcewake.

use gpu_model::GuestRule;

use super::super::check::{Block, Check, ObservedRule, seen, told};
use crate::Severity::{Error, Note, Warning};

pub(super) const CHECKS: &[Check] = &[
    told(
        GuestRule::BarAccessOddSize,
        Block::Accesses,
        Error,
        "A BAR was accessed by another size than 1, 2, 4 or 8 bytes.",
        "intel_uncore.h: __raw_uncore_read and __raw_uncore_write exist for these sizes only",
    ),
    told(
        GuestRule::BarAccessBeyondBar,
        Block::Accesses,
        Error,
        "An access began in a BAR and ended beyond it.",
        "PCI Local Bus Specification 3.0, 6.2.5 Base Addresses",
    ),
    told(
        GuestRule::BarAccessUndecoded,
        Block::Accesses,
        Error,
        "A BAR was accessed while the function does not decode it: memory space is off, or it sleeps.",
        "PCI Local Bus Specification 3.0, 6.2.2 Device Control; PCI Power Management 1.2, 5.4 (D3hot)",
    ),
    told(
        GuestRule::ApertureWithoutBusMaster,
        Block::Accesses,
        Error,
        "Memory was accessed through the aperture while the function may not master the bus.",
        "PCI Local Bus Specification 3.0, 6.2.2 Device Control (bit 2)",
    ),
    seen(
        ObservedRule::UnknownRegister,
        Block::Accesses,
        Note,
        "A register was accessed that Broadwell has not, or that the model does not know.",
        "intel_uncore.c: fpga_check_for_unclaimed_mmio (\"Unclaimed register detected\")",
        "UnknownRegister",
    ),
    told(
        GuestRule::ReadOnlyRegisterWritten,
        Block::Accesses,
        Note,
        "A register was written that software can only read: the write is lost.",
        "PRM volume 2c, access of each register (read only)",
    ),
    told(
        GuestRule::MaskedBitBeyondMask,
        Block::Accesses,
        Error,
        "A masked register was written with bits that its mask, the upper half, leaves out: they are lost.",
        "i915_reg.h: _MASKED_FIELD",
    ),
    told(
        GuestRule::AccessWithoutForcewake,
        Block::Forcewake,
        Warning,
        "A GT register was accessed while nobody kept its power well awake: hardware may lose the access.",
        "intel_uncore.c: __gen6_reg_read_fw_domains, gen8_shadowed_regs",
    ),
];
