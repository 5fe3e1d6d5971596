//! The x86-64 machine: boot, descriptor tables, interrupts, local APIC, ports, time.

mod apic;
mod boot;
mod descriptors;
mod exceptions;
pub(crate) mod interrupts;
pub(crate) mod port;
pub(crate) mod single;
pub(crate) mod tsc;

pub(crate) use boot::MAPPED_RAM;

/// Brings the CPU from the state that [`boot`] leaves to one with exception handlers and
/// interrupts on.
pub(crate) fn init() {
    descriptors::init();
    apic::init();
    interrupts::enable();
}

/// Ends the machine with `status`.
pub(crate) fn exit(status: u8) -> ! {
    port::write_u8(board::EXIT_PORT, status);
    // Only a machine without the exit port gets here.
    interrupts::halt_for_ever()
}
