//! Interrupts, GGTT and PPGTT.

use super::super::check::{Block, Check, ObservedRule, seen};
use crate::Severity::Error;

pub(super) const CHECKS: &[Check] = &[
    seen(
        ObservedRule::GgttFault,
        Block::Ggtt,
        Error,
        "A GGTT address was used whose PTE is not present, or maps no memory.",
        "PRM volume 2c, fault registers; gt/intel_gt.c: gen8_check_faults (\"Unexpected fault\")",
        "Fault",
    ),
    seen(
        ObservedRule::PpgttFault,
        Block::Ppgtt,
        Error,
        "A PPGTT address was used that has no mapping, or maps no memory.",
        "gt/gen8_ppgtt.c: gen8_init_scratch (all of an address space leads to the scratch page)",
        "Fault",
    ),
];
