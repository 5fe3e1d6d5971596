//! What is told of a device: as i915 tells it, and as it was submitted.

mod aub;
mod error_state;
mod stuck;
mod with_error_decoder;
