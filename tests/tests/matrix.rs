//! Every scenario under every policy, with both depths of page tables and both submission modes,
//! judged in process.

mod common;

use driver::Policy;
use gen8_spec::sku::{self, Gt};
use machine::RunOptions;
use scenarios::{Case, ScenarioId};

#[test]
fn every_case_shows_what_the_table_expects() {
    let cases: Vec<Case> = Case::all(&ScenarioId::ALL, &Policy::ALL).collect();
    let results = common::run(&cases, &RunOptions::default());
    assert_eq!(results.len(), cases.len());
    let differences = common::differences(&results);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_leak_and_its_fix_look_the_same_on_every_class_of_part() {
    let cases: Vec<Case> =
        Case::all(&[ScenarioId::FlinkAndExit], &[Policy::None, Policy::V4NoWait]).collect();
    for gt in [Gt::Gt1, Gt::Gt2, Gt::Gt3] {
        let sku = sku::SKUS.into_iter().find(|sku| sku.gt == gt).expect("every class has a part");
        let results = common::run(&cases, &RunOptions { sku, ..RunOptions::default() });
        let differences = common::differences(&results);
        assert!(differences.is_empty(), "{gt:?}: {}", differences.join("\n"));
    }
}

#[test]
fn churn_is_judged_by_its_own_model_under_any_seed() {
    let cases: Vec<Case> = Case::all(&[ScenarioId::AndroidChurn], &Policy::ALL).collect();
    for seed in [2, 3, 2015, u64::MAX] {
        let mut options = RunOptions::default();
        options.scenario.seed = seed;
        let differences = common::differences(&common::run(&cases, &options));
        assert!(differences.is_empty(), "seed {seed}: {}", differences.join("\n"));
    }
}

#[test]
fn the_same_case_gives_the_same_result_every_time() {
    let scenarios =
        [ScenarioId::AndroidChurn, ScenarioId::BusyElsewhere, ScenarioId::ResetDuringCleanup];
    let cases: Vec<Case> =
        Case::all(&scenarios, &[Policy::None, Policy::V2WaitUnbind, Policy::VmWeak61]).collect();
    let options = RunOptions::default();
    assert_eq!(common::run(&cases, &options), common::run(&cases, &options));
}
