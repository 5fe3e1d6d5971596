//! Interrupts: the GPU's MSI, the local APIC's timer, and waiting for either.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, Ordering};

use super::apic;

/// Vector of the GPU's MSI.
const VECTOR_MSI: u8 = 0x40;
/// Vector of the local APIC's timer.
pub(super) const VECTOR_TIMER: u8 = 0x41;
/// Vector of the local APIC's spurious interrupt, which wants no EOI.
pub(super) const VECTOR_SPURIOUS: u8 = 0xff;

/// MSIs since the start, modulo 2^32.
static MSI_COUNT: AtomicU32 = AtomicU32::new(0);
/// What [`MSI_COUNT`] was at the last [`take_msi`].
static MSI_TAKEN: AtomicU32 = AtomicU32::new(0);

// The handlers touch nothing but the count and the EOI register.
global_asm!(
    ".global interrupt_msi, interrupt_timer, interrupt_spurious",
    "interrupt_msi:",
    "inc dword ptr [rip + {count}]",
    "interrupt_timer:",
    "push rax",
    "mov eax, {eoi}",
    "mov dword ptr [rax], 0",
    "pop rax",
    "iretq",
    "interrupt_spurious:",
    "iretq",
    count = sym MSI_COUNT,
    eoi = const apic::EOI,
);

// SAFETY: the assembly above defines them; nobody calls them, only their addresses are taken.
unsafe extern "C" {
    fn interrupt_msi();
    fn interrupt_timer();
    fn interrupt_spurious();
}

/// Vectors and the addresses of their handlers.
pub(super) fn entries() -> [(u8, u64); 3] {
    [
        (VECTOR_MSI, interrupt_msi as *const () as u64),
        (VECTOR_TIMER, interrupt_timer as *const () as u64),
        (VECTOR_SPURIOUS, interrupt_spurious as *const () as u64),
    ]
}

/// Address and data of an MSI to this CPU (SDM volume 3, 11.11: fixed, edge, destination 0).
pub(crate) const fn msi_message() -> (u32, u32) {
    (board::LOCAL_APIC as u32, VECTOR_MSI as u32)
}

/// Lets interrupts in.
pub(super) fn enable() {
    // SAFETY: the IDT and the local APIC are set up; the handlers disturb nothing.
    unsafe { asm!("sti", options(nomem, nostack)) };
}

/// MSIs since the start, modulo 2^32.
pub(crate) fn msi_count() -> u32 {
    MSI_COUNT.load(Ordering::Relaxed)
}

/// Whether an MSI came since the last call.
pub(crate) fn take_msi() -> bool {
    let count = msi_count();
    MSI_TAKEN.swap(count, Ordering::Relaxed) != count
}

/// Sleeps until an interrupt comes or `limit_ns` pass; returns at once when an MSI waits to be
/// taken.
pub(crate) fn wait(limit_ns: u32) {
    // SAFETY: interrupts go on again below on both ways.
    unsafe { asm!("cli", options(nomem, nostack)) };
    if msi_count() != MSI_TAKEN.load(Ordering::Relaxed) {
        enable();
        return;
    }
    apic::start_timer(limit_ns);
    // SAFETY: `sti` lets interrupts in only after the next instruction, so none is lost between
    // the check and `hlt`; the timer ends the sleep. Handlers write memory, so no `nomem`.
    unsafe { asm!("sti", "hlt", options(nostack)) };
}

/// Stops for good.
pub(super) fn halt_for_ever() -> ! {
    loop {
        // SAFETY: nothing runs after this.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}
