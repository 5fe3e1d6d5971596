//! What a check is: a rule, what it says, where it is from, how bad it is to break it.

use core::fmt;

use gpu_model::GuestRule;
use serde::{Deserialize, Serialize};

use crate::Severity;

/// The part of the hardware that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Block {
    /// The function's BARs and its registers as such.
    Accesses,
    /// Keeping the render power well awake.
    Forcewake,
    /// Ring registers.
    Rings,
    /// The submit port and its lists.
    Execlists,
    /// Context images in memory.
    ContextImages,
    /// The context status buffer and the status page.
    StatusBuffer,
    /// Interrupt banks.
    Interrupts,
    /// The global GTT.
    Ggtt,
    /// Address spaces of contexts.
    Ppgtt,
    /// Commands in rings and batches.
    Commands,
    /// Resets.
    Resets,
    /// Fence registers.
    Fences,
    /// Pipes and planes.
    Display,
    /// The debug page, which hardware lacks.
    DebugPage,
}

impl Block {
    /// All blocks, in the order of the table.
    pub const ALL: [Block; 14] = [
        Block::Accesses,
        Block::Forcewake,
        Block::Rings,
        Block::Execlists,
        Block::ContextImages,
        Block::StatusBuffer,
        Block::Interrupts,
        Block::Ggtt,
        Block::Ppgtt,
        Block::Commands,
        Block::Resets,
        Block::Fences,
        Block::Display,
        Block::DebugPage,
    ];

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Block::Accesses => "accesses",
            Block::Forcewake => "forcewake",
            Block::Rings => "rings",
            Block::Execlists => "execlists",
            Block::ContextImages => "context images",
            Block::StatusBuffer => "status buffer",
            Block::Interrupts => "interrupts",
            Block::Ggtt => "GGTT",
            Block::Ppgtt => "PPGTT",
            Block::Commands => "commands",
            Block::Resets => "resets",
            Block::Fences => "fences",
            Block::Display => "display",
            Block::DebugPage => "debug page",
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A rule that the device does not judge itself: its observer does, from other events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObservedRule {
    /// A register that no block knows was accessed. Detail: offset in BAR0.
    UnknownRegister,
    /// A batch wrote a register that it may not write. Detail: offset in BAR0.
    RegisterInUserBatch,
    /// A command could not be decoded. Detail: its header.
    CommandUnknown,
    /// A GGTT address was used that maps no memory. Detail: the address.
    GgttFault,
    /// A PPGTT address was used that maps no memory. Detail: the address.
    PpgttFault,
    /// A plane shows what no memory holds. Detail: the GGTT address.
    PlaneFault,
    /// A page of an image was freed while its context was loaded. Detail: the page.
    ContextFreedWhileLoaded,
    /// A context was saved to another page than it was loaded from. Detail: the page.
    ContextSavedElsewhere,
    /// A user interrupt was raised before the seqno was written. Detail: context id.
    InterruptBeforeSeqno,
    /// A context completed before the seqno was written. Detail: context id.
    CompleteBeforeSeqno,
    /// Interrupts were cleared that software had not seen. Detail: register.
    IirClearedUnread,
    /// A context was submitted behind GGTT entries that were not flushed. Detail: GGTT address.
    GgttNotFlushed,
}

impl ObservedRule {
    /// Name of the rule in reports: it says what was wrong.
    pub const fn id(self) -> &'static str {
        match self {
            ObservedRule::UnknownRegister => "unknown-register",
            ObservedRule::RegisterInUserBatch => "register-in-user-batch",
            ObservedRule::CommandUnknown => "command-unknown",
            ObservedRule::GgttFault => "ggtt-fault",
            ObservedRule::PpgttFault => "ppgtt-fault",
            ObservedRule::PlaneFault => "plane-fault",
            ObservedRule::ContextFreedWhileLoaded => "context-freed-while-loaded",
            ObservedRule::ContextSavedElsewhere => "context-saved-elsewhere",
            ObservedRule::InterruptBeforeSeqno => "interrupt-before-seqno",
            ObservedRule::CompleteBeforeSeqno => "complete-before-seqno",
            ObservedRule::IirClearedUnread => "iir-cleared-unread",
            ObservedRule::GgttNotFlushed => "ggtt-not-flushed",
        }
    }
}

/// A rule of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The device tells when it is broken.
    Device(GuestRule),
    /// The observer finds out.
    Observed(ObservedRule),
}

impl Rule {
    /// Its name.
    pub const fn id(self) -> &'static str {
        match self {
            Rule::Device(rule) => rule.id(),
            Rule::Observed(rule) => rule.id(),
        }
    }

    /// Whether its hits tell the offset of a register in BAR0.
    pub(super) const fn names_register(self) -> bool {
        matches!(
            self,
            Rule::Device(
                GuestRule::AccessWithoutForcewake
                    | GuestRule::ReadOnlyRegisterWritten
                    | GuestRule::MaskedBitBeyondMask
                    | GuestRule::IirPendingAtEnable
                    | GuestRule::IirClearedWithMasterOn
                    | GuestRule::FenceChangedWhileValid
                    | GuestRule::FenceEmpty
                    | GuestRule::PatNotProgrammed
            ) | Rule::Observed(
                ObservedRule::UnknownRegister
                    | ObservedRule::RegisterInUserBatch
                    | ObservedRule::IirClearedUnread
            )
        )
    }
}

impl From<GuestRule> for Rule {
    fn from(rule: GuestRule) -> Rule {
        Rule::Device(rule)
    }
}

impl From<ObservedRule> for Rule {
    fn from(rule: ObservedRule) -> Rule {
        Rule::Observed(rule)
    }
}

/// An entry of the table.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The rule.
    pub rule: Rule,
    /// The part of the hardware that it is about.
    pub block: Block,
    /// How bad it is to break it.
    pub severity: Severity,
    /// What happened when it was broken, as one sentence.
    pub what: &'static str,
    /// Where the rule is from: a volume of the PRM and what it describes there, or a file of Linux 6.1
    /// (below `drivers/gpu/drm/i915`, if it says no more) and the function.
    pub source: &'static str,
    /// The event that shows it.
    pub event: &'static str,
}

/// An entry for a rule that the device judges.
pub(super) const fn told(
    rule: GuestRule,
    block: Block,
    severity: Severity,
    what: &'static str,
    source: &'static str,
) -> Check {
    Check { rule: Rule::Device(rule), block, severity, what, source, event: "GuestError" }
}

/// An entry for a rule that the observer judges by `event`.
pub(super) const fn seen(
    rule: ObservedRule,
    block: Block,
    severity: Severity,
    what: &'static str,
    source: &'static str,
    event: &'static str,
) -> Check {
    Check { rule: Rule::Observed(rule), block, severity, what, source, event }
}
