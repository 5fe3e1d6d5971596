//! The text of `run`: what there was before, during and after, what is left over, and why.

use std::fmt::Write as _;
use std::time::Duration;

use machine::{CaseResult, DeviceCounts};
use observe::{Fact, Finding};
use scenarios::{Case, DriverCounts, Excess, ScenarioId};

use super::story;
use crate::table;

/// Head of the table. Counts are those of the device's census but for one column.
const HEAD: [&str; 9] = [
    "policy",
    "levels",
    "submission",
    "VMs",
    "VMAs",
    "page-table pages",
    "left over",
    "driver says",
    "verdict",
];

/// The whole text for the results of `cases`, scenario by scenario.
pub(super) fn text(cases: &[Case], results: &[CaseResult], time: Duration) -> String {
    let mut text = String::new();
    let pairs: Vec<(&Case, &CaseResult)> = cases.iter().zip(results).collect();
    for group in pairs.chunk_by(|a, b| a.0.scenario == b.0.scenario) {
        scenario(&mut text, group[0].0.scenario, group);
    }
    let wrong = results.iter().filter(|result| !result.ok).count();
    let machine = results.first().map_or("", |result| result.machine);
    let verdict = match wrong {
        0 => "all as expected".to_owned(),
        _ => format!("{wrong} NOT as expected"),
    };
    let seconds = time.as_secs_f64();
    write(&mut text, &format!("{} cases on {machine}: {verdict} ({seconds:.1} s)", results.len()));
    text.trim_end().to_owned()
}

fn scenario(text: &mut String, id: ScenarioId, group: &[(&Case, &CaseResult)]) {
    write(text, &format!("\n{} ({}): {}\n", id.name(), id.letter(), id.summary()));
    let mut table = table::table(&HEAD, 3);
    for (_, result) in group {
        table.add_row(row(result));
    }
    write(text, &table.to_string());
    write(text, "VMs, VMAs and pages: before → during → after, counted by the device from guest");
    write(text, "memory. Left over: VMs / VMAs / pages, after less before.\n");
    if group.iter().any(|(_, result)| result.observed.vms > 0) {
        write(text, story::WHY);
    }
    for same_policy in group.chunk_by(|a, b| a.0.policy == b.0.policy) {
        policy(text, same_policy);
    }
}

fn row(result: &CaseResult) -> [String; 9] {
    [
        result.policy.to_owned(),
        result.levels.to_string(),
        result.submission.to_owned(),
        over_time(result, |counts| counts.vms),
        over_time(result, |counts| counts.vmas),
        over_time(result, |counts| counts.pages),
        excess(result.observed),
        driver_excess(result).map_or_else(|| "–".to_owned(), excess),
        verdict(result),
    ]
}

/// `before → during → after` of one count.
fn over_time(result: &CaseResult, count: impl Fn(&DeviceCounts) -> u32) -> String {
    let at = |label: &str| {
        let moment = result.timeline.iter().find(|moment| moment.label == label)?;
        Some(count(&moment.device))
    };
    arrows([at("before"), at("during"), at("after")])
}

/// `before → during → after`; a dash where nothing was counted.
pub(super) fn arrows(counts: [Option<u32>; 3]) -> String {
    counts.map(|count| count.map_or_else(|| "–".to_owned(), |n| n.to_string())).join(" → ")
}

/// What the driver's own counters say is left over.
fn driver_excess(result: &CaseResult) -> Option<Excess> {
    let at = |label: &str| {
        result.timeline.iter().find(|moment| moment.label == label).map(|moment| moment.driver)
    };
    let (before, after): (DriverCounts, DriverCounts) = (at("before")?, at("after")?);
    let more = |a: u32, b: u32| i64::from(a) - i64::from(b);
    Some(Excess {
        vms: more(after.vms, before.vms),
        vmas: more(after.vmas, before.vmas),
        pages: more(after.pages, before.pages),
    })
}

pub(super) fn excess(of: Excess) -> String {
    format!("{} / {} / {}", of.vms, of.vmas, of.pages)
}

fn verdict(result: &CaseResult) -> String {
    if !result.ok {
        return format!("NOT as expected ({})", excess(result.expected));
    }
    format!("{}, as expected", outcome(&[result]))
}

/// Findings that are the point of a case, in words.
const TROUBLE: [(&str, &str); 4] = [
    ("RecursionDetected", "recursion"),
    ("DeadlockDetected", "deadlock"),
    ("WaitUnderLockInDestructor", "wait under lock"),
    ("Assertion", "assertion"),
];

/// What happened, in a word or two: nothing left over is not clean if it took a deadlock.
fn outcome(results: &[&CaseResult]) -> String {
    let found = |name: &str| results.iter().any(|r| r.findings.iter().any(|f| f == name));
    let leaks = results.iter().any(|result| result.observed != Excess::default());
    let mut words = if leaks { vec!["leaks"] } else { Vec::new() };
    words.extend(TROUBLE.iter().filter(|(name, _)| found(name)).map(|(_, word)| *word));
    if words.is_empty() { "clean".to_owned() } else { words.join(", ") }
}

