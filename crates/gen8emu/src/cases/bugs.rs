//! `run --bug` and `matrix --bugs`: bugs of the real driver, planted in ours, and what catches them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use driver::Bug;
use machine::{MachineKind, PlantedResult, RunOptions, run_planted};
use observe::Finding;
use observe::story::Story;
use serde::Serialize;

use super::{firmware, usable_machine};
use crate::cli::CaseArgs;
use crate::table;

/// Findings told in full for each bug; damage repeats itself.
const TOLD: usize = 6;

/// One bug: its program with the bug in the driver, and without.
#[derive(Serialize)]
pub(super) struct Pair {
    with: PlantedResult,
    without: PlantedResult,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    bugs: &'a [Pair],
    ok: bool,
}

/// How the pairs are told.
pub(super) type Text = fn(&[Bug], &[Pair]) -> String;

/// Runs the bugs that the command line names; says whether each was caught and nothing else.
/// `options` tell stories if `report` is a file for the stories of the runs with the bugs.
pub(super) fn command(
    arguments: &CaseArgs,
    text: Text,
    options: RunOptions,
    report: Option<&Path>,
) -> Result<bool> {
    let bugs = arguments.planted();
    let machine = usable_machine(arguments.machine.unwrap_or(MachineKind::InProcess));
    let options = RunOptions { firmware: firmware(arguments, machine)?, ..options };
    let run = |bug| -> Result<Pair> {
        Ok(Pair {
            with: run_planted(bug, true, machine, &options)?,
            without: run_planted(bug, false, machine, &options)?,
        })
    };
    let pairs = bugs.iter().map(|&bug| run(bug)).collect::<Result<Vec<Pair>>>()?;
    let ok = pairs.iter().all(|pair| pair.with.ok && pair.without.ok);
    let text = match arguments.json {
        true => serde_json::to_string(&Report { bugs: &pairs, ok })?,
        false => text(&bugs, &pairs),
    };
    writeln!(io::stdout(), "{text}").context("writing the result")?;
    if let Some(file) = report {
        let told: Vec<Story> = pairs.into_iter().filter_map(|pair| pair.with.story).collect();
        crate::report::stories::write(file, &told)?;
        eprintln!("the report is in {}", file.display());
    }
    Ok(ok)
}

/// The findings by which the bug is known, the first of each name.
fn known_by(result: &PlantedResult) -> impl Iterator<Item = &Finding> {
    result.expected.iter().filter_map(|&name| result.findings.iter().find(|f| f.name == name))
}

/// `matrix --bugs`: a row a bug, then where each was caught.
pub(super) fn grid(bugs: &[Bug], pairs: &[Pair]) -> String {
    let mut table = table::table(&["row", "bug", "ended by", "caught as", "without it"], 5);
    let mut places = String::new();
    for (bug, Pair { with, without }) in bugs.iter().zip(pairs) {
        let caught: Vec<&str> = known_by(with).map(|finding| finding.name.as_str()).collect();
        let caught =
            if caught.is_empty() { "✘ not caught".to_owned() } else { caught.join("\n") };
        let sound = if without.ok && without.findings.is_empty() { "✔ nothing" } else { "✘" };
        let ended = with.fixed_by.replace(", ", "\n");
        table.add_row([bug.row().to_string(), bug.to_string(), ended, caught, sound.to_owned()]);
        for finding in known_by(with).take(1) {
            // Writing to a String cannot fail.
            writeln!(places, "{:>2}  {}", bug.row(), finding.what).ok();
        }
        for difference in with.differences.iter().chain(&without.differences) {
            writeln!(places, "{:>2}  ✘ {difference}", bug.row()).ok();
        }
    }
    let caught = pairs.iter().filter(|pair| pair.with.ok).count();
    let sound = pairs.iter().filter(|pair| pair.without.ok).count();
    format!(
        "{table}\nWhere:\n{places}\n{} bugs: {caught} caught by name; {sound} show nothing without the bug",
        pairs.len()
    )
}

/// `run --bug`: the story of each, and its findings with what proves them.
pub(super) fn stories(bugs: &[Bug], pairs: &[Pair]) -> String {
    let mut text = String::new();
    for (bug, Pair { with, without }) in bugs.iter().zip(pairs) {
        writeln!(text, "{bug} (row {}, ended by {}): {}", bug.row(), bug.fixed_by(), bug.story())
            .ok();
        writeln!(text, "\nWith the bug, as '{}':", with.case).ok();
        if with.findings.is_empty() {
            writeln!(text, "  nothing found").ok();
        }
        let (known, others): (Vec<&Finding>, Vec<&Finding>) = with
            .findings
            .iter()
            .partition(|finding| with.expected.contains(&finding.name.as_str()));
        let told = known.into_iter().chain(others);
        told.clone().take(TOLD).for_each(|finding| tell(&mut text, finding));
        let more = told.count().saturating_sub(TOLD);
        if more > 0 {
            writeln!(text, "  and {more} more (--json has all)").ok();
        }
        match without.findings.len() {
            0 => writeln!(text, "Without it: nothing found.").ok(),
            found => writeln!(text, "Without it: {found} findings.").ok(),
        };
        for difference in with.differences.iter().chain(&without.differences) {
            writeln!(text, "✘ {difference}").ok();
        }
        writeln!(text).ok();
    }
    text.trim_end().to_owned()
}

fn tell(text: &mut String, finding: &Finding) {
    writeln!(text, "  {}: {}", finding.name, finding.what).ok();
    for fact in &finding.facts {
        writeln!(text, "      {}: {}", fact.label, fact.text).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(bugs: &[Bug]) -> Vec<Pair> {
        let run = |bug, planted| {
            run_planted(bug, planted, MachineKind::InProcess, &RunOptions::default()).unwrap()
        };
        bugs.iter().map(|&bug| Pair { with: run(bug, true), without: run(bug, false) }).collect()
    }

    #[test]
    fn the_grid_has_every_bug_with_the_name_that_caught_it() {
        let text = grid(&Bug::ALL, &pairs(&Bug::ALL));
        for bug in Bug::ALL {
            assert!(text.contains(bug.name()), "{text}");
            for name in machine::caught_as(bug) {
                assert!(text.contains(name), "{text}");
            }
        }
        assert!(
            text.ends_with("7 bugs: 7 caught by name; 7 show nothing without the bug"),
            "{text}"
        );
    }

    #[test]
    fn a_bug_that_is_not_caught_is_told_as_such() {
        let bugs = [Bug::PdpChangeNotMarkedDirty];
        let mut pairs = pairs(&bugs);
        pairs[0].with.findings.clear();
        pairs[0].with.differences.push("StalePageDirectory: expected, did not appear".to_owned());
        pairs[0].with.ok = false;
        let text = grid(&bugs, &pairs);
        assert!(text.contains("✘ not caught"), "{text}");
        assert!(text.contains("13  ✘ StalePageDirectory: expected"), "{text}");
        assert!(text.contains("1 bugs: 0 caught"), "{text}");
    }

    #[test]
    fn a_story_tells_both_sites() {
        let bugs = [Bug::NoTlbFlushAtPageRelease];
        let text = stories(&bugs, &pairs(&bugs));
        assert!(text.starts_with("no-tlb-flush-at-page-release (row 1, ended by 7938d61591d3)"));
        for part in ["PageUsedAfterFree: rcs0 wrote to page", "freed: ", "used: ", "in the batch"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.ends_with("Without it: nothing found."), "{text}");
    }
}
