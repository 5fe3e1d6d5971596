//! An i915-style guest driver for Gen8.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod api;
mod config;
mod counters;
mod driver;
mod error;
mod findings;
pub mod gt;
mod ids;
mod platform;
mod policy;

pub use api::{
    CpuAction, CpuOp, Domain, DropCaches, ExecBuffer, ExecObject, ExecResult, FaultInjection,
    Relocation,
};
pub use config::{
    Activity, CloseHook, CloseTiming, Config, HandleRef, Hangcheck, Mutations, PpgttMode, Scratch,
};
pub use counters::Counters;
pub use driver::Driver;
pub use error::Error;
pub use findings::Finding;
pub use gt::{ProbeError, PtLevels, Submission};
pub use ids::{ClientId, ContextId, DmaBuf, FbId, Handle, Name};
pub use platform::Platform;
pub use policy::{Policy, UnknownPolicy};
