//! The small KVM board: address map and boot protocol, shared by `firmware` and `machine::kvm`.
//!
//! The board is ours (no real chipset): RAM at 0, a PCI hole below 4 GiB, the PCI configuration
//! mechanism #1, a 16550 at COM1, one local APIC and IO-APIC, and an exit port.
//!
//! The VMM loads the firmware, puts [`BootInfo`] at [`BOOT_INFO`] and starts the only CPU at the
//! image's entry in 32-bit protected mode, paging off, flat 4 GiB segments, interrupts off (the
//! state of the Multiboot and PVH protocols). The firmware goes on to long mode by itself.
#![no_std]
#![forbid(unsafe_code)]

mod boot_info;

pub use boot_info::{BOOT_INFO_SIZE, BootInfo, CommandLineTooLong, PLANT};

/// Guest RAM starts at 0; this is its usual size. It is zero when the machine starts, but for the
/// image and the boot info.
pub const RAM_SIZE: u64 = 256 << 20;
/// Where the VMM puts [`BootInfo`] before it starts the guest.
pub const BOOT_INFO: u64 = 0x7000;
/// First address that the firmware image is loaded at.
pub const FIRMWARE_BASE: u64 = 0x10_0000;
/// Where the PCI hole starts; the firmware assigns BARs from here.
pub const PCI_HOLE: u64 = 0xc000_0000;
/// End of the PCI hole (exclusive); the local APIC is above.
pub const PCI_HOLE_END: u64 = 0xfec0_0000;

/// PCI configuration address port (mechanism #1).
pub const PCI_CONFIG_ADDRESS: u16 = 0xcf8;
/// PCI configuration data port.
pub const PCI_CONFIG_DATA: u16 = 0xcfc;
/// PCI device number of the GPU on bus 0, as on every Intel client chipset (function 0).
pub const GPU_DEVICE: u8 = 2;
/// Host bridge's device id at 00:00.0: Broadwell-U (`intel-gtt.c`, pci.ids 8086:1604).
pub const HOST_BRIDGE_ID: u16 = 0x1604;
/// IO-APIC input of the GPU's INTA#; MSI is the usual way.
pub const GPU_INTX_INPUT: u32 = 16;

/// Base port of the first serial port.
pub const COM1: u16 = 0x3f8;
/// Registers of the serial port.
pub const COM1_SIZE: u16 = 8;

/// Physical address of the local APIC (SDM volume 3, 11.4.1).
pub const LOCAL_APIC: u64 = 0xfee0_0000;
/// Input clock of the local APIC's timer in Hz, before the divider (KVM's
/// `APIC_BUS_CYCLE_NS` is 1).
pub const LOCAL_APIC_TIMER_HZ: u64 = 1_000_000_000;

/// A byte written here ends the machine with that status.
pub const EXIT_PORT: u16 = 0xf4;
/// Status written to [`EXIT_PORT`] when all went as told.
pub const EXIT_OK: u8 = 0;
/// Status written to [`EXIT_PORT`] after a panic of the firmware.
pub const EXIT_PANIC: u8 = 0x7f;
/// Status written to [`EXIT_PORT`] after a CPU exception in the firmware.
pub const EXIT_EXCEPTION: u8 = 0x7e;
/// Status written to [`EXIT_PORT`] when the machine is not as promised (boot info, GPU).
pub const EXIT_BAD_MACHINE: u8 = 0x7d;
