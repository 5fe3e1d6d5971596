//! The local APIC: enable, end of interrupt, one-shot timer (SDM volume 3, chapter 11).

use super::interrupts::{VECTOR_SPURIOUS, VECTOR_TIMER};
use super::port;

/// End of interrupt.
pub(super) const EOI: u32 = board::LOCAL_APIC as u32 + 0x0b0;
/// Task priority.
const TASK_PRIORITY: u64 = 0x080;
/// Spurious vector and software enable.
const SPURIOUS: u64 = 0x0f0;
const SPURIOUS_ENABLE: u32 = 1 << 8;
/// LINT0, where the PICs come in.
const LVT_LINT0: u64 = 0x350;
const LVT_TIMER: u64 = 0x320;
const LVT_MASKED: u32 = 1 << 16;
/// Writing it starts the timer.
const TIMER_INITIAL_COUNT: u64 = 0x380;
const TIMER_DIVIDE: u64 = 0x3e0;
/// Divide by 1.
const TIMER_DIVIDE_BY_1: u32 = 0b1011;

/// Mask registers of the two PICs, which the board has and nobody uses.
const PIC_MASKS: [u16; 2] = [0x21, 0xa1];

const _: () = assert!(board::LOCAL_APIC_TIMER_HZ == 1_000_000_000, "a timer tick is one ns");

/// Lets in every vector above 31; the PICs are shut.
pub(super) fn init() {
    for mask in PIC_MASKS {
        port::write_u8(mask, 0xff);
    }
    // First of all: while the APIC is disabled, its local vectors stay masked whatever is written.
    write(SPURIOUS, SPURIOUS_ENABLE | u32::from(VECTOR_SPURIOUS));
    write(LVT_LINT0, LVT_MASKED);
    write(TASK_PRIORITY, 0);
    write(TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    write(LVT_TIMER, u32::from(VECTOR_TIMER));
}

/// One timer interrupt after `ns`, instead of one that was asked for earlier.
pub(super) fn start_timer(ns: u32) {
    write(TIMER_INITIAL_COUNT, ns);
}

fn write(register: u64, value: u32) {
    let address = (board::LOCAL_APIC + register) as *mut u32;
    // SAFETY: the page is the board's local APIC, mapped uncached; no Rust object lies there.
    unsafe { address.write_volatile(value) };
}
