//! What must be noticed, and what may be.

use alloc::vec::Vec;

use driver::Policy;

use super::Expected;
use super::table::Row;
use crate::case::{Case, SubmissionMode};
use crate::id::ScenarioId;

const WAIT: &str = "WaitUnderLockInDestructor";
const DEADLOCK: &str = "DeadlockDetected";
const RECURSION: &str = "RecursionDetected";
const WARN: &str = "Warn";
const RESET: &str = "Reset";
const ORPHAN_VM: &str = "OrphanVm";
const ORPHAN_MAPPING: &str = "OrphanMapping";
const STALE_PTE: &str = "StalePte";
const FREED_WHILE_LOADED: &str = "PtFreedWhileLoaded";

/// Fills in `required`, `raced` and `allowed`.
pub(super) fn fill(case: &Case, row: &Row, expected: &mut Expected) {
    expected.required.extend(from_the_device(case, row));
    expected.required.extend(from_the_driver(case));
    expected.raced.extend(raced(case));
    expected.allowed.extend(allowed(case));
    let (required, raced) = (&expected.required, &expected.raced);
    expected.allowed.retain(|name| !required.contains(name) && !raced.contains(name));
}

/// The census must see every leak that the table expects, and no other: an address space that no
/// context reaches, and what is still mapped there.
fn from_the_device(case: &Case, row: &Row) -> Vec<&'static str> {
    let in_the_middle = match case.scenario {
        ScenarioId::ShrinkerRescue | ScenarioId::ExporterFrees => row.during,
        // Nine of the ten.
        ScenarioId::XserverRestart if case.policy == Policy::None => row.during,
        _ => None,
    };
    let mut names = Vec::new();
    for cell in [Some(row.after), in_the_middle].into_iter().flatten() {
        if cell.vms > 0 {
            names.push(ORPHAN_VM);
            if cell.touched {
                names.push(ORPHAN_MAPPING);
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    if row.unbooked_during > 0 {
        names.push(STALE_PTE);
    }
    names
}

/// Hole h5: the driver frees the tables while the engine is on its way to the switch. Which of them
/// comes first is the machine's affair.
fn raced(case: &Case) -> Vec<&'static str> {
    match case.scenario {
        ScenarioId::LiveRootFree if drops_context_at_switch(case) => {
            Vec::from([FREED_WHILE_LOADED])
        }
        _ => Vec::new(),
    }
}

/// Legacy rings until 4.9: the engine's reference on its last context goes away when the switch is
/// put on the ring, not when the engine has done it (spec vma-cleanup §4 h5). Execlists keep the
/// context until the next request retires from 4.5 on, legacy rings when the two ways were unified
/// (4.11).
fn drops_context_at_switch(case: &Case) -> bool {
    case.submission == SubmissionMode::Legacy && case.policy <= Policy::CloseTracking49
}

fn from_the_driver(case: &Case) -> Vec<&'static str> {
    let legacy = case.submission == SubmissionMode::Legacy;
    match (case.scenario, case.policy) {
        (
            ScenarioId::BusyElsewhere | ScenarioId::BusyElsewhereV2,
            Policy::VendorVmaList | Policy::V2WaitUnbind,
        ) => Vec::from([WAIT, DEADLOCK]),
        // The wait inside the unbind retires the object, and the hook unbinds the same VMA.
        (ScenarioId::BusyElsewhere | ScenarioId::BusyElsewhereV2, Policy::V1RetireHook) => {
            Vec::from([WAIT, DEADLOCK, RECURSION])
        }
        (ScenarioId::ResetDuringCleanup, Policy::VendorVmaList) => Vec::from([RESET, WAIT]),
        (ScenarioId::ResetDuringCleanup, Policy::V1RetireHook | Policy::V2WaitUnbind) => {
            Vec::from([RESET, WAIT, WARN])
        }
        (ScenarioId::ResetDuringCleanup, _) => Vec::from([RESET]),
        (
            ScenarioId::RetireVmaNotInactive | ScenarioId::Recursion | ScenarioId::SharedInNVms,
            Policy::VendorVmaList,
        ) => Vec::from([WAIT, WARN]),
        (
            ScenarioId::RetireVmaNotInactive | ScenarioId::Recursion | ScenarioId::SharedInNVms,
            Policy::V3NoWait | Policy::V4NoWait,
        ) => Vec::from([WARN]),
        (ScenarioId::RetireVmaNotInactive, Policy::V2WaitUnbind) => Vec::from([WARN]),
        (ScenarioId::Recursion, Policy::V1RetireHook) => Vec::from([RECURSION]),
        // The second to die waits; the retirement within finds the first, and the second itself.
        (ScenarioId::SharedInNVms, Policy::V1RetireHook) => Vec::from([WAIT, RECURSION]),
        (ScenarioId::SharedInNVms, Policy::V2WaitUnbind) => Vec::from([WAIT]),
        (
            ScenarioId::LastRefInRetire,
            Policy::VendorVmaList | Policy::V3NoWait | Policy::V4NoWait,
        ) if legacy => Vec::from([WARN]),
        _ => Vec::new(),
    }
}

fn allowed(case: &Case) -> Vec<&'static str> {
    let mut names = Vec::new();
    if drops_context_at_switch(case) {
        names.push(FREED_WHILE_LOADED);
    }
    let warns = match case.scenario {
        // v1's and v2's text is lost; the first merged version warned, and the spec's matrix has a
        // warning for v2 as well.
        ScenarioId::RetireVmaNotInactive
        | ScenarioId::Recursion
        | ScenarioId::SharedInNVms
        | ScenarioId::LastRefInRetire => {
            matches!(case.policy, Policy::V1RetireHook | Policy::V2WaitUnbind)
        }
        // "warn-once when the context has no VM", from memory in the spec.
        ScenarioId::NoVmContext => matches!(case.policy, Policy::V3NoWait | Policy::V4NoWait),
        _ => false,
    };
    if warns {
        names.push(WARN);
    }
    names
}
