//! CPU exceptions: all are errors of the firmware, told on COM1 before the machine ends.

use core::arch::{asm, global_asm};

/// Architectural exception vectors.
const VECTORS: usize = 32;
/// Vector of the page fault, whose address is in CR2.
const PAGE_FAULT: u64 = 14;

// Every stub leaves the same frame: vector, error code (0 where the CPU pushes none), RIP, CS,
// RFLAGS, RSP, SS.
global_asm!(
    ".macro exception_stub vector, has_error",
    "exception_\\vector:",
    ".if \\has_error == 0",
    "push 0",
    ".endif",
    "push \\vector",
    "jmp exception_common",
    ".endm",
    ".irp vector, 0,1,2,3,4,5,6,7,9,15,16,18,19,20,22,23,24,25,26,27,28,31",
    "exception_stub \\vector, 0",
    ".endr",
    ".irp vector, 8,10,11,12,13,14,17,21,29,30",
    "exception_stub \\vector, 1",
    ".endr",
    "exception_common:",
    "cld",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {handler}",
    "ud2",
    ".section .rodata.exception_entries, \"a\"",
    ".balign 8",
    ".global exception_entries",
    "exception_entries:",
    ".irp vector, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    ".quad exception_\\vector",
    ".endr",
    ".text",
    handler = sym handle,
);

// SAFETY: the table is the assembly's above: one address for each vector.
unsafe extern "C" {
    #[link_name = "exception_entries"]
    static ENTRIES: [u64; VECTORS];
}

/// Addresses of the handlers by vector.
pub(super) fn entries() -> &'static [u64; VECTORS] {
    // SAFETY: the assembly above defines exactly this many qwords, which nothing writes.
    unsafe { &ENTRIES }
}

/// What a stub leaves on the stack.
#[repr(C)]
struct Frame {
    vector: u64,
    error: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

extern "C" fn handle(frame: &Frame) -> ! {
    let &Frame { vector, error, rip, rsp, .. } = frame;
    let address = if vector == PAGE_FAULT { read_cr2() } else { 0 };
    crate::console::emergency(format_args!(
        "exception {vector} ({name}) at {rip:#x}, error {error:#x}, address {address:#x}, \
         stack {rsp:#x}",
        name = name(vector),
    ));
    super::exit(board::EXIT_EXCEPTION)
}

fn read_cr2() -> u64 {
    let address;
    // SAFETY: reading CR2 has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

fn name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        3 => "breakpoint",
        6 => "invalid opcode",
        7 => "no FPU",
        8 => "double fault",
        12 => "stack fault",
        13 => "general protection",
        14 => "page fault",
        _ => "unexpected",
    }
}
