//! The table of clients.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cases::Case;
use super::record::Run;

/// How `timeout` reports that it ended a program.
const ENDED_BY_LIMIT: i32 = 143;

/// One row.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Row {
    client: &'static str,
    arguments: &'static str,
    /// What ran beside it.
    beside: &'static str,
    exit: Option<i32>,
    judged_by: &'static str,
    pub(super) result: Outcome,
    /// What was seen, or why it fails or does not apply.
    detail: String,
}

/// How a client did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Passes,
    Fails,
    /// Fails by its own fault, whatever the GPU does.
    DoesNotApply,
}

/// The rows for `cases` by what ran.
pub(super) fn rows(cases: &[Case], runs: &BTreeMap<usize, Run>) -> Vec<Row> {
    let one = |(number, case)| row(case, runs.get(&number));
    cases.iter().enumerate().map(one).collect()
}

fn row(case: &Case, run: Option<&Run>) -> Row {
    let (result, detail) = match run {
        None => (Outcome::Fails, "never ran".to_owned()),
        Some(run) => judge(case, run),
    };
    Row {
        client: case.client(),
        arguments: case.arguments(),
        beside: case.beside,
        exit: run.and_then(|run| run.status),
        judged_by: case.rule,
        result,
        detail,
    }
}

fn judge(case: &Case, run: &Run) -> (Outcome, String) {
    if let Some((words, reason)) = case.excuse
        && run.said.contains(words)
    {
        return (Outcome::DoesNotApply, reason.to_owned());
    }
    let good_end = if case.endless { ENDED_BY_LIMIT } else { 0 };
    match run.status {
        None => return (Outcome::Fails, "the guest ended before it".to_owned()),
        Some(status) if status == good_end => {}
        Some(ENDED_BY_LIMIT) => {
            return (Outcome::Fails, format!("does not end within {} s", case.limit));
        }
        Some(_) => {
            let last = run.said.lines().rev().find(|line| !line.trim().is_empty());
            return (Outcome::Fails, last.unwrap_or("says nothing").to_owned());
        }
    }
    match (case.judge)(&run.said) {
        Ok(seen) => (Outcome::Passes, seen),
        Err(wrong) => (Outcome::Fails, wrong),
    }
}

/// The table in Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    let mut lines = vec![
        "| client | arguments | exit | judged by | result |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(rows.iter().map(line));
    lines.join("\n")
}

fn line(row: &Row) -> String {
    let exit = match row.exit {
        None => "none".to_owned(),
        Some(ENDED_BY_LIMIT) => "by time limit".to_owned(),
        Some(status) => status.to_string(),
    };
    let beside = match row.beside {
        "" => String::new(),
        load => format!(", beside `{load}`"),
    };
    let arguments = match row.arguments {
        "" => String::new(),
        arguments => format!("`{arguments}`"),
    };
    let result = match row.result {
        Outcome::Passes => "passes",
        Outcome::Fails => "**fails**",
        Outcome::DoesNotApply => "does not apply",
    };
    let detail = row.detail.replace('|', "\\|");
    let judged_by = row.judged_by;
    format!("| {} | {arguments}{beside} | {exit} | {judged_by} | {result}: {detail} |", row.client)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::clients::cases::CASES;

    fn case(command: &str) -> &'static Case {
        CASES.iter().find(|case| case.command == command).unwrap()
    }

    fn run(status: i32, said: &str) -> Run {
        Run { status: Some(status), said: said.to_owned() }
    }

    #[test]
    fn a_client_passes_only_by_its_status_and_its_words() {
        let nop = case("gem_exec_nop -e rcs");
        let result = |run: &Run| row(nop, Some(run)).result;
        assert_eq!(result(&run(0, "1.5\n")), Outcome::Passes);
        assert_eq!(result(&run(0, "\n")), Outcome::Fails);
        assert_eq!(result(&run(1, "1.5\n")), Outcome::Fails);
        assert_eq!(result(&run(143, "1.5\n")), Outcome::Fails, "it hangs");
        assert_eq!(result(&Run { status: None, said: "1.5\n".into() }), Outcome::Fails);
        assert_eq!(row(nop, None).result, Outcome::Fails);
    }

    #[test]
    fn an_endless_client_must_be_ended_by_its_time_limit() {
        let top = CASES.iter().find(|case| case.endless).unwrap();
        assert_eq!(row(top, Some(&run(0, ""))).result, Outcome::Fails);
        assert_eq!(row(top, Some(&run(143, ""))).detail, "0 whole samples only");
    }

    #[test]
    fn only_the_clients_own_fault_is_excused() {
        let busy = case("gem_busy -e rcs");
        let words = busy.excuse.unwrap().0;
        assert_eq!(row(busy, Some(&run(98, words))).result, Outcome::DoesNotApply);
        assert_eq!(row(busy, Some(&run(98, "GPU hang"))).result, Outcome::Fails);
        assert_eq!(row(busy, Some(&run(0, "1.5"))).result, Outcome::Passes);
    }

    #[test]
    fn the_table_has_a_line_a_client() {
        let rows = rows(&CASES[..2], &BTreeMap::from([(0, run(1, "a|b"))]));
        let table = table(&rows);
        assert_eq!(table.lines().count(), 4);
        assert!(table.contains("| lsgpu |  | 1 |") && table.contains("**fails**: a\\|b |"));
        assert!(table.ends_with("**fails**: never ran |"));
    }
}
