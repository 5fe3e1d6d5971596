//! Wild input for the device. A fuzz target is a function from bytes to a run of a whole GPU; the
//! bytes are instructions of a small machine ([`guest`]), so that every input means something and
//! the fuzzer reaches far: valid headers with wild fields, and random dwords as well.
//!
//! What every run is judged by:
//! * nothing panics, and no sanitizer finds anything;
//! * guest RAM lies between pages that nobody may touch, and a part of it may only be read
//!   ([`ram`]): an access beyond it, or a write where none may be, ends the process;
//! * a step keeps to its budget of commands and to a limit of processor time;
//! * an instruction error that an engine's ESR tells of was an event of that engine;
//! * at the end the device answers, and after a full reset the engine runs a batch.
//!
//! [`observers`] lets all observers hear of the same, and draws what they tell. [`recording()`] is another: its bytes
//! are files, and what counts is that each is refused or replays. [`agent()`] takes what a guest says of its kernel.

mod agent;
mod blits;
mod commands;
pub mod guest;
mod input;
pub mod machine;
pub mod ram;
mod recording;
mod watched;

pub use agent::agent;
pub use guest::{commands, observers, traffic};
pub use recording::recording;
