//! A small computer on KVM: RAM, PCI with the GPU, COM1, an exit port (see `board`).
//!
//! The CPU runs in its own thread, the device in another; the GPU's MSIs go to the guest through
//! KVM's local APIC.

mod boot;
mod bus;
mod cases;
mod error;
mod irq;
mod loader;
mod pci_bus;
mod probe;
mod serial;
mod vcpu;
mod vm;

pub use boot::{BootOptions, Line, boot};
pub use cases::{GuestResult, run_cases};
pub use error::KvmError;
pub use loader::LoadError;
pub use probe::probe;
