//! What the drawings show, as tables: for reading, searching and copying.

use observe::story::{ContextStory, MappingStory, RequestStory, SpaceStory, Story, size};

use super::markup::Markup;
use super::words;

/// Rows of a table; more would make the page slow.
const MOST_ROWS: usize = 300;
/// What stands where nothing is known.
const NONE: &str = "–";

/// All tables, each behind its headline.
pub(super) fn all(page: &mut Markup, story: &Story) {
    mappings(page, story);
    let contexts = story.contexts.iter().map(|context| context_row(story, context));
    let head = ["Context", "Hardware id", "Image (LRCA)", "Address space", "Created", "Freed"];
    table(page, "Contexts", head, contexts);
    let requests = story.requests.iter().map(|request| request_row(story, request));
    let head = ["Request", "Engine", "Context", "Seqno", "Submitted", "Began", "Ended"];
    table(page, "Requests", head, requests);
    let ggtt = story.ggtt.iter().map(|range| {
        let what = if range.what.is_empty() { NONE } else { &range.what };
        row([hex(range.start), size(range.len), hex(range.page), what.to_owned()])
    });
    table(page, "GGTT", ["Address", "Size", "First page", "What"], ggtt);
}

/// A row, and whether it is marked.
type Row<const N: usize> = ([String; N], bool);

fn row<const N: usize>(cells: [String; N]) -> Row<N> {
    (cells, false)
}

fn table<const N: usize>(
    page: &mut Markup,
    name: &'static str,
    head: [&'static str; N],
    rows: impl ExactSizeIterator<Item = Row<N>>,
) {
    let all = rows.len();
    page.raw("<details><summary>").raw(name).raw(": ").text(&all.to_string()).raw("</summary>");
    page.raw("<div class=\"scroll\"><table><thead><tr>");
    for title in head {
        page.raw("<th>").raw(title).raw("</th>");
    }
    page.raw("</tr></thead><tbody>\n");
    for (cells, marked) in rows.take(MOST_ROWS) {
        page.raw(if marked { "<tr class=\"leaked\">" } else { "<tr>" });
        for cell in &cells {
            page.raw("<td>").text(cell).raw("</td>");
        }
        page.raw("</tr>\n");
    }
    page.raw("</tbody></table></div>");
    if all > MOST_ROWS {
        page.raw("<p class=\"soft\">").text(&format!("And {} more.", all - MOST_ROWS)).raw("</p>");
    }
    page.raw("</details>\n");
}

/// Mappings of all address spaces, leaked ones first.
fn mappings(page: &mut Markup, story: &Story) {
    let mut all: Vec<(&SpaceStory, &MappingStory)> = story
        .spaces
        .iter()
        .flat_map(|space| space.mappings.iter().map(move |mapping| (space, mapping)))
        .collect();
    all.sort_by_key(|(_, mapping)| !mapping.leaked);
    let head = [
        "Address space",
        "Address",
        "Size",
        "Object",
        "Pages",
        "PTE",
        "Written by",
        "Bound",
        "For request",
        "Unbound",
    ];
    let rows = all.into_iter().map(|(space, mapping)| mapping_row(story, space, mapping));
    table(page, "Mappings", head, rows);
}

fn mapping_row(story: &Story, space: &SpaceStory, mapping: &MappingStory) -> Row<10> {
    let object = mapping.object.map_or(NONE.to_owned(), |object| object.to_string());
    let unbound = match mapping.unbound_ns {
        _ if mapping.leaked => "never: leaked".to_owned(),
        unbound => time(unbound),
    };
    let request = mapping.bound_by.and_then(|index| story.requests.get(index));
    let cells = [
        space.name.clone(),
        hex(mapping.va),
        size(mapping.len),
        object,
        reaches(mapping),
        pte(mapping).unwrap_or(NONE.to_owned()),
        mapping.written_by.clone().unwrap_or(NONE.to_owned()),
        words::time(mapping.bound_ns),
        request.map_or(NONE.to_owned(), |request| request.number.to_string()),
        unbound,
    ];
    (cells, mapping.leaked)
}

/// The pages that a mapping reaches.
pub(super) fn reaches(mapping: &MappingStory) -> String {
    let pieces = mapping.reaches.iter().map(|piece| format!("{:#x}+{:#x}", piece.page, piece.len));
    let pieces: Vec<String> = pieces.collect();
    if pieces.is_empty() { NONE.to_owned() } else { pieces.join(", ") }
}

/// A mapping's first PTE and where it stands, if a walk met it.
pub(super) fn pte(mapping: &MappingStory) -> Option<String> {
    (mapping.pte_address != 0).then(|| format!("{:#x} at {:#x}", mapping.pte, mapping.pte_address))
}

fn context_row(story: &Story, context: &ContextStory) -> Row<6> {
    row([
        context.name.clone(),
        context.id.to_string(),
        context.image.map_or(NONE.to_owned(), hex),
        name_of(story.spaces.as_slice(), context.space, |space| &space.name),
        time(context.created_ns),
        time(context.freed_ns),
    ])
}

fn request_row(story: &Story, request: &RequestStory) -> Row<7> {
    row([
        request.number.to_string(),
        name_of(&story.engines, Some(request.engine), |engine| &engine.name),
        name_of(&story.contexts, request.context, |context| &context.name),
        request.seqno.to_string(),
        words::time(request.submitted_ns),
        time(request.began_ns),
        time(request.ended_ns),
    ])
}

/// The name of what `index` says, which may say anything in a story from a file.
fn name_of<T>(list: &[T], index: Option<usize>, name: impl Fn(&T) -> &String) -> String {
    let found = index.and_then(|index| list.get(index));
    found.map_or(NONE.to_owned(), |item| name(item).clone())
}

fn hex(number: u64) -> String {
    format!("{number:#x}")
}

fn time(ns: Option<u64>) -> String {
    ns.map_or(NONE.to_owned(), words::time)
}
