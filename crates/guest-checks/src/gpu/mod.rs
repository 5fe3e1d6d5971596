//! The GPU as a client of i915 has it: device nodes, objects, contexts, batches.

mod batch;
pub(crate) mod blt;
mod context;
mod device;
mod endless;
mod frame_buffer;
mod node;
mod object;
mod pmu;
mod registers;
mod trial;
mod worker;

pub(crate) use batch::{Batch, MI_BATCH_BUFFER_END, mi};
pub(crate) use context::Context;
pub(crate) use device::{Device, Engine};
pub(crate) use endless::Endless;
pub(crate) use frame_buffer::FrameBuffer;
pub(crate) use node::Node;
pub(crate) use object::{Object, Placed, View};
pub(crate) use pmu::Counter;
pub(crate) use registers::{Awake, Registers};
pub(crate) use trial::Trial;
pub(crate) use worker::Worker;
