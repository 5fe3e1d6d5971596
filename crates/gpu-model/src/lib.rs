//! The emulated Gen8 GPU: a deterministic state machine.

pub mod event;
pub mod fault;

pub use event::{Event, Observer};
