//! The PCI function: configuration space and the way interrupts leave the device.

use gen8_spec::pci as regs;

use crate::config::GpuConfig;
use crate::interrupts::Output;

/// Bytes of a conventional configuration space; above it every register reads 0.
const SPACE: usize = 256;

/// A base address register of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bar {
    /// GTTMMADR: registers and GGTT PTEs.
    Bar0,
    /// GMADR: the aperture.
    Bar2,
    /// IOBAR: index and data.
    Bar4,
}

/// An interrupt on its way out of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterruptMessage {
    /// Message-signalled: write `data` to `address`.
    Msi {
        /// Message address.
        address: u64,
        /// Message data.
        data: u32,
    },
    /// The INTx pin is now asserted.
    IntxAssert,
    /// The INTx pin is no longer asserted.
    IntxDeassert,
}

/// Configuration space as bytes: values, and which bits software can write. BAR sizing needs no
/// code: the address bits below a BAR's size are not writable.
#[derive(Clone, Debug, Hash)]
pub struct PciFunction {
    values: [u8; SPACE],
    writable: [u8; SPACE],
    /// Level of the interrupt block's output.
    interrupt: bool,
    /// An MSI that nobody took yet. Edges that follow before it is taken are the same message.
    message: Option<InterruptMessage>,
    /// Level of INTx as the machine last heard it.
    intx_told: bool,
}

impl PciFunction {
    /// The function after power-on.
    pub fn new(config: &GpuConfig) -> Self {
        let mut function = Self {
            values: [0; SPACE],
            writable: [0; SPACE],
            interrupt: false,
            message: None,
            intx_told: false,
        };
        function.lay_out_header(config);
        function.lay_out_capabilities();
        function
    }

    fn lay_out_header(&mut self, config: &GpuConfig) {
        let device = config.sku.device_id;
        self.put(regs::CFG_ID, u32::from(device) << 16 | u32::from(regs::VENDOR_INTEL), 0);
        let command = regs::COMMAND_IO
            | regs::COMMAND_MEMORY
            | regs::COMMAND_BUS_MASTER
            | regs::COMMAND_INTX_DISABLE;
        let status = u32::from(regs::STATUS_CAP_LIST) << 16;
        self.put(regs::CFG_COMMAND, status, u32::from(command));
        self.put(regs::CFG_CLASS, regs::CLASS_DISPLAY_VGA << 8 | u32::from(regs::REVISION), 0);
        self.put_memory_bar(regs::CFG_BAR0, regs::BAR0_SIZE, regs::BAR_MEMORY_64);
        self.put_memory_bar(
            regs::CFG_BAR2,
            config.effective_aperture_size(),
            regs::BAR_MEMORY_64 | regs::BAR_PREFETCH,
        );
        self.put(regs::CFG_BAR4, regs::BAR_IO, !(regs::BAR4_SIZE as u32 - 1));
        self.put(regs::CFG_SUBSYSTEM, u32::from(device) << 16 | u32::from(regs::VENDOR_INTEL), 0);
        self.put(regs::CFG_CAP_POINTER, u32::from(regs::CFG_MSI), 0);
        self.put(regs::CFG_INTERRUPT, u32::from(regs::INTERRUPT_PIN_A) << 8, 0xff);
        self.put(regs::CFG_GMCH_CTRL, u32::from(config.gmch_ctrl), 0);
        self.place_stolen_memory(config.stolen_base);
        self.put(regs::CFG_ASLS, 0, u32::MAX);
    }

    /// Sets BDSM, which the firmware locks: software cannot write it.
    pub(crate) fn place_stolen_memory(&mut self, base: u32) {
        self.put(regs::CFG_BDSM, base, 0);
    }

    fn put_memory_bar(&mut self, offset: u16, size: u64, flags: u32) {
        let mask = !(size - 1);
        self.put(offset, flags, mask as u32);
        self.put(offset + 4, 0, (mask >> 32) as u32);
    }

    fn lay_out_capabilities(&mut self) {
        let msi = regs::CFG_MSI;
        self.put(
            msi,
            u32::from(regs::CFG_PM) << 8 | u32::from(regs::CAP_MSI),
            u32::from(regs::MSI_CONTROL_ENABLE) << 16,
        );
        self.put(msi + regs::MSI_ADDRESS, 0, !3);
        self.put(msi + regs::MSI_DATA, 0, 0xffff);
        let pm = regs::CFG_PM;
        self.put(pm, u32::from(regs::PM_VERSION_2) << 16 | u32::from(regs::CAP_PM), 0);
        self.put(
            pm + regs::PM_CONTROL,
            u32::from(regs::PM_NO_SOFT_RESET),
            u32::from(regs::PM_STATE_MASK),
        );
    }

