//! What is left over: a row a scenario, a column a policy.

use driver::Policy;

use super::{Excess, column, pages_of_vm};
use crate::case::{Case, Levels, SubmissionMode, engine_holds_last_context};
use crate::id::ScenarioId;
use crate::programs::churn::Survivors;
use crate::run::Options;

/// One cell: how many address spaces and VMAs are left over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Address spaces.
    pub(super) vms: i64,
    /// VMAs in them and in address spaces that were there before.
    pub(super) vmas: i64,
    /// Whether something was ever bound in the address spaces left over.
    pub(super) touched: bool,
}

impl Cell {
    /// With the page-table pages that belong to it.
    pub(super) fn excess(self, levels: Levels) -> Excess {
        let pages = self.vms * pages_of_vm(levels, self.touched);
        Excess { vms: self.vms, vmas: self.vmas, pages }
    }
}

/// The expectation of one case.
pub(super) struct Row {
    /// After settling.
    pub(super) after: Cell,
    /// In the middle, where that is decided.
    pub(super) during: Option<Cell>,
    /// Of the VMAs of `during`, those that only the device sees.
    pub(super) unbooked_during: u32,
    /// Why.
    pub(super) note: &'static str,
}

/// Nothing is left over.
const OK: Cell = left(0, 0);
/// One address space with one bound VMA.
const LEAK: Cell = left(1, 1);
/// One VMA in an address space that lives anyway.
const VMA: Cell = left(0, 1);
/// One address space with one VMA that was never bound.
const BARE: Cell = Cell { vms: 1, vmas: 1, touched: false };

/// So many address spaces and VMAs.
const fn left(vms: i64, vmas: i64) -> Cell {
    Cell { vms, vmas, touched: true }
}

type Cells = [Cell; Policy::ALL.len()];

/// Only policy `None` leaks: there was an inactive VMA, which every cleanup finds.
const fn only_none(cell: Cell) -> Cells {
    [cell, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK]
}

/// Nothing happens before the context dies, until handles have a close hook (4.9).
const UNTIL_CLOSE_HOOK: Cells = [VMA, VMA, VMA, VMA, VMA, VMA, VMA, OK, OK, OK, OK];

/// The expectation of `case`; the options' seed decides the churn.
pub(super) fn row(case: &Case, options: &Options) -> Row {
    let legacy = case.submission == SubmissionMode::Legacy;
    //  none  vendor v1  v2    v3    v4    v4r   4.9 4.14 4.18 6.1
    let (after, during, note): (Cells, Option<Cell>, &'static str) = match case.scenario {
        ScenarioId::FlinkAndExit
        | ScenarioId::FlinkAndExitNoClose
        | ScenarioId::CtxDestroyOwnObject
        | ScenarioId::VaReuseAfterClean
        | ScenarioId::Prime => (only_none(LEAK), Some(LEAK), ""),
        ScenarioId::XserverRestart => {
            let restarts = i64::from(options.restarts);
            let during = match case.policy {
                Policy::None => left(restarts, restarts),
                _ => LEAK,
            };
            (only_none(left(restarts, restarts)), Some(during), PINNED)
        }
        ScenarioId::FlinkAndClose => (UNTIL_CLOSE_HOOK, Some(VMA), HANDLE_CLOSE),
        ScenarioId::TwoHandlesOneFile => (UNTIL_CLOSE_HOOK, Some(VMA), TWO_HANDLES),
        ScenarioId::BusyElsewhere => (only_none(LEAK), Some(LEAK), WAITS_IN_DESTRUCTOR),
        ScenarioId::BusyElsewhereV2 => (only_none(left(2, 2)), None, WAITS_IN_DESTRUCTOR),
        ScenarioId::ResetDuringCleanup => {
            // v1's hook unbinds what its destructor could not, once the reset has retired the hung
            // request.
            ([LEAK, LEAK, OK, LEAK, OK, OK, OK, OK, OK, OK, OK], None, RESET)
        }
        ScenarioId::RetireVmaNotInactive => {
            ([LEAK, OK, OK, LEAK, LEAK, LEAK, LEAK, OK, OK, OK, OK], Some(LEAK), STUCK_ACTIVE)
        }
        ScenarioId::SharedInNVms => {
            let (all, stuck, first) = (left(7, 7), left(3, 3), LEAK);
            let cells = [all, OK, OK, first, stuck, stuck, stuck, OK, OK, OK, OK];
            (cells, Some(all), SHARED)
        }
        ScenarioId::LastRefInRetire => {
            // Two objects were bound: the semaphore's and the batch; the batch is retired last.
            let both = left(1, 2);
            let cells = match legacy {
                true => [both, OK, OK, LEAK, LEAK, LEAK, LEAK, OK, OK, OK, OK],
                false => only_none(both),
            };
            (cells, Some(both), LAST_REFERENCE)
        }
        ScenarioId::UnboundVma => {
            ([BARE, OK, BARE, BARE, BARE, BARE, BARE, OK, OK, OK, OK], Some(BARE), NEVER_BOUND)
        }
        ScenarioId::Recursion => ([OK; 11], None, RECURSION),
        ScenarioId::NoVmContext => ([OK; 11], Some(OK), ""),
        ScenarioId::LiveRootFree => ([OK; 11], Some(LEAK), LIVE_ROOT),
        ScenarioId::ShrinkerRescue | ScenarioId::ExporterFrees => {
            let during = if case.policy == Policy::None { LEAK } else { OK };
            ([OK; 11], Some(during), "")
        }
        ScenarioId::EngineHoldsLastCtx => {
            (only_none(LEAK), Some(held_by_engine(case.policy, legacy)), LAST_CONTEXT)
        }
        ScenarioId::DeadVmEviction => (only_none(LEAK), Some(LEAK), EVICTION),
        ScenarioId::Planted(_) => ([OK; Policy::ALL.len()], None, ""),
        ScenarioId::AndroidChurn => {
            let (vms, vmas) = Survivors::of(options.seed);
            (only_none(left(vms, vmas)), None, CHURN)
        }
    };
    let unbooked = case.scenario == ScenarioId::EngineHoldsLastCtx && leaves_ptes(case.policy);
    Row { after: after[column(case.policy)], during, unbooked_during: u32::from(unbooked), note }
}

