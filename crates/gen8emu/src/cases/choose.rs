//! Which cases a command line asks for.

use driver::Policy;
use machine::MachineKind;
use scenarios::{Case, Levels, ScenarioId, SubmissionMode};

use crate::cli::CaseLists;

/// The scenarios of `matrix --machine kvm`: those in which the policies differ most. A nested KVM
/// needs minutes for all of them.
const ON_KVM: [ScenarioId; 7] = [
    ScenarioId::FlinkAndExit,
    ScenarioId::XserverRestart,
    ScenarioId::FlinkAndClose,
    ScenarioId::BusyElsewhere,
    ScenarioId::BusyElsewhereV2,
    ScenarioId::RetireVmaNotInactive,
    ScenarioId::Recursion,
];

/// The cases of `run` and `drive`: by default the bug and its merged fix.
pub(super) fn for_run(lists: &CaseLists) -> Vec<Case> {
    product(
        &or(&lists.scenario, &[ScenarioId::FlinkAndExit]),
        &or(&lists.policy, &[Policy::None, Policy::V4NoWait]),
        &or(&lists.levels, &Levels::ALL),
        &or(&lists.submission, &[SubmissionMode::Execlists]),
    )
}

/// The cases of `matrix`: by default everything.
pub(super) fn for_matrix(lists: &CaseLists, machine: MachineKind) -> Vec<Case> {
    let scenarios: &[ScenarioId] = match machine {
        MachineKind::Kvm => &ON_KVM,
        MachineKind::InProcess => &ScenarioId::ALL,
    };
    product(
        &or(&lists.scenario, scenarios),
        &or(&lists.policy, &Policy::ALL),
        &or(&lists.levels, &Levels::ALL),
        &or(&lists.submission, &SubmissionMode::ALL),
    )
}

/// What was asked for, each once, or else `default`.
fn or<T: Copy + PartialEq>(asked: &[T], default: &[T]) -> Vec<T> {
    let mut list = Vec::new();
    for &item in if asked.is_empty() { default } else { asked } {
        if !list.contains(&item) {
            list.push(item);
        }
    }
    list
}

fn product(
    scenarios: &[ScenarioId],
    policies: &[Policy],
    levels: &[Levels],
    submissions: &[SubmissionMode],
) -> Vec<Case> {
    let mut cases = Vec::new();
    for &scenario in scenarios {
        for &policy in policies {
            for &levels in levels {
                for &submission in submissions {
                    cases.push(Case { scenario, policy, levels, submission });
                }
            }
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_shows_the_bug_and_the_merged_fix_at_both_depths() {
        let cases: Vec<String> =
            for_run(&CaseLists::default()).iter().map(Case::to_string).collect();
        assert_eq!(
            cases,
            [
                "flink-and-exit none 3 execlists",
                "flink-and-exit none 4 execlists",
                "flink-and-exit v4 3 execlists",
                "flink-and-exit v4 4 execlists",
            ]
        );
    }

    #[test]
    fn matrix_leaves_nothing_out_and_repeats_nothing() {
        let lists = CaseLists::default();
        let all = for_matrix(&lists, MachineKind::InProcess);
        let expected = Case::all(&ScenarioId::ALL, &Policy::ALL);
        assert_eq!(all, expected.collect::<Vec<_>>());
        let twice = CaseLists { levels: vec![Levels::Three, Levels::Three], ..lists };
        assert_eq!(for_matrix(&twice, MachineKind::InProcess).len(), all.len() / 2);
    }

    #[test]
    fn a_named_scenario_counts_on_kvm_too() {
        let lists = CaseLists { scenario: vec![ScenarioId::Prime], ..CaseLists::default() };
        let cases = for_matrix(&lists, MachineKind::Kvm);
        assert!(cases.iter().all(|case| case.scenario == ScenarioId::Prime));
        assert_eq!(cases.len(), 11 * 4);
    }
}
