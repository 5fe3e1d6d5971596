//! PCI bus 0: configuration mechanism #1, the host bridge, the GPU and its BARs.

use std::sync::Arc;

use gen8_spec::pci;
use gpu_model::{Bar, Gpu};
use gpu_thread::Device;

/// Enable bit of the configuration address.
const CONFIG_ENABLE: u32 = 1 << 31;
/// Class code of a host bridge (PCI Local Bus Specification 3.0, appendix D).
const CLASS_HOST_BRIDGE: u32 = 0x06_0000;

/// A function's place on bus 0, from the configuration address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    HostBridge,
    Gpu,
    Nobody,
}

/// A range of addresses that the GPU answers.
#[derive(Clone, Copy)]
struct Window {
    bar: Bar,
    base: u64,
    size: u64,
}

impl Window {
    /// Offset of an access of `length` bytes that lies wholly in the window.
    fn offset(&self, address: u64, length: usize) -> Option<u64> {
        let offset = address.checked_sub(self.base)?;
        let end = offset.checked_add(length as u64)?;
        (end <= self.size).then_some(offset)
    }
}

/// The bus.
pub(super) struct PciBus {
    device: Arc<Device>,
    /// Configuration address register.
    address: u32,
    /// Where the GPU answers, as the guest programmed it.
    memory: Vec<Window>,
    ports: Option<Window>,
}

impl PciBus {
    /// A bus with a host bridge and `device`.
    pub(super) fn new(device: Arc<Device>) -> Self {
        PciBus { device, address: 0, memory: Vec::new(), ports: None }
    }

    /// An `in`; false when the port is not the bus's.
    pub(super) fn port_read(&self, port: u16, data: &mut [u8]) -> bool {
        if let Some(offset) = self.config_offset(port) {
            self.config_read(offset, data);
        } else if port == board::PCI_CONFIG_ADDRESS && data.len() == 4 {
            data.copy_from_slice(&self.address.to_le_bytes());
        } else if let Some((window, offset)) = self.port_window(port, data.len()) {
            self.bar_read(window.bar, offset, data);
        } else {
            return false;
        }
        true
    }

    /// An `out`; false when the port is not the bus's.
    pub(super) fn port_write(&mut self, port: u16, data: &[u8]) -> bool {
        if let Some(offset) = self.config_offset(port) {
            self.config_write(offset, data);
        } else if let (board::PCI_CONFIG_ADDRESS, Ok(bytes)) = (port, data.try_into()) {
            self.address = u32::from_le_bytes(bytes);
        } else if let Some((window, offset)) = self.port_window(port, data.len()) {
            self.bar_write(window.bar, offset, data);
        } else {
            return false;
        }
        true
    }

    /// A load from the PCI hole; all ones where nobody answers.
    pub(super) fn memory_read(&self, address: u64, data: &mut [u8]) {
        match self.memory_window(address, data.len()) {
            Some((bar, offset)) => self.bar_read(bar, offset, data),
            None => data.fill(0xff),
        }
    }

    /// A store to the PCI hole; dropped where nobody answers.
    pub(super) fn memory_write(&self, address: u64, data: &[u8]) {
        if let Some((bar, offset)) = self.memory_window(address, data.len()) {
            self.bar_write(bar, offset, data);
        }
    }

    fn memory_window(&self, address: u64, length: usize) -> Option<(Bar, u64)> {
        self.memory.iter().find_map(|w| Some((w.bar, w.offset(address, length)?)))
    }

    fn port_window(&self, port: u16, length: usize) -> Option<(Window, u64)> {
        let window = self.ports?;
        Some((window, window.offset(u64::from(port), length)?))
    }

    /// Offset in configuration space for an access to the data port's bytes.
    fn config_offset(&self, port: u16) -> Option<u16> {
        let lane = port.checked_sub(board::PCI_CONFIG_DATA).filter(|&lane| lane < 4)?;
        Some((self.address & 0xfc) as u16 | lane)
    }

    fn target(&self) -> Target {
        let (bus, devfn) = (self.address >> 16 & 0xff, self.address >> 8 & 0xff);
        const GPU: u32 = (board::GPU_DEVICE as u32) << 3;
        match (self.address & CONFIG_ENABLE, bus, devfn) {
            (CONFIG_ENABLE, 0, 0) => Target::HostBridge,
            (CONFIG_ENABLE, 0, GPU) => Target::Gpu,
            _ => Target::Nobody,
        }
    }

    fn config_read(&self, offset: u16, data: &mut [u8]) {
        match (self.target(), access_size(offset.into(), data.len())) {
            (Target::Gpu, Some(size)) => {
                let value = self.device.look(|gpu| gpu.config_read(offset, size));
                put(data, value.into());
            }
            (Target::HostBridge, Some(_)) => {
                let shift = 8 * (offset & 3);
                put(data, u64::from(host_bridge_dword(offset & !3) >> shift));
            }
            _ => data.fill(0xff),
        }
    }

