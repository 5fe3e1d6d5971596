//! A look, drawn.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Row, Table, Widget};

use super::reading::{EngineView, SpaceView, View};

/// Letters of a bar.
const BAR: usize = 20;
/// Lines besides those of engines and address spaces.
const OTHER_LINES: usize = HEAD_LINES + 3;
/// Those of them that are ahead of the tables.
const HEAD_LINES: usize = 3;

/// Lines that a look takes.
pub(super) fn height(view: &View) -> u16 {
    let lines = view.engines.len() + view.spaces.len() + OTHER_LINES;
    u16::try_from(lines).unwrap_or(u16::MAX)
}

/// Draws a look; what has no room is left out.
pub(super) fn draw(view: &View, area: Rect, buffer: &mut Buffer) {
    let engine_lines = u16::try_from(view.engines.len() + 2).unwrap_or(u16::MAX);
    let parts = [
        Constraint::Length(HEAD_LINES as u16),
        Constraint::Length(engine_lines),
        Constraint::Min(0),
    ];
    let [head, engines, spaces] = Layout::vertical(parts).areas(area);
    Text::from(first_lines(view).map(Line::from).to_vec()).render(head, buffer);
    engine_table(&view.engines).render(engines, buffer);
    space_table(view).render(spaces, buffer);
}

/// What fits into 80 columns also where much happens.
fn first_lines(view: &View) -> [String; 2] {
    let View { mmio_reads, mmio_writes, faults, resets, pages, .. } = view;
    let (seconds, spaces) = (view.now_ns / 1_000_000_000, view.spaces.len());
    let events = |name, [now, all]: [u64; 2]| format!("{name} {all} (+{now})");
    [
        format!("gen8emu top   {seconds} s   address spaces {spaces}   page-table pages {pages}"),
        format!(
            "MMIO {mmio_reads} reads/s {mmio_writes} writes/s   {}   {}",
            events("faults", *faults),
            events("resets", *resets)
        ),
    ]
}

fn engine_table(engines: &[EngineView]) -> Table<'static> {
    let rows = engines.iter().map(|engine| {
        let bar = "█".repeat(usize::try_from(engine.busy).unwrap_or(0) * BAR / 100);
        Row::new([
            Cell::from(engine.name.clone()),
            Cell::from(engine.activity.clone()),
            Cell::from(bar),
            number(format!("{} %", engine.busy)),
            number(format!("{:#x}", engine.context)),
            number(engine.loads.to_string()),
            number(engine.batches.to_string()),
        ])
    });
    let widths = [8, 8, BAR as u16, 7, 10, 10, 10].map(Constraint::Length);
    let head = ["engine", "state", "busy", "", "context", "loads/s", "batches/s"];
    Table::new(rows.collect::<Vec<_>>(), widths).header(header(head, 3..7))
}

fn space_table(view: &View) -> Table<'static> {
    let rows = view.spaces.iter().map(space_row);
    let widths = [8, 8, BAR as u16, 7, 10, 10, 16].map(Constraint::Length);
    let head = ["space", "levels", "root", "loads/s", "pages", "PTEs", "loaded by"];
    Table::new(rows.collect::<Vec<_>>(), widths).header(header(head, 3..6))
}

fn space_row(space: &SpaceView) -> Row<'static> {
    let root = space.root.first().copied().unwrap_or_default();
    let more = if space.root.len() > 1 { ", …" } else { "" };
    Row::new([
        Cell::from(space.number.to_string()),
        Cell::from(space.levels.to_string()),
        Cell::from(format!("{root:#x}{more}")),
        number(space.loads.to_string()),
        number(space.pages.to_string()),
        number(space.ptes.to_string()),
        Cell::from(space.live_on.join(" ")),
    ])
}

/// The names of columns, of which some hold numbers.
fn header<const N: usize>(names: [&'static str; N], numbers: Range<usize>) -> Row<'static> {
    let cells = names.into_iter().enumerate().map(|(column, name)| match column {
        column if numbers.contains(&column) => number(name.to_owned()),
        _ => Cell::from(name),
    });
    Row::new(cells.collect::<Vec<_>>()).style(Style::new().add_modifier(Modifier::BOLD))
}

fn number(text: String) -> Cell<'static> {
    Cell::from(Text::from(text).alignment(Alignment::Right))
}
