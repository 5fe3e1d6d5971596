//! Faults on demand, so that the VMM's tests see how the machine ends: a command line may hold
//! `misbehave KIND` instead of a case.

use core::hint::black_box;

use crate::arch::interrupts;
use crate::console;

/// The word that starts such a line.
pub(crate) const WORD: &str = "misbehave ";

/// An address that is canonical and not mapped.
const UNMAPPED: usize = 0x4800_0000_0000;

/// Length of a nap.
const NAP_NS: u32 = 1_000_000;

/// Does what `kind` says; returns when there is no such kind.
pub(crate) fn misbehave(kind: &str) {
    match kind {
        "panic" => panic!("told\nto"),
        // SAFETY: not mapped, so the load faults; the exception handler ends the machine.
        "page-fault" => drop(unsafe { (UNMAPPED as *const u64).read_volatile() }),
        "stack-overflow" => log::info!("{}", recurse(u64::MAX)),
        "chatter" => loop {
            log::info!("chatter");
        },
        "reports" => loop {
            console::line("{}");
        },
        // No misbehaviour: without the timer the sleep would last for ever.
        "nap" => {
            interrupts::wait(NAP_NS);
            log::info!("woke up");
        }
        "silence" => loop {
            core::hint::spin_loop();
        },
        _ => log::error!("cannot misbehave by '{kind}'"),
    }
}

/// Uses half a KiB of stack a turn, `depth` turns.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    match depth {
        0 => 0,
        _ => recurse(depth - 1) + frame.iter().fold(0, |a, b| a ^ b),
    }
}