    fn config_write(&mut self, offset: u16, data: &[u8]) {
        if let (Target::Gpu, Some(size)) = (self.target(), access_size(offset.into(), data.len())) {
            let value = value_of(data) as u32;
            let windows = self.device.touch(|gpu| {
                gpu.config_write(offset, size, value);
                [Bar::Bar0, Bar::Bar2, Bar::Bar4].map(|bar| window(gpu, bar))
            });
            let [bar0, bar2, ports] = windows;
            self.memory = bar0.into_iter().chain(bar2).collect();
            self.ports = ports;
        }
    }

    /// Any access as pieces that the device knows: CPUs give what crosses pages in odd lengths.
    fn bar_read(&self, bar: Bar, offset: u64, data: &mut [u8]) {
        let mut at = 0;
        while let Some(size) = piece(offset + at as u64, data.len() - at) {
            let value = self.device.look(|gpu| gpu.bar_read(bar, offset + at as u64, size as u8));
            put(&mut data[at..at + size], value);
            at += size;
        }
    }

    fn bar_write(&self, bar: Bar, offset: u64, data: &[u8]) {
        let mut at = 0;
        while let Some(size) = piece(offset + at as u64, data.len() - at) {
            let value = value_of(&data[at..at + size]);
            self.device.touch(|gpu| gpu.bar_write(bar, offset + at as u64, size as u8, value));
            at += size;
        }
    }
}

fn window(gpu: &Gpu, bar: Bar) -> Option<Window> {
    let base = gpu.bar_base(bar)?;
    Some(Window { bar, base, size: gpu.bar_size(bar) })
}

/// The largest aligned piece of 8, 4, 2 or 1 bytes at `offset`; `None` when nothing is left.
fn piece(offset: u64, left: usize) -> Option<usize> {
    [8, 4, 2, 1].into_iter().find(|&size| size <= left && offset.is_multiple_of(size as u64))
}

/// `length` as the size of one configuration access, which stays in its dword.
fn access_size(offset: u64, length: usize) -> Option<u8> {
    matches!(length, 1 | 2 | 4).then_some(())?;
    (offset % 4 + length as u64 <= 4).then_some(length as u8)
}

/// Little-endian bytes of `value`.
fn put(data: &mut [u8], value: u64) {
    for (byte, value) in data.iter_mut().zip(value.to_le_bytes()) {
        *byte = value;
    }
}