    /// Sets the dword at `offset`: value and writable bits.
    fn put(&mut self, offset: u16, value: u32, writable: u32) {
        let at = usize::from(offset);
        let bytes = value.to_le_bytes().into_iter().zip(writable.to_le_bytes());
        let places = self.values.iter_mut().zip(&mut self.writable).skip(at);
        for ((value, mask), bytes) in places.zip(bytes) {
            (*value, *mask) = bytes;
        }
    }

    fn byte(&self, offset: usize) -> u8 {
        let stored = self.values.get(offset).copied().unwrap_or(0);
        if offset == STATUS_OFFSET && self.interrupt { stored | STATUS_INTERRUPT } else { stored }
    }

    fn word(&self, offset: u16) -> u16 {
        let at = usize::from(offset);
        u16::from_le_bytes([self.byte(at), self.byte(at + 1)])
    }

    fn dword(&self, offset: u16) -> u32 {
        u32::from(self.word(offset)) | u32::from(self.word(offset + 2)) << 16
    }

    /// Reads `size` bytes (1, 2 or 4; others count as 4) of configuration space.
    pub fn read(&self, offset: u16, size: u8) -> u32 {
        (0..access_bytes(size))
            .map(|i| u32::from(self.byte(usize::from(offset) + i)) << (8 * i))
            .fold(0, |value, byte| value | byte)
    }

    /// Writes `size` bytes (1, 2 or 4; others count as 4) of configuration space. Bits that are not
    /// writable keep their value.
    pub fn write(&mut self, offset: u16, size: u8, value: u32) {
        let at = usize::from(offset);
        let bytes = value.to_le_bytes().into_iter().take(access_bytes(size));
        let places = self.values.iter_mut().zip(&self.writable).skip(at);
        for ((stored, mask), byte) in places.zip(bytes) {
            *stored = *stored & !mask | byte & mask;
        }
    }

    fn command(&self) -> u16 {
        self.word(regs::CFG_COMMAND)
    }

    /// Whether the function is in D0.
    pub fn is_powered(&self) -> bool {
        self.word(regs::CFG_PM + regs::PM_CONTROL) & regs::PM_STATE_MASK == 0
    }

    /// Whether the function may reach memory.
    pub fn bus_master(&self) -> bool {
        self.command() & regs::COMMAND_BUS_MASTER != 0 && self.is_powered()
    }

    /// Whether the function answers accesses to `bar`.
    pub fn decodes(&self, bar: Bar) -> bool {
        let enable = match bar {
            Bar::Bar0 | Bar::Bar2 => regs::COMMAND_MEMORY,
            Bar::Bar4 => regs::COMMAND_IO,
        };
        self.command() & enable != 0 && self.is_powered()
    }

    /// Address that software gave `bar`.
    pub fn bar_base(&self, bar: Bar) -> u64 {
        let memory = |offset: u16| {
            let low = u64::from(self.dword(offset) & !0xf);
            low | u64::from(self.dword(offset + 4)) << 32
        };
        match bar {
            Bar::Bar0 => memory(regs::CFG_BAR0),
            Bar::Bar2 => memory(regs::CFG_BAR2),
            Bar::Bar4 => u64::from(self.dword(regs::CFG_BAR4) & !3),
        }
    }

    fn msi_enabled(&self) -> bool {
        self.word(regs::CFG_MSI + regs::MSI_CONTROL) & regs::MSI_CONTROL_ENABLE != 0
    }

    /// The interrupt block's output changed or had an edge.
    pub fn signal(&mut self, output: Output) {
        self.interrupt = output.active;
        if output.edge && self.msi_enabled() && self.bus_master() {
            self.message = Some(InterruptMessage::Msi {
                address: u64::from(self.dword(regs::CFG_MSI + regs::MSI_ADDRESS)),
                data: u32::from(self.word(regs::CFG_MSI + regs::MSI_DATA)),
            });
        }
    }

    /// Takes over what the machine last heard about INTx, so that a reset function takes it back.
    pub(crate) fn inherit_line(&mut self, before: &PciFunction) {
        self.intx_told = before.intx_told;
    }

    /// The level that INTx should have.
    fn intx(&self) -> bool {
        let disabled = self.command() & regs::COMMAND_INTX_DISABLE != 0;
        self.interrupt && !disabled && !self.msi_enabled()
    }

    /// Whether there is a message that the machine has not taken yet.
    pub fn has_interrupt(&self) -> bool {
        self.message.is_some() || self.intx() != self.intx_told
    }

