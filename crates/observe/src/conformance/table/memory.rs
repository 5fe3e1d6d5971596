//! Interrupts, GGTT and PPGTT.

use gpu_model::GuestRule;

use super::super::check::{Block, Check, ObservedRule, seen, told};
use crate::Severity::{Error, Warning};

pub(super) const CHECKS: &[Check] = &[
    told(
        GuestRule::IirPendingAtEnable,
        Block::Interrupts,
        Warning,
        "Interrupts were enabled in IER whose bits in IIR were set already.",
        "i915_irq.c: gen3_assert_iir_is_zero (\"Interrupt register is not zero\")",
    ),
    told(
        GuestRule::IirClearedWithMasterOn,
        Block::Interrupts,
        Warning,
        "Pending interrupts were cleared while the master control was enabled: another one may come between.",
        "i915_irq.c: gen8_irq_handler (gen8_master_intr_disable comes first)",
    ),
    seen(
        ObservedRule::IirClearedUnread,
        Block::Interrupts,
        Warning,
        "Enabled interrupts were cleared in IIR that the last read of it had not shown: they are lost.",
        "gt/intel_gt_irq.c: gen8_gt_irq_handler (writes back what it read)",
        "RegisterRead, RegisterWritten",
    ),
    seen(
        ObservedRule::GgttFault,
        Block::Ggtt,
        Error,
        "A GGTT address was used whose PTE is not present, or maps no memory.",
        "PRM volume 2c, fault registers; gt/intel_gt.c: gen8_check_faults (\"Unexpected fault\")",
        "Fault",
    ),
    told(
        GuestRule::GgttPteOutsideRam,
        Block::Ggtt,
        Error,
        "A GGTT entry was written that maps no memory.",
        "gt/intel_ggtt.c: gen8_ggtt_insert_entries (pages of an object, or the scratch page)",
    ),
    told(
        GuestRule::GgttPteReserved,
        Block::Ggtt,
        Error,
        "A GGTT entry was written with bits above the 39 of a physical address.",
        "PRM volume 5, GGTT PTE; i915_pci.c: .dma_mask_size = 39",
    ),
    seen(
        ObservedRule::GgttNotFlushed,
        Block::Ggtt,
        Error,
        "A context was submitted whose image lies behind a GGTT entry that was written and not flushed (GFX_FLSH_CNTL).",
        "gt/intel_ggtt.c: gen8_ggtt_insert_entries (flushes behind all entries), gen6_ggtt_invalidate (GFX_FLSH_CNTL_EN)",
        "GgttWritten, RegisterWritten, Submitted",
    ),
    seen(
        ObservedRule::PpgttFault,
        Block::Ppgtt,
        Error,
        "A PPGTT address was used that has no mapping, or maps no memory.",
        "gt/gen8_ppgtt.c: gen8_init_scratch (all of an address space leads to the scratch page)",
        "Fault",
    ),
    told(
        GuestRule::PteReserved,
        Block::Ppgtt,
        Error,
        "A PPGTT entry had bits above the 39 of a physical address.",
        "PRM volume 5, PTE; i915_pci.c: .dma_mask_size = 39 of gen8",
    ),
    told(
        GuestRule::PatNotProgrammed,
        Block::Ppgtt,
        Warning,
        "A context with a PPGTT was loaded while the PAT held nothing: all that it maps is uncached.",
        "gt/intel_gtt.c: bdw_setup_private_ppat",
    ),
];
