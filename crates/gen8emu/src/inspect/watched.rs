//! What observers saw, for people.

use observe::story::{SpaceState, SpaceStory};
use observe::{Finding, RuleReport, Severity};

use super::tables::{NONE, hex, ms};
use crate::control::inspect::watched::{AllFindings, Events, Leaks, Rules};
use crate::control::inspect::who_wrote::{History, WhoWrote};
use crate::table::table;

/// One line an event.
pub(super) fn events(answer: &Events) -> String {
    let mut shown = table(&["event", "at", "engine", "kind", "what"], 5);
    for event in &answer.events {
        let engine = event.engine.clone().unwrap_or_else(|| NONE.to_owned());
        let (number, at) = (event.number.to_string(), ms(event.at_ns));
        shown.add_row([number, at, engine, event.kind.clone(), event.text.clone()]);
    }
    let sum = format!("{} of {} events", answer.events.len(), answer.heard);
    if answer.events.is_empty() { sum } else { format!("{}\n{sum}", shown.trim_fmt()) }
}

/// One line an address space, then a paragraph for each leak.
pub(super) fn leaks(answer: &Leaks) -> String {
    let head = ["address space", "state", "levels", "root", "pages", "mapped", "leaked"];
    let mut shown = table(&head, 2);
    for space in &answer.spaces {
        shown.add_row(space_row(space));
    }
    let released = match answer.released {
        0 => String::new(),
        released => format!("; {released} are released"),
    };
    let is_orphaned = |space: &&SpaceStory| space.state == SpaceState::Orphaned;
    let orphaned = answer.spaces.iter().filter(is_orphaned).count();
    let sum = format!(
        "{} address spaces, {orphaned} orphaned, at {}{released}",
        answer.spaces.len(),
        ms(answer.now_ns)
    );
    let table = (!answer.spaces.is_empty()).then(|| shown.trim_fmt());
    let leaks = answer.findings.iter().map(paragraph);
    table.into_iter().chain([sum]).chain(leaks).collect::<Vec<_>>().join("\n")
}

fn space_row(space: &SpaceStory) -> [String; 7] {
    let bytes = |leaked: bool| {
        let counted = space.mappings.iter().filter(|mapping| mapping.leaked || !leaked);
        hex(counted.map(|mapping| mapping.len).sum::<u64>())
    };
    [
        space.name.clone(),
        space.state.name().to_owned(),
        space.levels.to_string(),
        space.root.first().copied().map_or_else(|| NONE.to_owned(), hex),
        space.pages.last().map_or(0, |sample| sample.tables.total()).to_string(),
        bytes(false),
        bytes(true),
    ]
}

/// A paragraph for each place, one line a write.
pub(super) fn who_wrote(answer: &WhoWrote) -> String {
    let paragraph = |history: &History| {
        let writes: Vec<String> = match history.writes.is_empty() {
            true => vec!["    no write is known".to_owned()],
            false => history.writes.iter().map(|write| format!("    {write}")).collect(),
        };
        format!("{}\n{}", history.place, writes.join("\n"))
    };
    let paragraphs: Vec<String> = answer.places.iter().map(paragraph).collect();
    paragraphs.join("\n")
}

/// One line a rule that was broken.
pub(super) fn rules(answer: &Rules) -> String {
    let mut shown = table(&["rule", "severity", "by", "times", "first", "last"], 3);
    for rule in &answer.rules {
        shown.add_row(rule_row(&rule.report));
    }
    match answer.rules.len() {
        0 => "no rule was broken".to_owned(),
        broken => format!("{}\n{broken} of the rules were broken", shown.trim_fmt()),
    }
}

fn rule_row(rule: &RuleReport) -> [String; 6] {
    [
        rule.id.clone(),
        severity(rule.severity).to_owned(),
        format!("{:?}", rule.culprit).to_lowercase(),
        rule.count.to_string(),
        rule.first.text(),
        rule.last.text(),
    ]
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// A paragraph for each.
pub(super) fn findings(answer: &AllFindings) -> String {
    if answer.findings.is_empty() {
        return "nothing was found".to_owned();
    }
    let paragraphs: Vec<String> = answer.findings.iter().map(paragraph).collect();
    paragraphs.join("\n")
}

fn paragraph(finding: &Finding) -> String {
    let Finding { name, at_ns, what, facts, .. } = finding;
    let severity = severity(finding.severity);
    let mut text = format!("{severity}: {name} at {}: {what}", ms(*at_ns));
    for fact in facts {
        text.push_str(&format!("\n    {}: {}", fact.label, fact.text));
    }
    text
}
