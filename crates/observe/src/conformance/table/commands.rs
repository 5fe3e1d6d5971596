//! Commands, resets, fences, display, and the debug page.

use gpu_model::GuestRule;

use super::super::check::{Block, Check, ObservedRule, seen, told};
use crate::Severity::{Error, Warning};

/// What the PRM has to say of commands that need privilege.
const PRIVILEGE: &str = "PRM volume 2a, \"User Mode Privileged Commands\"";

pub(super) const CHECKS: &[Check] = &[
    seen(
        ObservedRule::CommandUnknown,
        Block::Commands,
        Error,
        "A command could not be decoded, or was wrong in itself: the engine stands.",
        "PRM volume 2c, EIR (instruction error); PRM volume 2a, command headers",
        "InstructionError",
    ),
    seen(
        ObservedRule::RegisterInUserBatch,
        Block::Commands,
        Error,
        "A batch without privilege wrote a register that it may not write: the write is dropped.",
        PRIVILEGE,
        "PrivilegeViolation",
    ),
    told(
        GuestRule::BatchThirdLevel,
        Block::Commands,
        Error,
        "A second-level batch started another level.",
        "PRM volume 2a, MI_BATCH_BUFFER_START (second level batch buffer)",
    ),
    told(
        GuestRule::BatchEndInRing,
        Block::Commands,
        Warning,
        "MI_BATCH_BUFFER_END stood in a ring, where it ends nothing.",
        "PRM volume 2a, MI_BATCH_BUFFER_END",
    ),
    told(
        GuestRule::SetContextWrongEngine,
        Block::Commands,
        Error,
        "MI_SET_CONTEXT was given to an engine that is not the render engine.",
        "PRM volume 2a, MI_SET_CONTEXT; gt/intel_ring_submission.c: switch_context",
    ),
    told(
        GuestRule::SetContextWithExeclists,
        Block::Commands,
        Error,
        "MI_SET_CONTEXT was given to an engine in execlists mode.",
        "PRM volume 2a, MI_SET_CONTEXT",
    ),
    told(
        GuestRule::SetContextInUserBatch,
        Block::Commands,
        Error,
        "MI_SET_CONTEXT stood in a batch without privilege.",
        PRIVILEGE,
    ),
    told(
        GuestRule::FlushDwTlbWithoutPostSync,
        Block::Commands,
        Error,
        "MI_FLUSH_DW was to invalidate the TLB without a post-sync operation: it does not.",
        "gt/gen6_engine_cs.c: gen6_emit_flush_xcs (cites \"Bspec vol 1c.5 - video engine command streamer\")",
    ),
    told(
        GuestRule::PipeControlTlbWithoutStall,
        Block::Commands,
        Error,
        "PIPE_CONTROL was to invalidate the TLB without stalling the command streamer: it does not.",
        "PRM volume 2a, PIPE_CONTROL (TLB Invalidate); i915 does so: gt/gen8_engine_cs.c, gen8_emit_flush_rcs",
    ),
    told(
        GuestRule::AtomicSizeMismatch,
        Block::Commands,
        Warning,
        "MI_ATOMIC's operation names another size than its data has.",
        "PRM volume 2a, MI_ATOMIC",
    ),
    told(
        GuestRule::GgttInUserBatch,
        Block::Commands,
        Error,
        "A command in a batch without privilege asked for the GGTT: it has no effect.",
        PRIVILEGE,
    ),
    told(
        GuestRule::SignalToNoEngine,
        Block::Commands,
        Warning,
        "MI_SEMAPHORE_SIGNAL named an engine that there is not.",
        "PRM volume 2a, MI_SEMAPHORE_SIGNAL",
    ),
    told(
        GuestRule::ArbOnOffInUserBatch,
        Block::Commands,
        Error,
        "MI_ARB_ON_OFF stood in a batch without privilege: it has no effect.",
        PRIVILEGE,
    ),
    told(
        GuestRule::StoreIndexInUserBatch,
        Block::Commands,
        Error,
        "MI_STORE_DATA_INDEX stood in a batch without privilege: it has no effect.",
        PRIVILEGE,
    ),
    told(
        GuestRule::UpdateGttInUserBatch,
        Block::Commands,
        Error,
        "MI_UPDATE_GTT stood in a batch without privilege: it has no effect.",
        PRIVILEGE,
    ),
    told(
        GuestRule::ResetWithoutRequest,
        Block::Resets,
        Error,
        "An engine with work was reset that had not said that it is ready for it.",
        "gt/intel_reset.c: gen8_engine_reset_prepare (RESET_CTL_REQUEST_RESET, RESET_CTL_READY_TO_RESET)",
    ),
    told(
        GuestRule::FenceChangedWhileValid,
        Block::Fences,
        Error,
        "A fence was changed while it was valid: for a moment, half of it is new.",
        "gt/intel_ggtt_fencing.c: i965_write_fence_reg (turns the fence off first)",
    ),
    told(
        GuestRule::FenceEmpty,
        Block::Fences,
        Error,
        "A fence was made valid that ends before it begins.",
        "gt/intel_ggtt_fencing.c: i965_write_fence_reg",
    ),
    seen(
        ObservedRule::PlaneFault,
        Block::Display,
        Error,
        "A plane took effect that shows what no memory holds, or what hardware cannot fetch.",
        "i915_irq.c: gen8_de_irq_handler (\"Fault errors on pipe\")",
        "PlaneFault",
    ),
    told(
        GuestRule::DebugPageUnknownHint,
        Block::DebugPage,
        Error,
        "The debug page was given a hint that it does not know.",
        "gen8-spec, debug_page.rs (hardware has no debug page)",
    ),
];
