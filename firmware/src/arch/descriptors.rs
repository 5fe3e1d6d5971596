//! GDT with a TSS, and the IDT.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::size_of;

use super::boot::{GDT_CODE, GDT_DATA};
use super::{exceptions, interrupts};

/// Selector of [`GDT_CODE`].
const SELECTOR_CODE: u64 = 0x08;
/// Selector of the TSS.
const SELECTOR_TSS: u16 = 0x18;
/// Gates of the IDT.
const GATES: usize = 256;
/// Vector of the double-fault exception, which has its own stack: the usual cause is that the
/// stack is no good any more.
const DOUBLE_FAULT: usize = 8;
/// Byte offset of the stack pointer IST1 in the TSS (SDM volume 3, 8.7).
const IST1_BYTE: usize = 36;
/// Size of a 64-bit TSS without an I/O map.
const TSS_SIZE: usize = 104;
const DOUBLE_FAULT_STACK: usize = 16 << 10;

/// Memory that the CPU reads by itself; written once, by [`init`], before the CPU knows of it.
#[repr(C, align(16))]
struct Tables {
    gdt: [u64; 5],
    idt: [[u64; 2]; GATES],
    tss: [u8; TSS_SIZE],
    double_fault_stack: [u8; DOUBLE_FAULT_STACK],
}

struct Static(UnsafeCell<Tables>);

// SAFETY: one CPU, one thread; only `init` makes a reference into it.
unsafe impl Sync for Static {}

static TABLES: Static = Static(UnsafeCell::new(Tables {
    gdt: [0, GDT_CODE, GDT_DATA, 0, 0],
    idt: [[0; 2]; GATES],
    tss: [0; TSS_SIZE],
    double_fault_stack: [0; DOUBLE_FAULT_STACK],
}));

/// Operand of `lgdt` and `lidt`.
#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

/// Fills and loads the tables. Called once, at the start, with interrupts off.
pub(super) fn init() {
    // SAFETY: called once, so this is the only reference that ever exists; see `Static`.
    let tables = unsafe { &mut *TABLES.0.get() };
    let stack_top = tables.double_fault_stack.as_ptr_range().end as u64;
    tables.tss[IST1_BYTE..IST1_BYTE + 8].copy_from_slice(&stack_top.to_le_bytes());
    let [low, high] = tss_descriptor(tables.tss.as_ptr() as u64);
    (tables.gdt[3], tables.gdt[4]) = (low, high);
    for (vector, &entry) in exceptions::entries().iter().enumerate() {
        let ist = u64::from(vector == DOUBLE_FAULT);
        tables.idt[vector] = gate(entry, ist);
    }
    for (vector, entry) in interrupts::entries() {
        tables.idt[usize::from(vector)] = gate(entry, 0);
    }
    let gdt = pointer_to(&tables.gdt);
    let idt = pointer_to(&tables.idt);
    // SAFETY: both tables are static and complete; code and data descriptors are those of the
    // boot GDT at the same selectors, so the loaded segments stay valid.
    unsafe {
        asm!("lgdt [{gdt}]", "lidt [{idt}]", "ltr {tss:x}",
            gdt = in(reg) &raw const gdt, idt = in(reg) &raw const idt,
            tss = in(reg) SELECTOR_TSS, options(nostack, preserves_flags));
    }
}

fn pointer_to<T>(table: &T) -> Pointer {
    Pointer { limit: (size_of::<T>() - 1) as u16, base: core::ptr::from_ref(table) as u64 }
}

/// An interrupt gate (interrupts off while the handler runs) to `entry` on stack `ist` (0: same).
fn gate(entry: u64, ist: u64) -> [u64; 2] {
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e << 40;
    let low = (entry & 0xffff)
        | SELECTOR_CODE << 16
        | ist << 32
        | PRESENT_INTERRUPT_GATE
        | (entry & 0xffff_0000) << 32;
    [low, entry >> 32]
}

/// An available 64-bit TSS.
fn tss_descriptor(base: u64) -> [u64; 2] {
    const PRESENT_TSS: u64 = 0x89 << 40;
    let limit = TSS_SIZE as u64 - 1;
    let low = limit | (base & 0xff_ffff) << 16 | PRESENT_TSS | (base & 0xff00_0000) << 32;
    [low, base >> 32]
}