/// O, before the engine runs anything else.
fn held_by_engine(policy: Policy, legacy: bool) -> Cell {
    match policy {
        // The context is held, so nobody cleaned; or, with nobody to clean, it makes no difference.
        Policy::None => LEAK,
        // Closing the context has destroyed the VMA, but not its PTEs; the engine's context still
        // holds the address space.
        Policy::CloseTracking49 | Policy::LutOpenCount414 | Policy::LazyClose418 => LEAK,
        // Parking switches the engines to the kernel's context.
        Policy::VmWeak61 => OK,
        _ if legacy || engine_holds_last_context(policy) => LEAK,
        _ => OK,
    }
}

/// Unbinding in a closed address space skips the PTEs, as the tables are about to die (4.9). While
/// an engine holds the context they live on, and the device sees the object mapped without a VMA.
pub(super) const fn leaves_ptes(policy: Policy) -> bool {
    matches!(policy, Policy::CloseTracking49 | Policy::LutOpenCount414 | Policy::LazyClose418)
}

const PINNED: &str = "the frame buffer is pinned for scan-out and never freed; the shrinker stops \
    at its GGTT VMA, so nothing ever rescues the address spaces";
const HANDLE_CLOSE: &str = "until 4.9 the driver hears nothing of a handle close (fd.o 87729): the \
    VMA stays as long as its context, also under the merged fix";
const TWO_HANDLES: &str = "until 4.9 a handle close does nothing. Spec vma-cleanup §5 P says that \
    4.14's open count keeps the VMA until both handles are closed; but the count is taken when an \
    execbuffer looks a handle up, so closing the only handle that was ever used closes the VMA. It \
    is kept once both were used, and that is checked here as well";
const WAITS_IN_DESTRUCTOR: &str = "the object is idle in the dying context and busy in another: a \
    destructor that waits for the object sleeps with struct_mutex held, and whoever would release \
    the other context needs it; the model then lets the release happen, so the VMA is gone after";
const RESET: &str = "a wait in a destructor ends with an error when a reset begins, and a \
    destructor cannot try again: v2 warns and leaks, the vendor's variant leaks in silence; v1 \
    warns too, but its retire hook gets the VMA after the reset";
const STUCK_ACTIVE: &str = "hole h1: activity is per object, so the quick context's VMA stays on \
    the active list while the object is busy elsewhere, and a walk of the inactive list misses it. \
    v1 gets it by its hook once the object is idle, the vendor's list has all VMAs (and waits)";
const SHARED: &str = "hole h1: the three VMAs that joined while the object was busy elsewhere are \
    stuck on the active list. v2 waits at the second death (the first that finds an inactive VMA), \
    after which all are inactive: only the first to die leaks";
const LAST_REFERENCE: &str = "hole h2: with legacy rings the last context reference is dropped by \
    the retirement of the last object, before its VMA is moved to the inactive list. With execlists \
    the queue's request reference postpones the context's end";
const NEVER_BOUND: &str = "hole h3: a VMA that was made and never bound is on no list of its \
    address space. The vendor's list has it, and 4.9 has a list for it";
const RECURSION: &str = "the shrinker reaches every unpinned object, so nothing is left over under \
    any policy. v1's hook unbinds the very VMA whose unbinding waits";
const LIVE_ROOT: &str = "hole h5: with legacy rings the context is given up when the switch away \
    from it is put on the ring, and its tables are freed before the engine gets there. With \
    execlists the queue holds the request until the context has left the engine";
const LAST_CONTEXT: &str = "the engine's reference on its last context is no leak: it goes away \
    with the next context that runs there. From 4.9 to 4.18 the VMA is gone before, without its PTEs: \
    in a closed address space they are left to die with the tables, so the object stays mapped until \
    then (StalePte)";
const EVICTION: &str = "eviction looks only at the address space that needs room; nobody binds in \
    a dead one";
const CHURN: &str = "policy none: a dead address space lives as long as an object that was bound \
    in it; counted by the scenario's own model from the same script";
