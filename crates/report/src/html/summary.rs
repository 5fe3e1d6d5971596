//! What a story holds, in a few numbers: so that one knows what one looks at.

use observe::Severity;
use observe::story::{SpaceState, Story};

use super::markup::Markup;
use super::words;
use crate::pages;

/// A row of numbers, each with what it counts.
pub(super) fn tiles(page: &mut Markup, story: &Story) {
    page.raw("<dl class=\"tiles\">");
    for (number, [one, many], more) in numbers(story) {
        page.raw("<div><dt>")
            .text(if number == 1 { one } else { many })
            .raw("</dt><dd><b>")
            .text(&words::grouped(number));
        page.raw("</b>");
        if !more.is_empty() {
            page.raw(" <span class=\"soft\">").text(&more).raw("</span>");
        }
        page.raw("</dd></div>");
    }
    page.raw("</dl>\n");
}

fn numbers(story: &Story) -> Vec<(usize, [&'static str; 2], String)> {
    let engines: Vec<&str> = story.engines.iter().map(|engine| engine.name.as_str()).collect();
    let left_out = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let contexts = story.contexts.len().saturating_add(left_out(story.left_out.contexts));
    let requests = story.requests.len().saturating_add(left_out(story.left_out.requests));
    let unended = story.requests.iter().filter(|request| request.ended_ns.is_none()).count();
    let spaces = story.spaces.len().saturating_add(left_out(story.left_out.spaces));
    let of = |severity| story.findings.iter().filter(|f| f.severity == severity).count();
    let notes = of(Severity::Note);
    let (of_spaces, tables) = match story.is_hinted() {
        true => told(story),
        false => ("by their roots".to_owned(), None),
    };
    let mut numbers = vec![
        (story.engines.len(), ["engine at work", "engines at work"], engines.join(" ")),
        (contexts, ["context", "contexts"], String::new()),
        (requests, ["request", "requests"], not(unended, "not ended")),
        (spaces, ["address space", "address spaces"], of_spaces),
    ];
    numbers
        .extend(tables.map(|pages| {
            (pages, ["page-table page", "page-table pages"], "at the end".to_owned())
        }));
    let findings = of(Severity::Error) + of(Severity::Warning);
    numbers.push((
        findings,
        ["finding", "findings"],
        not(notes, if notes == 1 { "note" } else { "notes" }),
    ));
    numbers
}

/// What is known of address spaces where a driver tells when they end: how many are left, and their pages.
fn told(story: &Story) -> (String, Option<usize>) {
    let here = story.spaces.iter().filter(|space| space.state != SpaceState::Released);
    let tables = here.clone().filter_map(|space| space.pages.last());
    let tables = tables.map(|last| pages(&last.tables)).fold(0, u64::saturating_add);
    let here = format!("{} at the end", words::grouped(here.count()));
    (here, Some(usize::try_from(tables).unwrap_or(usize::MAX)))
}

/// A number that is worth a word if it is not 0.
fn not(number: usize, what: &str) -> String {
    if number == 0 { String::new() } else { format!("{} {what}", words::grouped(number)) }
}
