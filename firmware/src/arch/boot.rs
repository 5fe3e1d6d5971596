//! From the board's start state (32-bit protected mode, paging off) to Rust in long mode.
//!
//! Page tables: identity, 2 MiB pages. GiB 0 is RAM, write-back; GiB 3 is the PCI hole and the
//! local APIC, uncached; the rest is not mapped, so that a wild pointer faults. The stack grows
//! down from the image towards the boot info, which the program copies first; below that it
//! wraps to the unmapped top of the address space and faults.

use core::arch::global_asm;

/// Present and writable.
const TABLE: u32 = 0b11;
/// A 2 MiB page: present, writable, page size.
const PAGE_RAM: u32 = 0b1000_0011;
/// The same, uncached (PWT and PCD).
const PAGE_MMIO: u32 = PAGE_RAM | 0b1_1000;
/// First address of the uncached GiB; the PCI hole and the local APIC lie in it.
const MMIO_BASE: u32 = board::PCI_HOLE as u32;
const PAGE_SIZE: u32 = 2 << 20;
/// RAM that is mapped.
pub(crate) const MAPPED_RAM: u64 = 1 << 30;

const CR4_PAE: u32 = 1 << 5;
const MSR_EFER: u32 = 0xc000_0080;
const EFER_LME: u32 = 1 << 8;
/// Protected mode, write protection in the kernel, paging.
const CR0_PE_WP_PG: u32 = 1 << 0 | 1 << 16 | 1 << 31;

/// 64-bit code, ring 0.
pub(super) const GDT_CODE: u64 = 0x00af_9b00_0000_ffff;
/// Data, ring 0.
pub(super) const GDT_DATA: u64 = 0x00cf_9300_0000_ffff;

const _: () = assert!(MMIO_BASE.is_multiple_of(1 << 30));

global_asm!(
    ".section .boot, \"ax\"",
    ".global _start",
    ".code32",
    "_start:",
    "cld",
    "cli",
    "mov esp, {stack_top}",
    // PML4 -> PDPT -> one directory for RAM, one for MMIO.
    "mov eax, offset boot_pdpt",
    "or eax, {table}",
    "mov dword ptr [boot_pml4], eax",
    "mov eax, offset boot_pd_ram",
    "or eax, {table}",
    "mov dword ptr [boot_pdpt], eax",
    "mov eax, offset boot_pd_mmio",
    "or eax, {table}",
    "mov dword ptr [boot_pdpt + 8 * ({mmio_base} >> 30)], eax",
    "mov edi, offset boot_pd_ram",
    "mov eax, {page_ram}",
    "call 3f",
    "mov edi, offset boot_pd_mmio",
    "mov eax, {mmio_base} + {page_mmio}",
    "call 3f",
    // Long mode: PAE, EFER.LME, paging on, then a far return into 64-bit code.
    "mov eax, cr4",
    "or eax, {cr4_pae}",
    "mov cr4, eax",
    "mov eax, offset boot_pml4",
    "mov cr3, eax",
    "mov ecx, {efer}",
    "rdmsr",
    "or eax, {efer_lme}",
    "wrmsr",
    "mov eax, cr0",
    "or eax, {cr0}",
    "mov cr0, eax",
    "lgdt [boot_gdt_pointer]",
    "push 0x08",
    "mov eax, offset boot_long_mode",
    "push eax",
    "retf",
    // Fills the page directory at edi with 512 pages from eax.
    "3:",
    "mov ecx, 512",
    "2:",
    "mov dword ptr [edi], eax",
    "add edi, 8",
    "add eax, {page_size}",
    "dec ecx",
    "jnz 2b",
    "ret",
    ".code64",
    "boot_long_mode:",
    "mov eax, 0x10",
    "mov ds, eax",
    "mov es, eax",
    "mov ss, eax",
    "xor eax, eax",
    "mov fs, eax",
    "mov gs, eax",
    "mov esp, {stack_top}",
    "call {main}",
    "ud2",
    // Only needed until `descriptors::init`.
    ".balign 8",
    "boot_gdt:",
    ".quad 0, {gdt_code}, {gdt_data}",
    "boot_gdt_pointer:",
    ".short 23",
    ".long boot_gdt",
    ".section .bss.boot_tables, \"aw\", @nobits",
    ".balign 4096",
    "boot_pml4: .skip 4096",
    "boot_pdpt: .skip 4096",
    "boot_pd_ram: .skip 4096",
    "boot_pd_mmio: .skip 4096",
    ".text",
    stack_top = const board::FIRMWARE_BASE as u32,
    table = const TABLE,
    page_ram = const PAGE_RAM,
    page_mmio = const PAGE_MMIO,
    mmio_base = const MMIO_BASE,
    page_size = const PAGE_SIZE,
    cr4_pae = const CR4_PAE,
    efer = const MSR_EFER,
    efer_lme = const EFER_LME,
    cr0 = const CR0_PE_WP_PG,
    gdt_code = const GDT_CODE,
    gdt_data = const GDT_DATA,
    main = sym crate::start::main,
);
