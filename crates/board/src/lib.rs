//! The small KVM board: address map and boot protocol, shared by `firmware` and `machine::kvm`.
//!
//! The board is ours (no real chipset): RAM at 0, a PCI hole below 4 GiB, the PCI configuration
//! mechanism #1, a 16550 at COM1 and an exit port.
#![no_std]
#![forbid(unsafe_code)]

/// Guest RAM starts at 0; this is its usual size.
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
/// Base port of the first serial port.
pub const COM1: u16 = 0x3f8;
/// A byte written here ends the machine with that status.
pub const EXIT_PORT: u16 = 0xf4;
/// Status written to [`EXIT_PORT`] when all went as told.
pub const EXIT_OK: u8 = 0;
/// Status written to [`EXIT_PORT`] after a panic of the firmware.
pub const EXIT_PANIC: u8 = 0x7f;

/// Start of [`BootInfo`]: "G8BOOT\0\1".
pub const BOOT_MAGIC: u64 = u64::from_le_bytes(*b"G8BOOT\0\x01");
/// Longest command line in bytes.
pub const COMMAND_LINE_MAX: usize = 3072;

/// What the VMM tells the firmware, at [`BOOT_INFO`]. All little endian.
///
/// The command line holds one case a line: `scenario policy levels submission`, in the words of
/// the program's own command line.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct BootInfo {
    /// [`BOOT_MAGIC`].
    pub magic: u64,
    /// Bytes of RAM from address 0.
    pub ram_size: u64,
    /// Frequency of the time-stamp counter in kHz.
    pub tsc_khz: u64,
    /// Bytes used of `command_line`.
    pub command_line_len: u64,
    /// ASCII.
    pub command_line: [u8; COMMAND_LINE_MAX],
}
