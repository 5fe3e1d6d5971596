//! What must be noticed; nothing else may be.

use alloc::vec::Vec;

use driver::Policy;

use super::Expected;
use super::table::Row;
use crate::case::{Case, SubmissionMode};
use crate::id::ScenarioId;
use crate::programs::churn;

const WAIT: &str = "WaitUnderLockInDestructor";
const DEADLOCK: &str = "DeadlockDetected";
const RECURSION: &str = "RecursionDetected";
const WARN: &str = "Warn";
const RESET: &str = "Reset";
const ORPHAN_VM: &str = "OrphanVm";
const ORPHAN_MAPPING: &str = "OrphanMapping";
const STALE_PTE: &str = "StalePte";
const FREED_WHILE_LOADED: &str = "PtFreedWhileLoaded";

/// What only the census can find.
const OF_THE_CENSUS: [&str; 4] = [ORPHAN_VM, ORPHAN_MAPPING, STALE_PTE, FREED_WHILE_LOADED];

impl Expected {
    /// The findings in `required` that the driver itself must make: those that are left where
    /// nobody takes a census.
    pub fn required_of_driver(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().copied().filter(|name| !OF_THE_CENSUS.contains(name))
    }
}

/// Fills in `required` and `raced`.
pub(super) fn fill(case: &Case, seed: u64, row: &Row, expected: &mut Expected) {
    expected.required.extend(from_the_device(case, row));
    expected.required.extend(from_the_driver(case));
    expected.raced.extend(raced(case, seed));
    if warns(case) {
        expected.required.push(WARN);
    }
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
fn raced(case: &Case, seed: u64) -> Vec<&'static str> {
    match drops_context_at_switch(case) && releases_before_the_switch(case, seed) {
        true => Vec::from([FREED_WHILE_LOADED]),
        false => Vec::new(),
    }
}

/// Legacy rings until 4.9: the engine's reference on its last context goes away when the switch is
/// put on the ring, not when the engine has done it (spec vma-cleanup §4 h5). Execlists keep the
/// context until the next request retires from 4.5 on, legacy rings when the two ways were unified
/// (4.11).
fn drops_context_at_switch(case: &Case) -> bool {
    case.submission == SubmissionMode::Legacy && case.policy <= Policy::CloseTracking49
}

/// Whether the scenario has an address space whose last reference goes after the switch away from
/// it was put on the ring and before the engine is known to have done it. That takes a context that
/// has run, is idle and loses all references but the engine's before the engine runs another one,
/// and no VMA that holds the address space longer.
///
/// Nothing more can happen on KVM: the programs and the driver retire a request only after waiting
/// for it or for a later one on its engine, so that the switches before it are done.
fn releases_before_the_switch(case: &Case, seed: u64) -> bool {
    // The context's end unbinds what is on the inactive list, or its closing has.
    let cleans = case.policy != Policy::None;
    match case.scenario {
        // An idle context dies as the engine's last one. Its object lives on: without a cleanup the
        // VMA keeps the address space, until the object goes too (L, N), long after the switch.
        ScenarioId::FlinkAndExit
        | ScenarioId::FlinkAndExitNoClose
        | ScenarioId::XserverRestart
        | ScenarioId::CtxDestroyOwnObject
        | ScenarioId::ShrinkerRescue
        | ScenarioId::ExporterFrees
        | ScenarioId::EngineHoldsLastCtx
        | ScenarioId::DeadVmEviction
        | ScenarioId::Prime => cleans,
        // The same, but there is a context all of whose objects die before it or with its file (in
        // T the next client's): its address space needs no cleanup to go.
        ScenarioId::LiveRootFree | ScenarioId::VaReuseAfterClean => true,
        // The slow context's switch is on the ring when the quick one is destroyed, and the engine
        // need not have begun with it. A destructor that waits for the object waits for the slow
        // context's batch, or for the reset that ends it, and so past the switch.
        ScenarioId::BusyElsewhere
        | ScenarioId::BusyElsewhereV2
        | ScenarioId::ResetDuringCleanup => cleans && !waits_in_destructor(case.policy),
        ScenarioId::Planted(_) => false,
        ScenarioId::AndroidChurn => churn::releases_at_a_switch(seed, cleans),
        // The bystander's batch, which was waited for, or (I) the other context's comes after the
        // switch, and only then a context loses its last reference.
        ScenarioId::RetireVmaNotInactive
        | ScenarioId::Recursion
        | ScenarioId::SharedInNVms
        | ScenarioId::LastRefInRetire => false,
        // The contexts that ran outlive the last census.
        ScenarioId::FlinkAndClose | ScenarioId::TwoHandlesOneFile => false,
        // The context never ran; or it had no address space.
        ScenarioId::UnboundVma | ScenarioId::NoVmContext => false,
    }
}

/// The context's end waits for the rendering of each object, in whichever address space.
fn waits_in_destructor(policy: Policy) -> bool {
    matches!(policy, Policy::VendorVmaList | Policy::V1RetireHook | Policy::V2WaitUnbind)
}

