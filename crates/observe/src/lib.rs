//! Observers of the device's events.
//!
//! [`Census`] finds out, from guest memory and from what the engines loaded, which address spaces
//! exist, what they map and what nobody can reclaim. Ownership hints of the guest
//! ([`gen8_spec::debug_page`]) name who owns what; what is counted is found by walking page
//! tables. It knows nothing of the driver. [`AddressSpaces`] lists every address space that an
//! engine ever loaded, for guests that give no hints. [`Observers`] holds several observers, and
//! what they find wrong has one form: [`Finding`].
#![forbid(unsafe_code)]

mod activity;
mod census;
mod census_finding;
mod conformance;
mod engine_name;
mod engines;
mod explain;
mod finding;
pub mod kernel;
mod log;
mod names;
mod observers;
mod ownership;
mod pages;
mod plain;
pub mod provenance;
mod recent;
mod roots;
mod running;
mod snapshot;
mod spaces;
pub mod staleness;
pub mod story;
mod survey;
mod tlbs;
mod unbound;
mod use_after;
pub mod views;

pub use activity::{Activity, Busy, SeenContext};
pub use census::Census;
pub use census_finding::{CensusFinding, StaleReason};
pub use conformance::{
    Block, Check, Conformance, Culprit, Explained, Hit, Judgement, ObservedRule, Rule, RuleReport,
    StockGuest, checks,
};
pub use finding::{Fact, Finding, Findings, Severity};
pub use log::CensusLog;
pub use observers::Observers;
pub use plain::{is_trick, plain};
pub use recent::{EVENT_KINDS, EventFilter, EventReport, RecentEvents, event_kind};
pub use snapshot::{AddressSpaceCensus, CensusSnapshot, MappedRange, ObjectCensus, TableTotals};
pub use spaces::{
    AddressSpaceReport, AddressSpaceReports, AddressSpaces, MappedPage, PageMappings, RootError,
    SpaceContent, SpaceContents, SpaceMapping, TableWalk,
};
pub use staleness::Staleness;
pub use unbound::{Blind, UnboundUses, UsesReport};
pub use use_after::UseAfter;
