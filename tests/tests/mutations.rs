//! Does the suite judge? Each defect is switched on alone, and named cases must fail, for the
//! reason that the defect gives; without it they pass.

mod common;

use driver::Policy;
use machine::RunOptions;
use scenarios::{Case, Levels, ScenarioId, SubmissionMode};

/// `scenario` under `policy`, in all four variants.
fn cases(scenario: ScenarioId, policy: Policy) -> Vec<Case> {
    Case::all(&[scenario], &[policy]).collect()
}

/// Each of `cases` passes without the defect, and fails with it with a difference that contains
/// `reason`.
fn assert_caught(cases: &[Case], defective: &RunOptions, reason: &str) {
    let sound = common::run(cases, &RunOptions::default());
    assert_eq!(common::differences(&sound), Vec::<String>::new());
    for result in common::run(cases, defective) {
        let case = format!("{} {} {}", result.scenario, result.policy, result.submission);
        assert!(!result.ok, "{case}: the defect was not noticed");
        let named = result.differences.iter().any(|difference| difference.contains(reason));
        assert!(named, "{case}: no '{reason}' in {:#?}", result.differences);
    }
}

fn driver_defect(set: impl FnOnce(&mut driver::Mutations)) -> RunOptions {
    let mut options = RunOptions::default();
    set(&mut options.scenario.mutations);
    options
}

#[test]
fn a_removed_cleanup_call_is_noticed_as_a_leak() {
    let defective = driver_defect(|mutations| mutations.skip_cleanup = true);
    for policy in [Policy::VendorVmaList, Policy::V4NoWait, Policy::CloseTracking49] {
        assert_caught(&cases(ScenarioId::FlinkAndExit, policy), &defective, "OrphanVm");
        assert_caught(
            &cases(ScenarioId::XserverRestart, policy),
            &defective,
            "after: expected 0 VMs, 0 VMAs, 0 pages",
        );
    }
}

#[test]
fn an_uncleared_pte_is_noticed_where_the_address_space_lives_on() {
    let defective = driver_defect(|mutations| mutations.skip_pte_clear = true);
    for policy in [Policy::CloseTracking49, Policy::VmWeak61] {
        assert_caught(&cases(ScenarioId::FlinkAndClose, policy), &defective, "StalePte");
    }
    assert_caught(&cases(ScenarioId::Recursion, Policy::V4NoWait), &defective, "StalePte");
}

#[test]
fn a_page_table_page_that_is_not_freed_is_noticed() {
    let defective = driver_defect(|mutations| mutations.leak_one_table_page = true);
    for policy in [Policy::V4NoWait, Policy::VmWeak61] {
        let cases = cases(ScenarioId::FlinkAndExit, policy);
        assert_caught(&cases, &defective, "TableOutlivesVm");
        assert_caught(&cases, &defective, "the device saw 0, 0, 1");
    }
}

#[test]
fn a_tlb_that_never_invalidates_is_noticed_by_the_data() {
    let mut defective = RunOptions::default();
    defective.device_mutations.tlb_never_invalidates = true;
    let cases = cases(ScenarioId::VaReuseAfterClean, Policy::V4NoWait);
    for fact in ["write_lands_in_the_new_object", "old_object_untouched"] {
        assert_caught(&cases, &defective, &format!("{fact}: expected true, was false"));
    }
    assert_caught(&cases, &defective, "StaleTlb");
}

#[test]
fn a_defect_in_one_variant_only_is_not_hidden_by_the_others() {
    // The four variants are judged one by one: exactly those that leak fail.
    let defective = driver_defect(|mutations| mutations.skip_cleanup = true);
    let all: Vec<Case> =
        Case::all(&[ScenarioId::FlinkAndExit], &[Policy::None, Policy::V4NoWait]).collect();
    let failed: Vec<Case> = all
        .iter()
        .zip(common::run(&all, &defective))
        .filter_map(|(&case, result)| (!result.ok).then_some(case))
        .collect();
    assert_eq!(failed.len(), Levels::ALL.len() * SubmissionMode::ALL.len());
    assert!(failed.iter().all(|case| case.policy == Policy::V4NoWait));
}

#[test]
fn without_the_open_count_the_second_close_is_an_assertion() {
    let mut historic = RunOptions::default();
    historic.scenario.open_count = Some(false);
    let cases = cases(ScenarioId::TwoHandlesOneFile, Policy::LutOpenCount414);
    assert_caught(&cases, &historic, "Assertion");
}

#[test]
fn a_context_that_is_saved_to_where_another_one_was_is_noticed() {
    let mut defective = RunOptions::default();
    defective.device_mutations.context_saved_to_old_page = true;
    let cases = cases(ScenarioId::AndroidChurn, Policy::V4NoWait);
    let execlists = cases.into_iter().filter(|case| case.submission == SubmissionMode::Execlists);
    assert_caught(&execlists.collect::<Vec<_>>(), &defective, "ContextSavedAfterFree");
}
