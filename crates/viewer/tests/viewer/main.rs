//! The server from outside: pictures as a viewer puts them together, and viewers that misbehave.

mod bad_viewers;
mod client;
mod pictures;
mod protocol;
mod rig;
