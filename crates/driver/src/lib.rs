//! An i915-style guest driver for Gen8, in two halves.
//!
//! * [`gt`] is the hardware half: it knows rings, GGTT, interrupts, reset, and requests as tokens.
//! * The rest is the lifetimes half ([`Gem`]): clients, handles, objects, VMAs, address spaces,
//!   contexts, requests, retirement, eviction. It is written in the shape of the 2015 driver, with
//!   the later kernels' changes as knobs ([`Config`]) and cleanup policies ([`Policy`]).
//!
//! [`Driver`] is both over a machine ([`Platform`]).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod actions;
mod address_space;
mod api;
mod bind;
mod bug;
mod client;
mod close;
mod config;
mod context;
mod counters;
mod cpu_access;
mod debugfs;
mod dma_pages;
mod driver;
mod engine;
mod error;
mod evict;
mod execbuffer;
mod findings;
mod gem;
pub mod gt;
mod handle;
mod hang;
mod hardware;
mod ids;
mod invariants;
mod lock;
mod object;
mod page_tables;
mod platform;
mod policy;
mod prime;
mod range_allocator;
mod relocate;
mod request;
mod retire;
mod shrinker;
mod slab;
#[cfg(test)]
mod tests;
mod unbind;
mod userptr;
mod vma;
mod worker;

pub use api::{
    CpuAction, CpuOp, Domain, DropCaches, ExecBuffer, ExecObject, ExecResult, FaultInjection,
    Relocation,
};
pub use bug::{Bug, UnknownBug};
pub use config::{
    Activity, CloseHook, CloseTiming, Config, HandleRef, Hangcheck, Mutations, PpgttMode, Scratch,
};
pub use counters::Counters;
pub use dma_pages::DmaPages;
pub use driver::Driver;
pub use error::Error;
pub use findings::Finding;
pub use gem::Gem;
pub use gt::{ProbeError, PtLevels, Submission};
pub use hardware::Hardware;
pub use ids::{ClientId, ContextId, DmaBuf, FbId, Handle, Name, UserMemory};
pub use invariants::InvariantViolation;
pub use platform::Platform;
pub use policy::{Policy, UnknownPolicy};
