//! Tables on the screen, one look for all of them.

use comfy_table::{CellAlignment, Table, TableComponent, presets};

/// An empty table with this head; columns from `first_number` on hold numbers.
pub(crate) fn table<T: ToString>(head: &[T], first_number: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(head.iter().map(T::to_string));
    // A line under the head is enough; lines between rows only keep the eye from comparing.
    for line in [
        TableComponent::HorizontalLines,
        TableComponent::MiddleIntersections,
        TableComponent::LeftBorderIntersections,
        TableComponent::RightBorderIntersections,
    ] {
        table.remove_style(line);
    }
    for column in table.column_iter_mut().skip(first_number) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
