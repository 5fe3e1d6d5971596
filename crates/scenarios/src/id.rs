//! The scenarios by name.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use driver::Bug;

/// A regression scenario (spec vma-cleanup §5; the letters are the spec's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScenarioId {
    /// A: export by flink, import, execute, close the importer (IGT `flink-and-exit-vma-leak`).
    FlinkAndExit,
    /// B: as A, but the importer exits without closing its handle.
    FlinkAndExitNoClose,
    /// C: ten runs of an X server against the console's pinned frame buffer.
    XserverRestart,
    /// D: import, execute, close the handle; the context lives on (IGT `flink-and-close-vma-leak`).
    FlinkAndClose,
    /// E: a context of the object's own file is destroyed; the object stays.
    CtxDestroyOwnObject,
    /// F: the object is idle in the dying context and busy in another one.
    BusyElsewhere,
    /// F2: as F, with both ways to release the other context: without and with the lock.
    BusyElsewhereV2,
    /// G: a quick context dies while a slow one still reads the object (IGT `gem_request_retire`).
    RetireVmaNotInactive,
    /// H: the shrinker unbinds, waiting, a VMA of a dead context.
    Recursion,
    /// I: the last context reference goes away inside the retirement of an object.
    LastRefInRetire,
    /// J: a failed execbuffer leaves a VMA that was never bound.
    UnboundVma,
    /// K: no PPGTT, or one aliasing PPGTT: contexts have no address space of their own.
    NoVmContext,
    /// L: A, then the shrinker drops bound objects.
    ShrinkerRescue,
    /// N: A, then the exporter frees the object.
    ExporterFrees,
    /// O: A without the unrelated batch: the engine still holds the last context.
    EngineHoldsLastCtx,
    /// P: one file has two handles to one object and closes the first.
    TwoHandlesOneFile,
    /// Q: F with a hung context and hang detection on.
    ResetDuringCleanup,
    /// R: an address space dies while an engine still has its roots loaded.
    LiveRootFree,
    /// S: one object bound in eight contexts, seven die while the eighth is busy.
    SharedInNVms,
    /// T: A, then another client reuses the virtual address and the data is checked.
    VaReuseAfterClean,
    /// U: A, then eviction runs in another address space.
    DeadVmEviction,
    /// V: A through a dma-buf in place of a flink name.
    Prime,
    /// Many clients, many shared buffers, random lifetimes, from a seed.
    AndroidChurn,
    /// Not of the table: makes a bug of the real driver bite (§8). Needs the case of its bug
    /// ([`planted_case`](crate::planted_case)), and is run by its bug's name.
    Planted(Bug),
}

