//! The emulated Gen8 GPU: a deterministic state machine.
//!
//! [`Gpu`] is a PCI function with registers, a GGTT, an aperture, interrupts and up to five engines.
//! It has no threads and no clock: the machine that holds it hands in accesses ([`Gpu::bar_read`],
//! [`Gpu::bar_write`], [`Gpu::config_read`], [`Gpu::config_write`]), time ([`Gpu::advance_to`]) and
//! slices of work ([`Gpu::step`]), and takes interrupt messages out ([`Gpu::take_interrupt`]). The
//! same calls in the same order give the same result. What happens inside is told to an
//! [`Observer`] as typed [`Event`]s.
//!
//! No input from a guest panics: a wild access reads 0, is dropped, or is latched as a fault, and
//! is an event.

mod aperture;
pub mod bus;
mod calls;
mod commands;
pub mod config;
pub mod debug_page;
mod digest;
pub mod display;
pub mod engine;
pub mod event;
pub mod fault;
pub mod fences;
pub mod forcewake;
pub mod fuses;
pub mod ggtt;
pub mod gpu;
mod guest_rule;
mod inspect;
pub mod interrupts;
pub mod journal;
mod lanes;
pub mod memory;
mod mmio;
pub mod pci;
pub mod power;
pub mod registers;
mod reset;
mod rps;
mod rules;
pub mod tlb;

/// Whether this build tells observers and journals: the feature `events`.
pub const TELLS: bool = cfg!(feature = "events");

pub use bus::{Bus, EngineActivity, SemaphoreSignal, StepReport};
pub use config::{GpuConfig, Mutations};
pub use engine::Engine;
pub use engine::Space;
pub use event::{
    Actor, Event, EventSink, Interests, Invalidation, MemoryWrite, Observer, Site, Submission,
    WriteKind,
};
pub use gpu::{Gpu, GpuState, RegisterAccesses};
pub use guest_rule::{GuestRule, Origin};
pub use journal::Journal;
pub use memory::{GuestRam, MemoryGuard};
pub use pci::{Bar, InterruptMessage};
