//! Recordings: what went into the device, as a file, and the device run from it.
//!
//! A [`Recorder`] is the journal of a device ([`gpu_model::Journal`]) and writes a file; a [`Replay`] reads it,
//! makes the same calls with the same memory, and compares every result and the hashes of the state on
//! its way. So the device of a replay is the recorded one, bit by bit, and whatever an observer would have found live it finds
//! there. The format is described in `docs/recording.md`.
//!
//! Nothing in a file is trusted: what it declares is held against limits before memory is taken or anything is
//! executed, and every error says at which byte.
#![forbid(unsafe_code)]

mod assemble;
mod block;
mod bytes;
mod decode;
mod encode;
mod error;
mod file;
mod header;
mod reader;
mod recorder;
mod replay;
mod tables;
mod writer;

pub use assemble::assemble;
pub use decode::{Entry, Record};
pub use error::{Offset, ReadError};
pub use header::{Header, RecordedGpu, RecordedMutations};
pub use reader::{End, Limits, Reader, Summary};
pub use recorder::{Notes, RecordError, Recorder, RecorderHandle, Written};
pub use replay::{Difference, Differs, Marks, Position, Replay, ReplayError};
pub use tables::TableNotes;
pub use writer::WRITER_THREAD;

#[cfg(test)]
mod tests;
