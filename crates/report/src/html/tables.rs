//! What the drawings show, as tables: for reading, searching and copying.

use observe::story::{ContextStory, MappingStory, RequestStory, SpaceStory, Story, size};

use super::markup::Markup;
use super::words::Unit;

/// Rows of a table; more would make the page slow.
const MOST_ROWS: usize = 300;
/// What stands where nothing is known.
const NONE: &str = "–";
/// What `≤` and `≥` mean.
const SEEN: &str =
    "≤ and ≥: when an engine had it first and last. Nobody told when it was created or freed.";

/// What stands in a row.
enum Cell {
    Text(String),
    Number(u64),
    /// A time, and what stands before it.
    Time(&'static str, Option<u64>),
}

/// A row, and whether it is marked.
struct Row<const N: usize> {
    cells: [Cell; N],
    marked: bool,
}

/// Names of columns; those of times get their unit.
type Head<const N: usize> = [(&'static str, Kind); N];

/// What a table is: its name, its columns, the unit of its times, and what its signs mean.
struct Plan<const N: usize> {
    name: &'static str,
    unit: Unit,
    head: Head<N>,
    legend: &'static str,
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Words,
    Numbers,
    Times,
}

use Kind::{Numbers, Times, Words};

/// All tables, each behind its headline.
pub(super) fn all(page: &mut Markup, story: &Story) {
    let unit = Unit::up_to(story.end_ns);
    spaces(page, story, unit);
    mappings(page, story, unit);
    contexts(page, story, unit);
    let requests = story.requests.iter().map(|request| request_row(story, request));
    let head = [
        ("Request", Numbers),
        ("Engine", Words),
        ("Context", Words),
        ("Seqno", Numbers),
        ("Submitted", Times),
        ("Began", Times),
        ("Ended", Times),
    ];
    table(page, Plan { name: "Requests", unit, head, legend: "" }, requests);
    let ggtt = story.ggtt.iter().map(|range| {
        let what = if range.what.is_empty() { NONE } else { &range.what };
        row([hex(range.start), Cell::Text(size(range.len)), hex(range.page), text(what)])
    });
    let head = [("Address", Words), ("Size", Numbers), ("First page", Words), ("What", Words)];
    table(page, Plan { name: "GGTT", unit, head, legend: "" }, ggtt);
}

fn row<const N: usize>(cells: [Cell; N]) -> Row<N> {
    Row { cells, marked: false }
}

fn table<const N: usize>(
    page: &mut Markup,
    plan: Plan<N>,
    rows: impl ExactSizeIterator<Item = Row<N>>,
) {
    let Plan { name, unit, head, legend } = plan;
    let all = rows.len();
    if all == 0 {
        return;
    }
    page.raw("<details><summary>").raw(name).raw(": ").text(&all.to_string()).raw("</summary>");
    page.raw("<div class=\"scroll\"><table><thead><tr>");
    for (title, kind) in head {
        page.raw(if kind == Words { "<th>" } else { "<th class=\"n\">" }).raw(title);
        if kind == Times {
            page.raw(", ").raw(unit.name);
        }
        page.raw("</th>");
    }
    page.raw("</tr></thead><tbody>\n");
    for Row { cells, marked } in rows.take(MOST_ROWS) {
        page.raw(if marked { "<tr class=\"leaked\">" } else { "<tr>" });
        for (cell, (_, kind)) in cells.iter().zip(head) {
            data(page, unit, kind, cell);
        }
        page.raw("</tr>\n");
    }
    page.raw("</tbody></table></div>");
    if all > MOST_ROWS {
        page.raw("<p class=\"soft\">").text(&format!("And {} more.", all - MOST_ROWS)).raw("</p>");
    }
    if !legend.is_empty() {
        page.raw("<p class=\"soft\">").raw(legend).raw("</p>");
    }
    page.raw("</details>\n");
}

fn data(page: &mut Markup, unit: Unit, kind: Kind, cell: &Cell) {
    if let Cell::Time(sign, Some(ns)) = cell {
        // All its digits are there for whoever wants to go there (`--to-ns`).
        page.raw("<td class=\"n\" title=\"").text(&ns.to_string()).raw(" ns\">");
        page.raw(sign).text(&unit.text(*ns)).raw("</td>");
        return;
    }
    page.raw(if kind == Words { "<td>" } else { "<td class=\"n\">" });
    match cell {
        Cell::Text(words) => page.text(words),
        Cell::Number(number) => page.text(&number.to_string()),
        Cell::Time(..) => page.raw(NONE),
    };
    page.raw("</td>");
}

fn spaces(page: &mut Markup, story: &Story, unit: Unit) {
    let head = [
        ("Address space", Words),
        ("State", Words),
        ("Why", Words),
        ("Levels", Numbers),
        ("Root", Words),
        ("Table pages", Numbers),
        ("First", Times),
        ("Last loaded", Times),
        ("Released", Times),
    ];
    let rows = story.spaces.iter().map(|space| Row {
        cells: [
            text(&space.name),
            text(space.state.name()),
            text(&space.why),
            Cell::Number(space.levels.into()),
            space.root.first().map_or(text(NONE), |&root| hex(root)),
            space.pages.last().map_or(text(NONE), |last| Cell::Number(crate::pages(&last.tables))),
            Cell::Time("", Some(space.first_ns)),
            Cell::Time("", space.last_ns),
            Cell::Time("", space.released_ns),
        ],
        marked: space.leaked,
    });
    table(page, Plan { name: "Address spaces", unit, head, legend: "" }, rows);
}

/// Mappings of all address spaces, leaked ones first.
fn mappings(page: &mut Markup, story: &Story, unit: Unit) {
    let mut all: Vec<(&SpaceStory, &MappingStory)> = story
        .spaces
        .iter()
        .flat_map(|space| space.mappings.iter().map(move |mapping| (space, mapping)))
        .collect();
    all.sort_by_key(|(_, mapping)| !mapping.leaked);
    let head = [
        ("Address space", Words),
        ("Address", Words),
        ("Size", Numbers),
        ("Object", Words),
        ("Pages", Words),
        ("PTE", Words),
        ("Written by", Words),
        ("Bound", Times),
        ("For request", Numbers),
        ("Unbound", Times),
    ];
    let rows = all.into_iter().map(|(space, mapping)| mapping_row(story, space, mapping));
    table(page, Plan { name: "Mappings", unit, head, legend: "" }, rows);
}

fn mapping_row(story: &Story, space: &SpaceStory, mapping: &MappingStory) -> Row<10> {
    let request = mapping.bound_by.and_then(|index| story.requests.get(index));
    let cells = [
        text(&space.name),
        hex(mapping.va),
        Cell::Text(size(mapping.len)),
        mapping.object.map_or(text(NONE), |object| Cell::Text(object.to_string())),
        Cell::Text(reaches(mapping)),
        pte(mapping).map_or(text(NONE), Cell::Text),
        text(mapping.written_by.as_deref().unwrap_or(NONE)),
        Cell::Time("", Some(mapping.bound_ns)),
        request.map_or(text(NONE), |request| Cell::Number(request.number)),
        match mapping.leaked {
            true => text("never: leaked"),
            false => Cell::Time("", mapping.unbound_ns),
        },
    ];
    Row { cells, marked: mapping.leaked }
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

fn contexts(page: &mut Markup, story: &Story, unit: Unit) {
    let head = [
        ("Context", Words),
        ("Hardware id", Numbers),
        ("Image (LRCA)", Words),
        ("Address space", Words),
        ("Created", Times),
        ("Freed", Times),
    ];
    let rows = story.contexts.iter().map(|context| context_row(story, context));
    let mut unknown = story.contexts.iter().filter(|context| context.created_ns.is_none());
    let legend = if unknown.any(|context| context.seen_ns.is_some()) { SEEN } else { "" };
    table(page, Plan { name: "Contexts", unit, head, legend }, rows);
}

fn context_row(story: &Story, context: &ContextStory) -> Row<6> {
    let (first, last) = context.seen_ns.unzip();
    let (created, freed) = match (context.created_ns, context.freed_ns) {
        (None, None) => (Cell::Time("≤ ", first), Cell::Time("≥ ", last)),
        (created, freed) => (Cell::Time("", created), Cell::Time("", freed)),
    };
    row([
        text(&context.name),
        Cell::Number(context.id.into()),
        context.image.map_or(text(NONE), hex),
        name_of(&story.spaces, context.space, |space| &space.name),
        created,
        freed,
    ])
}

fn request_row(story: &Story, request: &RequestStory) -> Row<7> {
    row([
        Cell::Number(request.number),
        name_of(&story.engines, Some(request.engine), |engine| &engine.name),
        name_of(&story.contexts, request.context, |context| &context.name),
        Cell::Number(request.seqno.into()),
        Cell::Time("", Some(request.submitted_ns)),
        Cell::Time("", request.began_ns),
        Cell::Time("", request.ended_ns),
    ])
}

/// The name of what `index` says, which may say anything in a story from a file.
fn name_of<T>(list: &[T], index: Option<usize>, name: impl Fn(&T) -> &String) -> Cell {
    let found = index.and_then(|index| list.get(index));
    text(found.map_or(NONE, |item| name(item)))
}

fn text(words: &str) -> Cell {
    Cell::Text(words.to_owned())
}

fn hex(number: u64) -> Cell {
    Cell::Text(format!("{number:#x}"))
}
