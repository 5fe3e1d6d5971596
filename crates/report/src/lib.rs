//! A [`Story`](observe::story::Story) of the device, drawn: [`html()`] makes a page to look at, [`perfetto()`]
//! a trace for Perfetto.
//!
//! Nothing here knows where a story comes from.
#![forbid(unsafe_code)]

mod html;
mod perfetto;

use observe::TableTotals;

pub use html::html;
pub use perfetto::perfetto;

/// Page-table pages of all kinds; a story from a file may give any numbers.
fn pages(tables: &TableTotals) -> u64 {
    let TableTotals { pml4, pdp, pd, pt, scratch_tables, scratch_pages } = *tables;
    let kinds = [pml4, pdp, pd, pt, scratch_tables, scratch_pages];
    kinds.into_iter().fold(0, |sum, number| sum.saturating_add(number as u64))
}
