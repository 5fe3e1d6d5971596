//! What `gen8emu inspect` asks: the state of the device at one moment. Answers are plain data, read by the
//! program's own client as well. The device is held up for copies only, and every answer is bounded.

pub(crate) mod contexts;
pub(crate) mod engines;
pub(crate) mod ggtt;
pub(crate) mod load;
pub(crate) mod place;
pub(crate) mod ranges;
pub(crate) mod registers;
pub(crate) mod runs;
pub(crate) mod snapshot;
pub(crate) mod tables;
pub(crate) mod tlbs;
pub(crate) mod walk;
pub(crate) mod watched;
pub(crate) mod who_wrote;

#[cfg(test)]
mod tests;

use gpu_model::Gpu;

use super::Subject;

/// A copy of the device, which is asked in its place.
fn copy(subject: &Subject) -> Gpu {
    subject.device.look(Gpu::copy_without_ggtt)
}
