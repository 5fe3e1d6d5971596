//! Rings, execlists, context images, and what engines report of them.

use gpu_model::GuestRule;

use super::super::check::{Block, Check, told};
use crate::Severity::Error;

pub(super) const CHECKS: &[Check] = &[
    told(
        GuestRule::RingDisabled,
        Block::Rings,
        Error,
        "A context or a ring was to run whose RING_CTL does not say that the ring is valid.",
        "gt/intel_lrc.c: init_common_regs and lrc_update_regs (RING_CTL_SIZE and RING_VALID)",
    ),
    told(
        GuestRule::RingHeadBeyond,
        Block::Rings,
        Error,
        "RING_HEAD lay beyond the end of the ring.",
        "gt/intel_lrc.c: lrc_update_regs (intel_ring_offset_valid of head)",
    ),
    told(
        GuestRule::RingTailBeyond,
        Block::Rings,
        Error,
        "RING_TAIL lay beyond the end of the ring.",
        "gt/intel_ring.h: intel_ring_offset_valid, assert_ring_tail_valid",
    ),
    told(
        GuestRule::RingTailCutsCommand,
        Block::Rings,
        Error,
        "RING_TAIL lay inside a command: the parser waits for the rest of it.",
        "i915_request.c: __i915_request_commit writes whole requests (intel_ring_advance)",
    ),
    told(
        GuestRule::ElspWithoutExeclists,
        Block::Execlists,
        Error,
        "The submit port was written while the engine is in legacy ring mode.",
        "gt/intel_execlists_submission.c: enable_execlists (GFX_RUN_LIST_ENABLE)",
    ),
    told(
        GuestRule::ElspTwoPending,
        Block::Execlists,
        Error,
        "A list was submitted while another one was pending, which is lost.",
        "gt/intel_execlists_submission.c: execlists_submission_tasklet (dequeues only without pending[0])",
    ),
    told(
        GuestRule::ElspElement0Missing,
        Block::Execlists,
        Error,
        "A list was submitted whose first element is not valid.",
        "gt/intel_execlists_submission.c: assert_pending_valid (\"Nothing pending for promotion\")",
    ),
    told(
        GuestRule::ContextAddressingAdvanced,
        Block::ContextImages,
        Error,
        "A context asked for an advanced address mode, which needs page tables of another kind.",
        "gt/intel_lrc.c: lrc_descriptor (INTEL_LEGACY_32B_CONTEXT, INTEL_LEGACY_64B_CONTEXT)",
    ),
    told(
        GuestRule::ContextImageOutsideRam,
        Block::ContextImages,
        Error,
        "The image of a submitted context lay outside RAM, or could not be written.",
        "gt/intel_execlists_submission.c: assert_pending_valid (\"Unpinned context\")",
    ),
];