/// What the policy did, in words.
fn policy(text: &mut String, group: &[(&Case, &CaseResult)]) {
    let (case, first) = group[0];
    let results: Vec<&CaseResult> = group.iter().map(|(_, result)| *result).collect();
    let story = story::policy(case.policy);
    wrapped(text, 0, &format!("{}: {}. {story}", first.policy, outcome(&results)));
    // The deepest tables tell most; one look at them is enough.
    if let Some(result) = results.iter().rev().find(|result| !result.explanation.is_empty()) {
        write(text, &format!("  the device afterwards ({} levels):", result.levels));
        for line in &result.explanation {
            wrapped(text, 4, line);
        }
    }
    if let Some(result) = results.iter().rev().find(|result| !result.leaks.is_empty()) {
        write(text, &format!("  leaked ({} levels):", result.levels));
        result.leaks.iter().for_each(|leak| tell_leak(text, leak));
    }
    together(text, &results, "findings", |result| {
        if result.findings.is_empty() { Vec::new() } else { vec![result.findings.join(", ")] }
    });
    together(text, &results, "note", |result| {
        if result.note.is_empty() { Vec::new() } else { vec![result.note.to_owned()] }
    });
    together(text, &results, "DIFFERENCE", |result| result.differences.clone());
    text.push('\n');
}

/// A leak, with the facts that prove it.
fn tell_leak(text: &mut String, leak: &Finding) {
    wrapped(text, 4, &leak.what);
    for Fact { label, text: fact } in &leak.facts {
        wrapped(text, 6, &format!("{label}: {fact}"));
    }
}

/// Remarks, each once: with the cases that it belongs to if not all have it.
fn together(
    text: &mut String,
    results: &[&CaseResult],
    what: &str,
    remarks: impl Fn(&CaseResult) -> Vec<String>,
) {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for result in results {
        let name = format!("{} levels {}", result.levels, result.submission);
        for remark in remarks(result) {
            match all.iter_mut().find(|(known, _)| *known == remark) {
                Some((_, names)) => names.push(name.clone()),
                None => all.push((remark, vec![name.clone()])),
            }
        }
    }
    for (remark, names) in all {
        if names.len() == results.len() {
            wrapped(text, 2, &format!("{what}: {remark}"));
        } else {
            wrapped(text, 2, &format!("{what} ({}): {remark}", names.join("; ")));
        }
    }
}

/// Columns of running text.
const WIDTH: usize = 100;

/// Adds a paragraph, broken at [`WIDTH`]; what follows its first line is indented a little more.
fn wrapped(text: &mut String, indent: usize, paragraph: &str) {
    let mut line = " ".repeat(indent);
    let mut empty = true;
    for word in paragraph.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            write(text, &line);
            line = " ".repeat(indent + 2);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    write(text, &line);
}

/// Adds a line.
fn write(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    writeln!(text, "{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::result;
    use super::*;

    fn one(policy: &str, result: CaseResult) -> String {
        let case: Case = format!("flink-and-exit {policy} 4 execlists").parse().unwrap();
        text(&[case], &[result], Duration::from_millis(1500))
    }

    #[test]
    fn a_leak_is_shown_with_its_cause() {
        let leak = Excess { vms: 1, vmas: 1, pages: 8 };
        let text = one("none", result("none", leak, leak));
        assert!(text.contains("2 → 3 → 3"), "{text}");
        assert!(text.contains("1 / 1 / 8"), "{text}");
        assert!(text.contains("leaks, as expected"), "{text}");
        assert!(text.contains(story::WHY), "{text}");
        assert!(text.contains("1 cases on in-process: all as expected (1.5 s)"), "{text}");
    }

    #[test]
    fn a_case_that_took_a_deadlock_is_not_called_clean() {
        let mut result = result("v2", Excess::default(), Excess::default());
        result.findings = vec!["Warn".into(), "DeadlockDetected".into()];
        let text = one("v2", result);
        assert!(text.contains("deadlock, as expected"), "{text}");
        assert!(!text.contains("clean"), "{text}");
    }

    #[test]
    fn long_text_is_broken_and_loses_no_word() {
        let words = "word ".repeat(60);
        let mut text = String::new();
        wrapped(&mut text, 2, &words);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(text.split_whitespace().count(), 60);
    }

    #[test]
    fn a_difference_cannot_be_overlooked() {
        let leak = Excess { vms: 1, vmas: 1, pages: 8 };
        let mut wrong = result("v4", Excess::default(), leak);
        wrong.differences = vec!["after: expected nothing".into()];
        wrong.ok = false;
        let text = one("v4", wrong);
        assert!(text.contains("NOT as expected (0 / 0 / 0)"), "{text}");
        assert!(text.contains("DIFFERENCE: after: expected nothing"), "{text}");
        assert!(text.contains("1 NOT as expected"), "{text}");
    }
}
