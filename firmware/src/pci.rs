//! PCI: finds the GPU on bus 0, gives its BARs addresses, switches on memory, bus mastering and MSI.
//!
//! Register offsets that every PCI function has come from the PCI Local Bus Specification 3.0,
//! chapter 6; those that name the GPU from `gen8_spec::pci`.

use core::fmt;

use gen8_spec::pci;

use crate::arch::interrupts::msi_message;
use crate::arch::port;

/// Devices of a bus.
const DEVICES: u8 = 32;
/// Enable bit of the configuration address (mechanism #1).
const CONFIG_ENABLE: u32 = 1 << 31;
/// What a missing function answers.
const NO_FUNCTION: u32 = u32::MAX;
/// Address of capability lists: the low two bits are reserved.
const CAPABILITY_MASK: u32 = 0xfc;
/// A list cannot be longer: each entry has four bytes or more of the upper 192.
const CAPABILITIES_MAX: usize = 48;

/// BAR: it is I/O space.
const BAR_IS_IO: u32 = 1 << 0;
/// BAR: type field, and its value for 64 bits.
const BAR_TYPE: u32 = 0b110;
const BAR_TYPE_64: u32 = 0b100;
/// BAR: flags below the address.
const BAR_MEMORY_FLAGS: u32 = 0xf;

/// Message control (upper half of the first dword): enable, 64-bit address.
const MSI_ENABLE: u32 = 1 << 16;
const MSI_64_BIT: u32 = 1 << 23;
const MSI_ADDRESS: u16 = 4;
const MSI_DATA_32: u16 = 8;
const MSI_DATA_64: u16 = 12;

/// Why the GPU cannot be used.
#[derive(Debug)]
pub(crate) enum PciError {
    /// No display controller of Intel's on bus 0.
    NoGpu,
    /// BAR at this offset is missing or does not fit in the PCI hole.
    Bar(u16),
    /// The function has no MSI capability.
    NoMsi,
}

impl fmt::Display for PciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PciError::NoGpu => f.write_str("no Intel display controller on PCI bus 0"),
            PciError::Bar(offset) => write!(f, "the BAR at {offset:#x} cannot be placed"),
            PciError::NoMsi => f.write_str("the GPU has no MSI capability"),
        }
    }
}

/// A function on bus 0, as configuration mechanism #1 reaches it.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    /// Bits 15:8 of the configuration address.
    address: u32,
}

impl Function {
    fn on_bus_0(device: u8) -> Self {
        Function { address: CONFIG_ENABLE | u32::from(device) << 11 }
    }

    /// Reads the dword at `offset`.
    pub(crate) fn read(self, offset: u16) -> u32 {
        self.select(offset);
        port::read_u32(board::PCI_CONFIG_DATA)
    }

    /// Writes the dword at `offset`.
    pub(crate) fn write(self, offset: u16, value: u32) {
        self.select(offset);
        port::write_u32(board::PCI_CONFIG_DATA, value);
    }

    fn select(self, offset: u16) {
        port::write_u32(
            board::PCI_CONFIG_ADDRESS,
            self.address | (u32::from(offset) & CAPABILITY_MASK),
        );
    }

    fn is_gpu(self) -> bool {
        let id = self.read(pci::CFG_ID);
        let class = self.read(pci::CFG_CLASS) >> 8;
        id != NO_FUNCTION
            && id & 0xffff == u32::from(pci::VENDOR_INTEL)
            && class == pci::CLASS_DISPLAY_VGA
    }

    /// The capability `id`'s offset.
    fn capability(self, id: u8) -> Option<u16> {
        let mut offset = self.read(pci::CFG_CAP_POINTER) & CAPABILITY_MASK;
        for _ in 0..CAPABILITIES_MAX {
            if offset == 0 {
                return None;
            }
            let header = self.read(offset as u16);
            if header & 0xff == u32::from(id) {
                return Some(offset as u16);
            }
            offset = header >> 8 & CAPABILITY_MASK;
        }
        None
    }
}

/// A placed memory BAR.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// Physical address.
    pub(crate) base: u64,
    /// Bytes.
    pub(crate) size: u64,
}

/// The GPU, ready for the driver.
pub(crate) struct GpuFunction {
    /// Its configuration space.
    pub(crate) function: Function,
    /// BAR0: registers and GGTT.
    pub(crate) registers: Window,
    /// BAR2: the aperture.
    pub(crate) aperture: Window,
}

/// Finds the GPU and makes it ready.
pub(crate) fn find_gpu() -> Result<GpuFunction, PciError> {
    let function =
        (0..DEVICES).map(Function::on_bus_0).find(|f| f.is_gpu()).ok_or(PciError::NoGpu)?;
    let mut next = board::PCI_HOLE;
    let registers = place(function, pci::CFG_BAR0, &mut next)?;
    let aperture = place(function, pci::CFG_BAR2, &mut next)?;
    enable_msi(function)?;
    let command = function.read(pci::CFG_COMMAND) & 0xffff;
    let enable = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER | pci::COMMAND_INTX_DISABLE;
    function.write(pci::CFG_COMMAND, command | u32::from(enable));
    Ok(GpuFunction { function, registers, aperture })
}

/// Sizes the BAR and gives it the next free address of the PCI hole.
fn place(function: Function, offset: u16, next: &mut u64) -> Result<Window, PciError> {
    let error = PciError::Bar(offset);
    function.write(offset, u32::MAX);
    let low = function.read(offset);
    if low & BAR_IS_IO != 0 || low & BAR_TYPE != BAR_TYPE_64 {
        return Err(error);
    }
    function.write(offset + 4, u32::MAX);
    let high = function.read(offset + 4);
    let mask = u64::from(high) << 32 | u64::from(low & !BAR_MEMORY_FLAGS);
    let size = mask.wrapping_neg();
    let base = next.checked_next_multiple_of(size).filter(|_| mask != 0);
    let end = base.and_then(|base| base.checked_add(size));
    let (Some(base), Some(end)) = (base, end) else { return Err(error) };
    if end > board::PCI_HOLE_END {
        return Err(error);
    }
    *next = end;
    function.write(offset, base as u32);
    function.write(offset + 4, (base >> 32) as u32);
    Ok(Window { base, size })
}

fn enable_msi(function: Function) -> Result<(), PciError> {
    let msi = function.capability(pci::CAP_MSI).ok_or(PciError::NoMsi)?;
    let (address, data) = msi_message();
    let control = function.read(msi);
    function.write(msi + MSI_ADDRESS, address);
    if control & MSI_64_BIT != 0 {
        function.write(msi + MSI_ADDRESS + 4, 0);
        function.write(msi + MSI_DATA_64, data);
    } else {
        function.write(msi + MSI_DATA_32, data);
    }
    function.write(msi, control | MSI_ENABLE);
    Ok(())
}
