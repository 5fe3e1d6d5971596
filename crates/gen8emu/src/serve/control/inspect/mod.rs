//! What `gen8emu inspect` asks: the state of the device at one moment. Answers are plain data, read by the
//! program's own client as well. The device is held up for copies only, and every answer is bounded.

pub(crate) mod engines;
pub(crate) mod ggtt;
pub(crate) mod registers;
pub(crate) mod tlbs;
pub(crate) mod walk;

#[cfg(test)]
mod tests;

use gpu_model::Gpu;

use super::Facts;

/// A copy of the device, which is asked in its place.
fn copy(facts: &Facts) -> Gpu {
    facts.device.look(Gpu::copy_without_ggtt)
}