fn value_of(data: &[u8]) -> u64 {
    data.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// The host bridge only has to exist: drivers look it up for the kind of chipset.
fn host_bridge_dword(offset: u16) -> u32 {
    match offset {
        pci::CFG_ID => u32::from(board::HOST_BRIDGE_ID) << 16 | u32::from(pci::VENDOR_INTEL),
        pci::CFG_CLASS => CLASS_HOST_BRIDGE << 8 | u32::from(pci::REVISION),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen8_spec::{debug_page, mmio};
    use gpu_model::{GpuConfig, GuestRam, InterruptMessage};
    use gpu_thread::InterruptSink;

    const GPU: u8 = board::GPU_DEVICE;

    struct NoSink;

    impl InterruptSink for NoSink {
        fn deliver(&self, _message: InterruptMessage) {}
    }

    fn bus() -> PciBus {
        let memory = GuestRam::anonymous(1 << 20).unwrap();
        let gpu = Gpu::new(GpuConfig::by_device_id(0x1616).unwrap(), memory);
        PciBus::new(Arc::new(Device::new(gpu, Box::new(NoSink))))
    }

    fn select(bus: &mut PciBus, device: u8, offset: u16) {
        let address = CONFIG_ENABLE | u32::from(device) << 11 | u32::from(offset);
        assert!(bus.port_write(board::PCI_CONFIG_ADDRESS, &address.to_le_bytes()));
    }

    fn config_read(bus: &mut PciBus, device: u8, offset: u16) -> u32 {
        select(bus, device, offset);
        let mut data = [0; 4];
        assert!(bus.port_read(board::PCI_CONFIG_DATA, &mut data));
        u32::from_le_bytes(data)
    }

    fn config_write(bus: &mut PciBus, device: u8, offset: u16, value: u32) {
        select(bus, device, offset);
        assert!(bus.port_write(board::PCI_CONFIG_DATA, &value.to_le_bytes()));
    }

    fn read(bus: &PciBus, address: u64) -> u32 {
        let mut data = [0; 4];
        bus.memory_read(address, &mut data);
        u32::from_le_bytes(data)
    }

    /// A bus whose GPU decodes memory with BAR0 at `bar0`.
    fn bus_with_bar0(bar0: u64) -> PciBus {
        let mut bus = bus();
        config_write(&mut bus, GPU, pci::CFG_BAR0, bar0 as u32);
        config_write(&mut bus, GPU, pci::CFG_COMMAND, pci::COMMAND_MEMORY.into());
        bus
    }

    #[test]
    fn bus_0_has_a_host_bridge_and_the_gpu_and_nobody_else() {
        let mut bus = bus();
        for device in 0..32 {
            let expected = match device {
                0 => u32::from(board::HOST_BRIDGE_ID) << 16 | 0x8086,
                GPU => 0x1616_8086,
                _ => u32::MAX,
            };
            assert_eq!(config_read(&mut bus, device, pci::CFG_ID), expected, "device {device}");
        }
    }

    #[test]
    fn functions_and_buses_beyond_the_first_do_not_answer() {
        let mut bus = bus();
        for address in [0x8000_1100, 0x8001_1000, 0x0000_1000u32] {
            bus.port_write(board::PCI_CONFIG_ADDRESS, &address.to_le_bytes());
            let mut data = [0; 4];
            bus.port_read(board::PCI_CONFIG_DATA, &mut data);
            assert_eq!(data, [0xff; 4], "address {address:#x}");
        }
    }

    #[test]
    fn bytes_and_words_of_a_config_dword_come_from_their_lanes() {
        let mut bus = bus();
        for (device, id) in [(0, board::HOST_BRIDGE_ID), (GPU, 0x1616)] {
            select(&mut bus, device, pci::CFG_ID);
            let mut word = [0; 2];
            bus.port_read(board::PCI_CONFIG_DATA + 2, &mut word);
            assert_eq!(u16::from_le_bytes(word), id);
            let mut byte = [0; 1];
            bus.port_read(board::PCI_CONFIG_DATA + 1, &mut byte);
            assert_eq!(byte, [0x80]);
        }
    }

    #[test]
    fn a_config_access_across_its_dword_reads_ones() {
        let mut bus = bus();
        select(&mut bus, GPU, pci::CFG_ID);
        let mut word = [0; 2];
        bus.port_read(board::PCI_CONFIG_DATA + 3, &mut word);
        assert_eq!(word, [0xff; 2]);
    }

    #[test]
    fn registers_answer_where_the_guest_puts_the_bar() {
        let mut bus = bus_with_bar0(0xc100_0000);
        let fuse = read(&bus, 0xc100_0000 + u64::from(mmio::FUSE2));
        assert_ne!(fuse, u32::MAX);
        config_write(&mut bus, GPU, pci::CFG_BAR0, 0xd000_0000);
        assert_eq!(read(&bus, 0xd000_0000 + u64::from(mmio::FUSE2)), fuse);
        assert_eq!(read(&bus, 0xc100_0000 + u64::from(mmio::FUSE2)), u32::MAX);
    }

    #[test]
    fn memory_that_is_not_enabled_reads_ones() {
        let mut bus = bus_with_bar0(0xc100_0000);
        config_write(&mut bus, GPU, pci::CFG_COMMAND, 0);
        assert_eq!(read(&bus, 0xc100_0000 + u64::from(mmio::FUSE2)), u32::MAX);
    }

    #[test]
    fn an_access_that_leaves_the_bar_is_not_answered() {
        let bus = bus_with_bar0(0xc100_0000);
        let end = 0xc100_0000 + pci::BAR0_SIZE;
        let mut data = [0; 8];
        bus.memory_read(end - 4, &mut data);
        assert_eq!(data, [0xff; 8]);
    }

    #[test]
    fn odd_lengths_read_the_same_bytes_as_single_ones() {
        let bus = bus_with_bar0(0xc100_0000);
        let signature = 0xc100_0000 + u64::from(debug_page::SIGNATURE);
        let bytes = debug_page::SIGNATURE_VALUE.to_le_bytes();
        for (start, end) in [(0, 3), (1, 4), (1, 3), (0, 4)] {
            let mut data = [0; 4];
            bus.memory_read(signature + start as u64, &mut data[start..end]);
            assert_eq!(data[start..end], bytes[start..end]);
        }
    }

    #[test]
    fn other_ports_are_not_the_buses() {
        let mut bus = bus();
        assert!(!bus.port_read(board::COM1, &mut [0]));
        assert!(!bus.port_write(board::PCI_CONFIG_DATA + 4, &[0]));
        assert!(!bus.port_write(board::PCI_CONFIG_ADDRESS, &[0]));
    }

    #[test]
    fn the_io_bar_answers_at_its_ports() {
        let mut bus = bus();
        config_write(&mut bus, GPU, pci::CFG_BAR4, 0xc000);
        let command = pci::COMMAND_IO | pci::COMMAND_MEMORY;
        config_write(&mut bus, GPU, pci::CFG_COMMAND, command.into());
        assert!(bus.port_write(0xc000, &mmio::FUSE2.to_le_bytes()));
        let mut data = [0; 4];
        assert!(bus.port_read(0xc004, &mut data));
        let fuse = bus.device.look(|gpu| gpu.bar_read(Bar::Bar0, mmio::FUSE2.into(), 4));
        assert_eq!(u64::from(u32::from_le_bytes(data)), fuse);
    }
}