    /// The next message that the machine has not taken yet.
    pub fn take_interrupt(&mut self) -> Option<InterruptMessage> {
        if let Some(message) = self.message.take() {
            return Some(message);
        }
        let level = self.intx();
        if level == self.intx_told {
            return None;
        }
        self.intx_told = level;
        Some(if level { InterruptMessage::IntxAssert } else { InterruptMessage::IntxDeassert })
    }
}

/// Byte of the status register that holds the interrupt bit.
const STATUS_OFFSET: usize = regs::CFG_COMMAND as usize + 2;
/// The interrupt bit in that byte.
const STATUS_INTERRUPT: u8 = regs::STATUS_INTERRUPT as u8;

fn access_bytes(size: u8) -> usize {
    match size {
        1 | 2 => usize::from(size),
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Output = Output { active: false, edge: false };
    const RISES: Output = Output { active: true, edge: true };
    const STAYS: Output = Output { active: true, edge: false };

    fn function(command: u16) -> PciFunction {
        let config = GpuConfig::by_device_id(0x1616).expect("a Broadwell");
        let mut function = PciFunction::new(&config);
        function.write(regs::CFG_COMMAND, 2, command.into());
        function
    }

    fn with_msi() -> PciFunction {
        let mut function = function(regs::COMMAND_BUS_MASTER);
        function.write(regs::CFG_MSI + regs::MSI_ADDRESS, 4, 0xfee0_1003);
        function.write(regs::CFG_MSI + regs::MSI_DATA, 4, 0xffff_0041);
        function.write(regs::CFG_MSI + regs::MSI_CONTROL, 2, 0xffff);
        function
    }

    fn status_bit(function: &PciFunction) -> bool {
        let status = function.read(regs::CFG_COMMAND + 2, 2) as u16;
        status & regs::STATUS_INTERRUPT != 0
    }

    #[test]
    fn msi_goes_out_once_an_edge_with_the_programmed_message() {
        let mut function = with_msi();
        function.signal(RISES);
        function.signal(STAYS);
        let message = InterruptMessage::Msi { address: 0xfee0_1000, data: 0x41 };
        assert!(function.has_interrupt());
        assert_eq!(function.take_interrupt(), Some(message));
        assert!(!function.has_interrupt());
        assert_eq!(function.take_interrupt(), None);
        function.signal(RISES);
        function.signal(RISES);
        assert_eq!(function.take_interrupt(), Some(message));
        assert_eq!(function.take_interrupt(), None, "edges nobody took are one message");
    }

    #[test]
    fn only_the_enable_bit_of_msi_control_is_writable() {
        let function = with_msi();
        let control = function.read(regs::CFG_MSI + regs::MSI_CONTROL, 2);
        assert_eq!(control, u32::from(regs::MSI_CONTROL_ENABLE));
    }

    #[test]
    fn msi_needs_bus_mastering() {
        let mut function = with_msi();
        function.write(regs::CFG_COMMAND, 2, regs::COMMAND_MEMORY.into());
        function.signal(RISES);
        assert_eq!(function.take_interrupt(), None);
    }

    #[test]
    fn intx_follows_the_level_and_reports_each_change_once() {
        let mut function = function(regs::COMMAND_BUS_MASTER);
        function.signal(RISES);
        assert!(function.has_interrupt());
        assert_eq!(function.take_interrupt(), Some(InterruptMessage::IntxAssert));
        assert!(!function.has_interrupt());
        assert_eq!(function.take_interrupt(), None);
        function.signal(QUIET);
        assert_eq!(function.take_interrupt(), Some(InterruptMessage::IntxDeassert));
        assert_eq!(function.take_interrupt(), None);
    }

    #[test]
    fn intx_disable_silences_the_pin_but_not_the_status_bit() {
        let mut function = function(regs::COMMAND_INTX_DISABLE);
        function.signal(RISES);
        assert_eq!(function.take_interrupt(), None);
        assert!(status_bit(&function));
        function.write(regs::CFG_COMMAND, 2, 0);
        assert_eq!(function.take_interrupt(), Some(InterruptMessage::IntxAssert));
        function.write(regs::CFG_COMMAND, 2, regs::COMMAND_INTX_DISABLE.into());
        assert_eq!(function.take_interrupt(), Some(InterruptMessage::IntxDeassert));
    }

    #[test]
    fn msi_takes_the_pin_out_of_use() {
        let mut function = with_msi();
        function.signal(RISES);
        assert!(matches!(function.take_interrupt(), Some(InterruptMessage::Msi { .. })));
        assert_eq!(function.take_interrupt(), None);
        assert!(status_bit(&function));
    }
}
