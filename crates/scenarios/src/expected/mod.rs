//! What each scenario must show under each policy.
//!
//! The tables are derived from the spec (vma-cleanup §4.1, §5 and the holes h1 to h5 of §4), not
//! from runs of the driver: [`table`] has what is left over, [`findings`] what must be noticed,
//! [`facts`] what must be observed.

mod facts;
mod findings;
mod table;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use driver::Policy;
use serde::{Deserialize, Serialize};

use crate::case::{Case, Levels};
use crate::id::ScenarioId;
use crate::programs::planted;
use crate::run::Options;

/// How much more there is than before the importer appeared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excess {
    /// Address spaces.
    pub vms: i64,
    /// VMAs, bound or not.
    pub vmas: i64,
    /// Page-table pages, scratch included.
    pub pages: i64,
}

/// What a case must show. Finding names are those of `driver::Finding::name` and of the census.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Excess at `label::AFTER` over `label::BEFORE`.
    pub after: Excess,
    /// Excess at `label::DURING`; `None` where the table says nothing.
    pub during: Option<Excess>,
    /// Mappings that the device sees at `label::DURING` beside those in the driver's books, because
    /// the driver destroyed a VMA and left its PTEs. 0 but for a closed address space.
    pub unbooked_during: u32,
    /// Findings that must appear.
    pub required: Vec<&'static str>,
    /// Findings of a race between driver and device. They must appear where the device moves only
    /// when the driver lets it (in process), and may appear where it runs beside the driver (KVM).
    /// Any finding that is neither here nor in `required` is a difference.
    pub raced: Vec<&'static str>,
    /// What the scenario must have observed.
    pub facts: BTreeMap<&'static str, bool>,
    /// Why the result is what it is, where that is not obvious.
    pub note: &'static str,
}

/// The expected result of `case` in a run with `options`. Their mutations count for nothing here: a
/// defect is what the expectation is to catch.
pub fn expected(case: &Case, options: &Options) -> Expected {
    if let ScenarioId::Planted(bug) = case.scenario {
        // As a mutation, the bug counts for nothing: without it nothing is left and nothing found.
        let facts = planted::facts(bug).iter().copied().collect();
        return Expected { facts, ..Expected::default() };
    }
    let row = table::row(case, options);
    let mut expected = Expected {
        after: row.after.excess(case.levels),
        during: row.during.map(|cell| cell.excess(case.levels)),
        unbooked_during: row.unbooked_during,
        facts: facts::facts(case),
        note: row.note,
        ..Expected::default()
    };
    findings::fill(case, options.seed, &row, &mut expected);
    expected
}

/// Columns of the tables, in the order of [`Policy::ALL`].
const fn column(policy: Policy) -> usize {
    match policy {
        Policy::None => 0,
        Policy::VendorVmaList => 1,
        Policy::V1RetireHook => 2,
        Policy::V2WaitUnbind => 3,
        Policy::V3NoWait => 4,
        Policy::V4NoWait => 5,
        Policy::V4Relaxed => 6,
        Policy::CloseTracking49 => 7,
        Policy::LutOpenCount414 => 8,
        Policy::LazyClose418 => 9,
        Policy::VmWeak61 => 10,
    }
}

/// Page-table pages of an address space (spec vma-cleanup §2.3): the scratch page and tables and
/// the root always; `tables` of them with everything bound in one slot of 2 MiB, so that each level
/// below the root has one table.
const fn pages_of_vm(levels: Levels, touched: bool) -> i64 {
    match (levels, touched) {
        // Scratch page, scratch PT, scratch PD; then a PT and a PD.
        (Levels::Three, false) => 3,
        (Levels::Three, true) => 3 + 2,
        // Also a scratch PDP and the PML4; then a PT, a PD and a PDP.
        (Levels::Four, false) => 5,
        (Levels::Four, true) => 5 + 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SubmissionMode;

    fn after(scenario: ScenarioId, policy: Policy, levels: Levels) -> (i64, i64, i64) {
        let case = Case { scenario, policy, levels, submission: SubmissionMode::Execlists };
        let Excess { vms, vmas, pages } = expected(&case, &Options::default()).after;
        (vms, vmas, pages)
    }

    #[test]
    fn columns_are_in_the_order_of_the_policies() {
        for (i, policy) in Policy::ALL.into_iter().enumerate() {
            assert_eq!(column(policy), i);
        }
    }

    #[test]
    fn flink_and_exit_leaks_five_or_eight_pages_without_the_fix() {
        let case = ScenarioId::FlinkAndExit;
        assert_eq!(after(case, Policy::None, Levels::Three), (1, 1, 5));
        assert_eq!(after(case, Policy::None, Levels::Four), (1, 1, 8));
        assert_eq!(after(case, Policy::V4NoWait, Levels::Four), (0, 0, 0));
    }

    #[test]
    fn ten_restarts_leak_ten_times() {
        let case = ScenarioId::XserverRestart;
        assert_eq!(after(case, Policy::None, Levels::Three), (10, 10, 50));
        assert_eq!(after(case, Policy::None, Levels::Four), (10, 10, 80));
    }

    #[test]
    fn every_restart_leaks_once() {
        let case: Case = "xserver-restart none 4 execlists".parse().unwrap();
        let options = Options { restarts: 3, ..Options::default() };
        assert_eq!(expected(&case, &options).after, Excess { vms: 3, vmas: 3, pages: 24 });
    }

    #[test]
    fn later_policies_leak_nothing_in_any_scenario() {
        for scenario in ScenarioId::ALL {
            for policy in [
                Policy::CloseTracking49,
                Policy::LutOpenCount414,
                Policy::LazyClose418,
                Policy::VmWeak61,
            ] {
                for levels in Levels::ALL {
                    assert_eq!(after(scenario, policy, levels), (0, 0, 0), "{scenario} {policy}");
                }
            }
        }
    }

    #[test]
    fn the_merged_fix_has_its_known_residual_leaks() {
        let leaks = |scenario| after(scenario, Policy::V4NoWait, Levels::Four) != (0, 0, 0);
        let leaking: Vec<ScenarioId> =
            ScenarioId::ALL.into_iter().filter(|&scenario| leaks(scenario)).collect();
        assert_eq!(
            leaking,
            [
                ScenarioId::FlinkAndClose,
                ScenarioId::RetireVmaNotInactive,
                ScenarioId::UnboundVma,
                ScenarioId::TwoHandlesOneFile,
                ScenarioId::SharedInNVms,
            ]
        );
    }
}
