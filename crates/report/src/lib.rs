//! What the device did, for those who look: a [`Story`](observe::story::Story) as a page ([`html()`]) or as a
//! trace for Perfetto ([`perfetto()`]), the device itself as i915 tells of it
//! ([`error_state()`]), and what was submitted to it ([`Aub`]).
//!
//! Nothing here knows where a story or a device comes from.
#![forbid(unsafe_code)]

mod aub;
mod error_state;
mod html;
mod perfetto;

use observe::TableTotals;

pub use aub::{Aub, Run, Runs};
pub use error_state::error_state;
pub use html::{Origin, html};
pub use perfetto::perfetto;

/// Page-table pages of all kinds; a story from a file may give any numbers.
fn pages(tables: &TableTotals) -> u64 {
    let TableTotals { pml4, pdp, pd, pt, scratch_tables, scratch_pages } = *tables;
    let kinds = [pml4, pdp, pd, pt, scratch_tables, scratch_pages];
    kinds.into_iter().fold(0, |sum, number| sum.saturating_add(number as u64))
}
