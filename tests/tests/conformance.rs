//! Our driver keeps the rules of the table, in every case.

use driver::Policy;
use gen8_spec::sku::{self, Gt};
use gpu_model::GpuConfig;
use machine::in_process::{InProcess, RAM_SIZE};
use observe::{Conformance, RuleReport};
use scenarios::{Case, Options, ScenarioId};

/// What a case breaks.
fn broken(case: &Case, gt: Gt) -> Vec<RuleReport> {
    let sku = sku::SKUS.into_iter().find(|sku| sku.gt == gt).expect("every class has a part");
    let conformance = Conformance::new();
    let observer = conformance.clone();
    let mut machine = InProcess::new(GpuConfig::new(sku), RAM_SIZE, |_| Some(Box::new(observer)))
        .expect("memory");
    scenarios::run(&mut machine, case, &Options::default());
    conformance.reports()
}

fn expect_none(cases: impl Iterator<Item = Case>, gt: Gt) {
    let mut told = Vec::new();
    for case in cases {
        for report in broken(&case, gt) {
            let places: Vec<String> = report.places.iter().map(|(hit, _)| hit.text()).collect();
            told.push(format!("{case:?}: {} {}x: {}", report.id, report.count, places.join(", ")));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn no_scenario_under_any_policy_breaks_a_rule() {
    expect_none(Case::all(&ScenarioId::ALL, &Policy::ALL), Gt::Gt2);
}

#[test]
fn nor_does_any_on_a_part_with_two_video_engines() {
    expect_none(Case::all(&ScenarioId::ALL, &[Policy::VmWeak61]), Gt::Gt3);
}
