//! PCI identity, BARs and configuration registers of the GPU function (i915 `i915_pci.c`,
//! `gt/intel_ggtt.c`, `include/drm/i915_pciids.h`).

/// Intel's vendor id.
pub const VENDOR_INTEL: u16 = 0x8086;
/// Class code: VGA-compatible display controller (i915 matches on the display-VGA class).
pub const CLASS_DISPLAY_VGA: u32 = 0x03_0000;
/// Revision id reported by the model (Broadwell production stepping).
pub const REVISION: u8 = 0x09;
/// Mask and value of the device id's family: `0x16xx` with bits that vary by GT and package.
pub const DEVICE_ID_FAMILY: u16 = 0x1600;

/// Configuration-space offset of vendor and device id.
pub const CFG_ID: u16 = 0x00;
/// Command (16 bits) and status (16 bits).
pub const CFG_COMMAND: u16 = 0x04;
/// Revision and class.
pub const CFG_CLASS: u16 = 0x08;
/// GTTMMADR, 64-bit memory, low half.
pub const CFG_BAR0: u16 = 0x10;
/// GMADR, 64-bit prefetchable memory, low half.
pub const CFG_BAR2: u16 = 0x18;
/// IOBAR.
pub const CFG_BAR4: u16 = 0x20;
/// Subsystem vendor and device id.
pub const CFG_SUBSYSTEM: u16 = 0x2c;
/// Capability-list pointer.
pub const CFG_CAP_POINTER: u16 = 0x34;
/// Interrupt line and pin.
pub const CFG_INTERRUPT: u16 = 0x3c;
/// GMCH_CTRL (mirror of the host bridge's GGC): GGMS 7:6, GMS 15:8.
pub const CFG_GMCH_CTRL: u16 = 0x50;
/// BDSM: base of stolen memory, bits 31:20.
pub const CFG_BDSM: u16 = 0x5c;
/// MSI capability as placed by the model.
pub const CFG_MSI: u16 = 0x90;
/// Power-management capability as placed by the model.
pub const CFG_PM: u16 = 0xd0;
/// ASLS: OpRegion address, 0 = none.
pub const CFG_ASLS: u16 = 0xfc;

/// Command register: I/O space enable.
pub const COMMAND_IO: u16 = 1 << 0;
/// Command register: memory space enable.
pub const COMMAND_MEMORY: u16 = 1 << 1;
/// Command register: bus master enable; without it the device must not reach memory.
pub const COMMAND_BUS_MASTER: u16 = 1 << 2;
/// Command register: INTx disable.
pub const COMMAND_INTX_DISABLE: u16 = 1 << 10;
/// Status register: INTx asserted.
pub const STATUS_INTERRUPT: u16 = 1 << 3;
/// Status register: capability list present.
pub const STATUS_CAP_LIST: u16 = 1 << 4;

/// Capability id of power management.
pub const CAP_PM: u8 = 0x01;
/// Capability id of MSI.
pub const CAP_MSI: u8 = 0x05;

/// Size of BAR0 in bytes; i915 warns at any other size.
pub const BAR0_SIZE: u64 = 16 << 20;
/// Size of the register part of BAR0.
pub const BAR0_REGISTERS_SIZE: u64 = 2 << 20;
/// Offset of the GGTT PTE array in BAR0.
pub const BAR0_GGTT_OFFSET: u64 = 8 << 20;
/// Usual size of the aperture, BAR2.
pub const BAR2_SIZE: u64 = 256 << 20;
/// Size of the I/O BAR.
pub const BAR4_SIZE: u64 = 64;

/// Bytes of GGTT PTEs for a GMCH_CTRL value (i915 `gen8_get_total_gtt_size`): `1 MiB << GGMS`.
pub const fn ggtt_pte_bytes(gmch_ctrl: u16) -> u64 {
    match (gmch_ctrl >> 6) & 3 {
        0 => 0,
        ggms => (1 << 20) << ggms,
    }
}

/// Unit of GMCH_CTRL's GMS field in bytes (kernel `early-quirks.c`, `gen8_stolen_size`).
pub const GMS_UNIT: u64 = 32 << 20;
/// Largest stolen memory in bytes; the GMS codes above 16 name sizes in other ways (PRM, GGC).
pub const STOLEN_MAX: u64 = 16 * GMS_UNIT;

/// Bytes of stolen memory for a GMCH_CTRL value.
pub const fn stolen_bytes(gmch_ctrl: u16) -> u64 {
    (gmch_ctrl >> 8) as u64 * GMS_UNIT
}

/// `gmch_ctrl` with `bytes` of stolen memory; `None` if no GMS code means that size.
pub const fn with_stolen_bytes(gmch_ctrl: u16, bytes: u64) -> Option<u16> {
    if bytes > STOLEN_MAX || !bytes.is_multiple_of(GMS_UNIT) {
        return None;
    }
    Some(gmch_ctrl & 0xff | ((bytes / GMS_UNIT) as u16) << 8)
}

/// Header type.
pub const CFG_HEADER_TYPE: u16 = 0x0e;
/// Memory BAR: 64-bit.
pub const BAR_MEMORY_64: u32 = 0b0100;
/// Memory BAR: prefetchable.
pub const BAR_PREFETCH: u32 = 0b1000;
/// I/O BAR.
pub const BAR_IO: u32 = 0b01;
/// Interrupt pin INTA.
pub const INTERRUPT_PIN_A: u8 = 1;
/// MSI message control, from [`CFG_MSI`]: enable in bit 0. One vector, 32-bit address, no
/// per-vector mask, as `lspci` shows on Broadwell.
pub const MSI_CONTROL: u16 = 2;
/// [`MSI_CONTROL`]: enable.
pub const MSI_CONTROL_ENABLE: u16 = 1 << 0;
/// MSI message address, from [`CFG_MSI`].
pub const MSI_ADDRESS: u16 = 4;
/// MSI message data, from [`CFG_MSI`].
pub const MSI_DATA: u16 = 8;
/// Power-management capabilities, from [`CFG_PM`]: version 2, no PME.
pub const PM_CAPABILITIES: u16 = 2;
/// Version field of [`PM_CAPABILITIES`].
pub const PM_VERSION_2: u16 = 2;
/// Power-management control and status, from [`CFG_PM`].
pub const PM_CONTROL: u16 = 4;
/// [`PM_CONTROL`]: power state, 0 = D0, 3 = D3hot.
pub const PM_STATE_MASK: u16 = 3;
/// [`PM_CONTROL`]: no soft reset on the way from D3hot to D0.
pub const PM_NO_SOFT_RESET: u16 = 1 << 3;
/// Offset of the index register in the I/O BAR.
pub const IO_INDEX: u64 = 0;
/// Offset of the data register in the I/O BAR.
pub const IO_DATA: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_memory_comes_in_units_of_32_mib_up_to_512_and_leaves_the_ggtt_alone() {
        for mib in [0, 32, 64, 512] {
            let control = with_stolen_bytes(0xc0, mib << 20).expect("a size");
            assert_eq!(stolen_bytes(control), mib << 20);
            assert_eq!(ggtt_pte_bytes(control), ggtt_pte_bytes(0xc0));
        }
        assert_eq!(with_stolen_bytes(0xc0, 32 << 20), Some(0x1c0));
        for mib in [1, 31, 33, 544, 1 << 20] {
            assert_eq!(with_stolen_bytes(0xc0, mib << 20), None, "{mib}");
        }
    }
}
