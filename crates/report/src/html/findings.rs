//! Findings, the worst first.

use std::cmp::Reverse;

use observe::story::{Story, time};
use observe::{Finding, Severity};

use super::markup::Markup;
use super::words;

/// Findings that are written in full; the others are counted by name.
const MOST: usize = 200;

/// The list, if there is anything to list. Notes are no alarm: they stand behind a headline.
pub(super) fn list(page: &mut Markup, story: &Story) {
    let mut findings: Vec<&Finding> = story.findings.iter().collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    let notes = findings.partition_point(|finding| finding.severity > Severity::Note);
    let (findings, notes) = findings.split_at(notes);
    items(page, findings);
    if !notes.is_empty() {
        let number = words::count(notes.len(), "note", "notes");
        page.raw("<details class=\"notes\"><summary>")
            .text(&number)
            .raw(": known, and no harm</summary>\n");
        items(page, notes);
        page.raw("</details>\n");
    }
}

fn items(page: &mut Markup, findings: &[&Finding]) {
    if findings.is_empty() {
        return;
    }
    let (written, counted) = findings.split_at(findings.len().min(MOST));
    page.raw("<ul class=\"findings\">\n");
    for finding in written {
        item(page, finding);
    }
    page.raw("</ul>\n");
    if !counted.is_empty() {
        page.raw("<p class=\"soft\">And ").text(&by_name(counted)).raw(".</p>\n");
    }
}

fn item(page: &mut Markup, finding: &Finding) {
    let severity = severity(finding.severity);
    page.raw("<li class=\"finding ").raw(severity).raw("\"><header><span class=\"badge ");
    page.raw(severity).raw("\">").raw(severity).raw("</span><b>").text(&finding.name);
    page.raw("</b><span class=\"soft\">at ").text(&time(finding.at_ns));
    page.raw("</span></header><p>").text(&finding.what).raw("</p>");
    if !finding.facts.is_empty() {
        page.raw("<dl class=\"facts\">");
        for fact in &finding.facts {
            page.raw("<dt>").text(&fact.label).raw("</dt><dd>").text(&fact.text).raw("</dd>");
        }
        page.raw("</dl>");
    }
    page.raw("</li>\n");
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// How many there are of each name.
fn by_name(findings: &[&Finding]) -> String {
    let mut names: Vec<&str> = findings.iter().map(|finding| finding.name.as_str()).collect();
    names.sort_unstable();
    let counts =
        names.chunk_by(|a, b| a == b).map(|same| format!("{} more {}", same.len(), same[0]));
    counts.collect::<Vec<_>>().join(", ")
}
