//! Port input and output, safe for the ports of the board.
//!
//! None of the board's ports makes a device write to memory by itself (the GPU's bus-master
//! enable is set through them, and what the GPU then writes is the driver's to say, as with any
//! PCI device), so a port access cannot break Rust's rules about memory.

use core::arch::asm;

/// `out` of a byte.
pub(crate) fn write_u8(port: u16, value: u8) {
    // SAFETY: see the module's text.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags));
    }
}

/// `in` of a byte.
pub(crate) fn read_u8(port: u16) -> u8 {
    let value;
    // SAFETY: see the module's text.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags));
    }
    value
}

/// `out` of a dword.
pub(crate) fn write_u32(port: u16, value: u32) {
    // SAFETY: see the module's text.
    unsafe {
        asm!("out dx, eax", in("dx") port, in("eax") value,
            options(nomem, nostack, preserves_flags));
    }
}

/// `in` of a dword.
pub(crate) fn read_u32(port: u16) -> u32 {
    let value;
    // SAFETY: see the module's text.
    unsafe {
        asm!("in eax, dx", in("dx") port, out("eax") value,
            options(nomem, nostack, preserves_flags));
    }
    value
}

/// `out` of all `bytes` to one port: a single exit of the virtual CPU where a loop takes one each.
pub(crate) fn write_bytes(port: u16, bytes: &[u8]) {
    // SAFETY: reads exactly the slice's bytes; for the port see the module's text. The direction
    // flag is clear by the calling convention.
    unsafe {
        asm!("rep outsb", in("dx") port, inout("rsi") bytes.as_ptr() => _,
            inout("rcx") bytes.len() => _, options(readonly, nostack, preserves_flags));
    }
}
