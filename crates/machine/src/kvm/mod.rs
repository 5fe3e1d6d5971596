//! A small computer on KVM: RAM, PCI with the GPU, COM1, an exit port (see `board`).
//!
//! The CPU runs in its own thread, the device in another; the GPU's MSIs go to the guest through
//! KVM's local APIC.

mod error;
mod loader;
mod probe;
mod vcpu;
mod vm;

pub use error::KvmError;
pub use loader::LoadError;
pub use probe::probe;
