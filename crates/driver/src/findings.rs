//! What the driver noticed about itself: the lints, warnings and detectors of the lifetime rules.

use core::fmt;

/// Something that a correct driver does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A kernel `WARN_ON` fired.
    Warn(&'static str),
    /// A request was waited for with struct_mutex held, from within a reference's release
    /// (invariant I7), even if the wait ended.
    WaitUnderLockInDestructor {
        /// Driver-wide number of the request.
        request: u32,
    },
    /// Unbind was entered again for a VMA that is being unbound (invariant I6).
    RecursionDetected {
        /// Driver-wide number of the VMA.
        vma: u32,
        /// Depth of the second entry.
        depth: u32,
    },
    /// The GPU is quiescent, the awaited request is not complete, the waiter holds struct_mutex,
    /// and a pending CPU action that would help needs it.
    DeadlockDetected {
        /// What waits.
        waiter: &'static str,
        /// Driver-wide number of the awaited request.
        awaited: u32,
        /// Label of the action that cannot run.
        blocked_action: &'static str,
    },
    /// The GPU is quiescent with an incomplete request, and nobody is left who could help.
    HangDetected {
        /// Driver-wide number of the awaited request.
        request: u32,
    },
    /// An assertion of the kernel (`GEM_BUG_ON`) would have stopped it.
    Assertion(&'static str),
    /// The driver's books named a record that no longer exists.
    StaleReference(&'static str),
    /// The GPU was reset.
    Reset {
        /// Driver-wide number of the guilty context, 0 = none.
        guilty: u32,
    },
}

impl Finding {
    /// Stable name, as reports use it.
    pub const fn name(&self) -> &'static str {
        match self {
            Finding::Warn(_) => "Warn",
            Finding::WaitUnderLockInDestructor { .. } => "WaitUnderLockInDestructor",
            Finding::RecursionDetected { .. } => "RecursionDetected",
            Finding::DeadlockDetected { .. } => "DeadlockDetected",
            Finding::HangDetected { .. } => "HangDetected",
            Finding::Assertion(_) => "Assertion",
            Finding::StaleReference(_) => "StaleReference",
            Finding::Reset { .. } => "Reset",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Warn(text) => write!(f, "Warn: {text}"),
            Finding::WaitUnderLockInDestructor { request } => {
                write!(f, "WaitUnderLockInDestructor: request {request}")
            }
            Finding::RecursionDetected { vma, depth } => {
                write!(f, "RecursionDetected: vma {vma}, depth {depth}")
            }
            Finding::DeadlockDetected { waiter, awaited, blocked_action } => write!(
                f,
                "DeadlockDetected: {waiter} holds struct_mutex and waits for request {awaited}; \
                 {blocked_action} needs struct_mutex"
            ),
            Finding::HangDetected { request } => write!(f, "HangDetected: request {request}"),
            Finding::Assertion(text) => write!(f, "Assertion: {text}"),
            Finding::StaleReference(text) => write!(f, "StaleReference: {text}"),
            Finding::Reset { guilty } => write!(f, "Reset: guilty context {guilty}"),
        }
    }
}