impl ScenarioId {
    /// Every scenario of the table, in the order of the spec's table.
    pub const ALL: [ScenarioId; 23] = [
        ScenarioId::FlinkAndExit,
        ScenarioId::FlinkAndExitNoClose,
        ScenarioId::XserverRestart,
        ScenarioId::FlinkAndClose,
        ScenarioId::CtxDestroyOwnObject,
        ScenarioId::BusyElsewhere,
        ScenarioId::BusyElsewhereV2,
        ScenarioId::RetireVmaNotInactive,
        ScenarioId::Recursion,
        ScenarioId::LastRefInRetire,
        ScenarioId::UnboundVma,
        ScenarioId::NoVmContext,
        ScenarioId::ShrinkerRescue,
        ScenarioId::ExporterFrees,
        ScenarioId::EngineHoldsLastCtx,
        ScenarioId::TwoHandlesOneFile,
        ScenarioId::ResetDuringCleanup,
        ScenarioId::LiveRootFree,
        ScenarioId::SharedInNVms,
        ScenarioId::VaReuseAfterClean,
        ScenarioId::DeadVmEviction,
        ScenarioId::Prime,
        ScenarioId::AndroidChurn,
    ];

    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            ScenarioId::FlinkAndExit => "flink-and-exit",
            ScenarioId::FlinkAndExitNoClose => "flink-and-exit-no-close",
            ScenarioId::XserverRestart => "xserver-restart",
            ScenarioId::FlinkAndClose => "flink-and-close",
            ScenarioId::CtxDestroyOwnObject => "ctx-destroy-own-object",
            ScenarioId::BusyElsewhere => "busy-elsewhere",
            ScenarioId::BusyElsewhereV2 => "busy-elsewhere-v2",
            ScenarioId::RetireVmaNotInactive => "retire-vma-not-inactive",
            ScenarioId::Recursion => "recursion",
            ScenarioId::LastRefInRetire => "last-ref-in-retire",
            ScenarioId::UnboundVma => "unbound-vma",
            ScenarioId::NoVmContext => "no-vm-context",
            ScenarioId::ShrinkerRescue => "shrinker-rescue",
            ScenarioId::ExporterFrees => "exporter-frees",
            ScenarioId::EngineHoldsLastCtx => "engine-holds-last-ctx",
            ScenarioId::TwoHandlesOneFile => "two-handles-one-file",
            ScenarioId::ResetDuringCleanup => "reset-during-cleanup",
            ScenarioId::LiveRootFree => "live-root-free",
            ScenarioId::SharedInNVms => "shared-in-n-vms",
            ScenarioId::VaReuseAfterClean => "va-reuse-after-clean",
            ScenarioId::DeadVmEviction => "dead-vm-eviction",
            ScenarioId::Prime => "prime",
            ScenarioId::AndroidChurn => "android-churn",
            ScenarioId::Planted(bug) => bug.name(),
        }
    }

    /// The spec's letter; the churn has none there and is called `W` here.
    pub const fn letter(self) -> &'static str {
        match self {
            ScenarioId::FlinkAndExit => "A",
            ScenarioId::FlinkAndExitNoClose => "B",
            ScenarioId::XserverRestart => "C",
            ScenarioId::FlinkAndClose => "D",
            ScenarioId::CtxDestroyOwnObject => "E",
            ScenarioId::BusyElsewhere => "F",
            ScenarioId::BusyElsewhereV2 => "F2",
            ScenarioId::RetireVmaNotInactive => "G",
            ScenarioId::Recursion => "H",
            ScenarioId::LastRefInRetire => "I",
            ScenarioId::UnboundVma => "J",
            ScenarioId::NoVmContext => "K",
            ScenarioId::ShrinkerRescue => "L",
            ScenarioId::ExporterFrees => "N",
            ScenarioId::EngineHoldsLastCtx => "O",
            ScenarioId::TwoHandlesOneFile => "P",
            ScenarioId::ResetDuringCleanup => "Q",
            ScenarioId::LiveRootFree => "R",
            ScenarioId::SharedInNVms => "S",
            ScenarioId::VaReuseAfterClean => "T",
            ScenarioId::DeadVmEviction => "U",
            ScenarioId::Prime => "V",
            ScenarioId::AndroidChurn => "W",
            ScenarioId::Planted(_) => "X",
        }
    }

    /// One line for a first-time reader: what the scenario does.
    pub const fn summary(self) -> &'static str {
        match self {
            ScenarioId::FlinkAndExit => {
                "one program shares a buffer by name; another uses it on the GPU and exits"
            }
            ScenarioId::FlinkAndExitNoClose => {
                "as flink-and-exit, but the importer exits without closing its handle"
            }
            ScenarioId::XserverRestart => {
                "an X server starts, draws from the console's frame buffer and exits, again and again"
            }
            ScenarioId::FlinkAndClose => {
                "the importer closes its handle but keeps its context; is the address free again?"
            }
            ScenarioId::CtxDestroyOwnObject => {
                "a program destroys a context and keeps the buffer that it used there"
            }
            ScenarioId::BusyElsewhere => {
                "a context dies; its buffer is idle there but busy in another context"
            }
            ScenarioId::BusyElsewhereV2 => {
                "as busy-elsewhere, the other context released first without, then with the lock"
            }
            ScenarioId::RetireVmaNotInactive => {
                "a quick context dies while a slow one on another engine still reads the buffer"
            }
            ScenarioId::Recursion => {
                "the shrinker unbinds a dead context's buffer that is busy on another engine"
            }
            ScenarioId::LastRefInRetire => {
                "a context's last reference is dropped while its last buffer is being retired"
            }
            ScenarioId::UnboundVma => {
                "an execbuffer fails after its VMA was made and before it was bound"
            }
            ScenarioId::NoVmContext => "contexts without an address space of their own",
            ScenarioId::ShrinkerRescue => "flink-and-exit, then memory pressure",
            ScenarioId::ExporterFrees => "flink-and-exit, then the exporter frees the buffer",
            ScenarioId::EngineHoldsLastCtx => {
                "flink-and-exit, and nobody else uses the engine for a while"
            }
            ScenarioId::TwoHandlesOneFile => {
                "one program opens the shared buffer twice and closes one handle"
            }
            ScenarioId::ResetDuringCleanup => {
                "busy-elsewhere, but the other context hangs and the GPU is reset"
            }
            ScenarioId::LiveRootFree => {
                "an address space is freed while an engine still has its root loaded"
            }
            ScenarioId::SharedInNVms => {
                "one buffer in eight contexts; seven die while the eighth is busy"
            }
            ScenarioId::VaReuseAfterClean => {
                "flink-and-exit, then the same address is used again and the data is checked"
            }
            ScenarioId::DeadVmEviction => {
                "flink-and-exit, then eviction runs in another address space"
            }
            ScenarioId::Prime => "flink-and-exit through a dma-buf in place of a name",
            ScenarioId::AndroidChurn => {
                "many programs, many shared buffers, random lifetimes from a seed"
            }
            ScenarioId::Planted(bug) => bug.story(),
        }
    }
}

impl fmt::Display for ScenarioId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scenario '{0}': expected one of {list} (or a letter A to W)", list = names())]
pub struct UnknownScenario(pub String);

fn names() -> String {
    let names: alloc::vec::Vec<&str> = ScenarioId::ALL.iter().map(|id| id.name()).collect();
    names.join(", ")
}

impl FromStr for ScenarioId {
    type Err = UnknownScenario;

    /// Takes a name or a letter of the spec's table, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownScenario> {
        ScenarioId::ALL
            .into_iter()
            .find(|id| {
                id.name().eq_ignore_ascii_case(text) || id.letter().eq_ignore_ascii_case(text)
            })
            .ok_or_else(|| UnknownScenario(text.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_letter_parses_back() {
        for id in ScenarioId::ALL {
            assert_eq!(id.name().parse(), Ok(id));
            assert_eq!(id.letter().to_ascii_lowercase().parse(), Ok(id));
        }
    }

    #[test]
    fn unknown_name_lists_the_valid_ones_in_one_line() {
        let message = "flunk".parse::<ScenarioId>().unwrap_err().to_string();
        assert!(!message.contains('\n'));
        for id in ScenarioId::ALL {
            assert!(message.contains(id.name()), "{message}");
        }
    }
}
