//! The text of `matrix`: a row a scenario, a column a policy, a cell for all depths and modes.

use std::fmt::Write as _;
use std::time::Duration;

use driver::Policy;
use machine::CaseResult;
use scenarios::{Case, Excess, ScenarioId};

use crate::table;

/// Findings that have a letter of their own in a cell.
const MARKS: [(&str, char); 4] = [
    ("RecursionDetected", 'R'),
    ("DeadlockDetected", 'D'),
    ("WaitUnderLockInDestructor", 'W'),
    ("Assertion", 'A'),
];

const LEGEND: &str = "\
✔ nothing left over · VMs/VMAs/pages left over, pages with 3|4 levels, and with ; legacy mode where
it differs from execlists · R recursion · D deadlock · W wait under the lock in a destructor
A assertion · ✘ not as expected";

type Pairs<'a> = [(&'a Case, &'a CaseResult)];

/// The grid, every difference, and the count.
pub(super) fn text(cases: &[Case], results: &[CaseResult], time: Duration) -> String {
    let pairs: Vec<(&Case, &CaseResult)> = cases.iter().zip(results).collect();
    let mut text = format!("{}\n{LEGEND}\n\n", grid(&pairs));
    let wrong: Vec<&CaseResult> = results.iter().filter(|result| !result.ok).collect();
    for result in &wrong {
        let CaseResult { scenario, policy, levels, submission, .. } = result;
        for difference in &result.differences {
            // Writing to a String cannot fail.
            writeln!(text, "{scenario} {policy} {levels} {submission}: {difference}").ok();
        }
    }
    let machine = results.first().map_or("", |result| result.machine);
    let seconds = time.as_secs_f64();
    write!(
        text,
        "{} cases on {machine}: {} as expected, {} differ ({seconds:.1} s)",
        results.len(),
        results.len() - wrong.len(),
        wrong.len()
    )
    .ok();
    text
}

fn grid(pairs: &Pairs<'_>) -> String {
    let scenarios = each_once(pairs.iter().map(|(case, _)| case.scenario));
    let policies: Vec<Policy> = each_once(pairs.iter().map(|(case, _)| case.policy));
    let mut head = vec!["scenario".to_owned()];
    head.extend(policies.iter().map(|policy| in_two_lines(policy.name())));
    let mut table = table::table(&head, head.len());
    for &scenario in &scenarios {
        let mut row = vec![format!("{:<2} {}", scenario.letter(), scenario.name())];
        row.extend(policies.iter().map(|&policy| cell(&of(pairs, scenario, policy))));
        table.add_row(row);
    }
    table.to_string()
}

/// Breaks a long name at the hyphen nearest to its middle: columns are as wide as their head.
fn in_two_lines(name: &str) -> String {
    let middle = name.len() / 2;
    let hyphen = name.match_indices('-').map(|(at, _)| at).min_by_key(|at| at.abs_diff(middle));
    match hyphen {
        Some(at) => format!("{}\n{}", &name[..=at], &name[at + 1..]),
        None => name.to_owned(),
    }
}

fn each_once<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut list = Vec::new();
    for item in items {
        if !list.contains(&item) {
            list.push(item);
        }
    }
    list
}

fn of<'a>(pairs: &Pairs<'a>, scenario: ScenarioId, policy: Policy) -> Vec<&'a CaseResult> {
    pairs
        .iter()
        .filter(|(case, _)| case.scenario == scenario && case.policy == policy)
        .map(|(_, result)| *result)
        .collect()
}

/// All depths and modes of one scenario under one policy.
fn cell(results: &[&CaseResult]) -> String {
    let modes = each_once(results.iter().map(|result| result.submission));
    let texts = each_once(modes.into_iter().map(|mode| {
        left_over(results.iter().filter(|result| result.submission == mode).map(|r| r.observed))
    }));
    let mut cell = texts.join(";");
    let marks: String = MARKS
        .iter()
        .filter(|(name, _)| results.iter().any(|r| r.findings.iter().any(|f| f == name)))
        .map(|(_, mark)| mark)
        .collect();
    if !marks.is_empty() {
        cell = format!("{cell} {marks}");
    }
    let wrong = results.iter().filter(|result| !result.ok).count();
    if wrong > 0 {
        cell = format!("✘{wrong} {cell}");
    }
    cell
}

/// `1/1/5|8`: the pages of every depth side by side.
fn left_over(depths: impl Iterator<Item = Excess>) -> String {
    let depths: Vec<Excess> = depths.collect();
    let Some(first) = depths.first() else { return "–".to_owned() };
    if depths.iter().all(|excess| *excess == Excess::default()) {
        return "✔".to_owned();
    }
    let pages = each_once(depths.iter().map(|excess| excess.pages.to_string())).join("|");
    format!("{}/{}/{pages}", first.vms, first.vmas)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::result;
    use super::*;

    fn leak(pages: i64) -> CaseResult {
        let excess = Excess { vms: 1, vmas: 1, pages };
        result("none", excess, excess)
    }

    #[test]
    fn a_cell_shows_both_depths() {
        assert_eq!(cell(&[&leak(5), &leak(8)]), "1/1/5|8");
        let clean = result("v4", Excess::default(), Excess::default());
        assert_eq!(cell(&[&clean, &clean]), "✔");
    }

    #[test]
    fn a_long_name_breaks_near_its_middle() {
        assert_eq!(in_two_lines("v4"), "v4");
        assert_eq!(in_two_lines("lut-open-count414"), "lut-open-\ncount414");
    }

    #[test]
    fn a_cell_shows_a_mode_that_differs() {
        let clean = result("v4", Excess::default(), Excess::default());
        let legacy = CaseResult { submission: "legacy", ..leak(8) };
        assert_eq!(cell(&[&clean, &legacy]), "✔;1/1/8");
    }

    #[test]
    fn a_cell_shows_findings_and_differences() {
        let mut wrong = leak(8);
        wrong.findings = vec!["DeadlockDetected".into(), "Warn".into()];
        wrong.ok = false;
        assert_eq!(cell(&[&wrong]), "✘1 1/1/8 D");
    }

    #[test]
    fn differences_are_listed_and_counted() {
        let case: Case = "flink-and-exit none 4 execlists".parse().unwrap();
        let mut wrong = leak(8);
        wrong.ok = false;
        wrong.differences = vec!["after: too much".into()];
        let text = text(&[case, case], &[wrong, leak(8)], Duration::from_secs(2));
        assert!(text.contains("flink-and-exit none 4 execlists: after: too much"), "{text}");
        assert!(text.contains("2 cases on in-process: 1 as expected, 1 differ"), "{text}");
    }
}