fn from_the_driver(case: &Case) -> Vec<&'static str> {
    match (case.scenario, case.policy) {
        (
            ScenarioId::BusyElsewhere | ScenarioId::BusyElsewhereV2,
            Policy::VendorVmaList | Policy::V2WaitUnbind,
        ) => Vec::from([WAIT, DEADLOCK]),
        // The wait inside the unbind retires the object, and the hook unbinds the same VMA.
        (ScenarioId::BusyElsewhere | ScenarioId::BusyElsewhereV2, Policy::V1RetireHook) => {
            Vec::from([WAIT, DEADLOCK, RECURSION])
        }
        (ScenarioId::ResetDuringCleanup, policy) if waits_in_destructor(policy) => {
            Vec::from([RESET, WAIT])
        }
        (ScenarioId::ResetDuringCleanup, _) => Vec::from([RESET]),
        (
            ScenarioId::RetireVmaNotInactive | ScenarioId::Recursion | ScenarioId::SharedInNVms,
            Policy::VendorVmaList,
        ) => Vec::from([WAIT]),
        (ScenarioId::Recursion, Policy::V1RetireHook) => Vec::from([RECURSION]),
        // The second to die waits; the retirement within finds the first, and the second itself.
        (ScenarioId::SharedInNVms, Policy::V1RetireHook) => Vec::from([WAIT, RECURSION]),
        (ScenarioId::SharedInNVms, Policy::V2WaitUnbind) => Vec::from([WAIT]),
        _ => Vec::new(),
    }
}

/// Whether the policy warns. The driver's order of steps decides that, not the device's speed.
fn warns(case: &Case) -> bool {
    match case.scenario {
        // Hole h1: a context dies whose VMA is on the active list, as its object is busy elsewhere
        // (in S the first to die is such a one).
        ScenarioId::RetireVmaNotInactive | ScenarioId::Recursion | ScenarioId::SharedInNVms => {
            warns_of_active_vmas(case.policy)
        }
        // Hole h2: so does one inside the retirement of its last object. The execlist queue's
        // request postpones the context's end until the VMAs are inactive.
        ScenarioId::LastRefInRetire => {
            case.submission == SubmissionMode::Legacy && warns_of_active_vmas(case.policy)
        }
        // The reset ends the wait inside the unbind with an error, of which the walk of the inactive
        // list warns. The vendor's tree ignores it; the others do not wait.
        ScenarioId::ResetDuringCleanup => {
            matches!(case.policy, Policy::V1RetireHook | Policy::V2WaitUnbind)
        }
        // "warn-once when the context has no VM", from memory in the spec; of the first merged
        // version only. v2 returns in silence, as does v1 through it.
        ScenarioId::NoVmContext => matches!(case.policy, Policy::V3NoWait | Policy::V4NoWait),
        // Whatever dies here is idle and its objects are not busy on its account: its VMAs are on
        // the inactive list, or (J) on none.
        _ => false,
    }
}

/// The context's end warns if it finds active VMAs. The vendor's tree and the first merged version
/// (v3, v4) did. The spec's pseudo-code (§4.2) has no warning for v2, but its matrix (§4.1, G) has:
/// the walk that they share warns. The matrix names none for v1, which is v2 and a hook: the walk
/// comes long before the hook, so v1 warns as well. 4.5 dropped the warning; from 4.9 on nothing
/// walks.
fn warns_of_active_vmas(policy: Policy) -> bool {
    match policy {
        Policy::VendorVmaList
        | Policy::V1RetireHook
        | Policy::V2WaitUnbind
        | Policy::V3NoWait
        | Policy::V4NoWait => true,
        Policy::None
        | Policy::V4Relaxed
        | Policy::CloseTracking49
        | Policy::LutOpenCount414
        | Policy::LazyClose418
        | Policy::VmWeak61 => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Levels;
    use crate::{Options, expected};

    fn of(scenario: ScenarioId, policy: Policy, submission: SubmissionMode) -> Expected {
        let case = Case { scenario, policy, levels: Levels::Four, submission };
        expected(&case, &Options::default())
    }

    #[test]
    fn an_early_release_is_expected_only_on_legacy_rings_until_4_9() {
        for scenario in ScenarioId::ALL {
            for policy in Policy::ALL {
                assert_eq!(of(scenario, policy, SubmissionMode::Execlists).raced, [""; 0]);
                if policy > Policy::CloseTracking49 {
                    assert_eq!(of(scenario, policy, SubmissionMode::Legacy).raced, [""; 0]);
                }
            }
        }
    }

    #[test]
    fn every_warning_is_decided() {
        let warns = |scenario, policy, submission| {
            of(scenario, policy, submission).required.contains(&WARN)
        };
        for submission in SubmissionMode::ALL {
            let stuck = ScenarioId::RetireVmaNotInactive;
            assert!(warns(stuck, Policy::V1RetireHook, submission));
            assert!(!warns(stuck, Policy::V4Relaxed, submission));
            assert!(!warns(ScenarioId::FlinkAndExit, Policy::V4NoWait, submission));
            assert!(!warns(ScenarioId::NoVmContext, Policy::V2WaitUnbind, submission));
            let legacy = submission == SubmissionMode::Legacy;
            let retire = ScenarioId::LastRefInRetire;
            assert_eq!(warns(retire, Policy::V2WaitUnbind, submission), legacy);
        }
    }

    #[test]
    fn an_early_release_takes_a_cleanup_that_does_not_wait() {
        let early =
            |scenario, policy| !of(scenario, policy, SubmissionMode::Legacy).raced.is_empty();
        assert!(!early(ScenarioId::FlinkAndExit, Policy::None));
        assert!(early(ScenarioId::FlinkAndExit, Policy::V2WaitUnbind));
        assert!(!early(ScenarioId::BusyElsewhere, Policy::V2WaitUnbind));
        assert!(early(ScenarioId::BusyElsewhere, Policy::V4NoWait));
        assert!(!early(ScenarioId::RetireVmaNotInactive, Policy::CloseTracking49));
    }
}
