//! The bare-metal guest of the KVM board: boots to long mode, finds the GPU, runs the cases that
//! the command line names with the driver, and answers with one JSON line a case on COM1.
//!
//! Rooms: `arch` is the x86 machine, the rest is the board and the work. It is one CPU and one
//! thread; the only other code that runs is the interrupt handlers in `arch::interrupts`, which
//! touch nothing but a counter and the local APIC.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod arch;
#[cfg(target_os = "none")]
mod cases;
#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod misbehave;
#[cfg(target_os = "none")]
mod pci;
#[cfg(target_os = "none")]
mod platform;
#[cfg(target_os = "none")]
mod start;

/// On a host there is nothing to do; the real program is built for bare metal.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("the firmware runs as a guest: `cargo xtask run` builds it and boots it on KVM");
}
