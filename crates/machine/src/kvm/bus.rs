//! What the CPU finds outside RAM: ports and memory-mapped devices of the board.

use std::ops::ControlFlow;

use observe::provenance::Provenance;

use super::pci_bus::PciBus;
use super::serial::Com1;
use super::vcpu::Bus;

/// The board's ports and devices.
pub(super) struct BoardBus<F: FnMut(String)> {
    pci: PciBus,
    com1: Com1<F>,
    /// Who is told where the CPU is when it writes to a device.
    provenance: Option<Provenance>,
}

impl<F: FnMut(String)> BoardBus<F> {
    /// A board; `on_line` gets each line that the guest sends on COM1.
    pub(super) fn new(pci: PciBus, provenance: Option<Provenance>, on_line: F) -> Self {
        BoardBus { pci, com1: Com1::new(on_line), provenance }
    }
}

impl<F: FnMut(String)> Bus for BoardBus<F> {
    fn port_read(&mut self, port: u16, data: &mut [u8]) {
        if let Some(offset) = Com1::<F>::offset(port) {
            self.com1.read(offset, data);
        } else if !self.pci.port_read(port, data) {
            data.fill(0xff);
        }
    }

    fn port_write(&mut self, port: u16, data: &[u8]) -> ControlFlow<u8> {
        if let (board::EXIT_PORT, Some(&status)) = (port, data.first()) {
            return ControlFlow::Break(status);
        }
        if let Some(offset) = Com1::<F>::offset(port) {
            self.com1.write(offset, data);
        } else if !self.pci.port_write(port, data) {
            log::trace!("a write to port {port:#x} is dropped");
        }
        ControlFlow::Continue(())
    }

    fn mmio_read(&mut self, address: u64, data: &mut [u8]) {
        self.pci.memory_read(address, data);
    }

    fn mmio_write(&mut self, address: u64, data: &[u8], instruction: Option<u64>) {
        if let Some(provenance) = &self.provenance {
            provenance.set_instruction(instruction);
        }
        self.pci.memory_write(address, data);
    }

    fn wants_instruction(&self) -> bool {
        self.provenance.is_some()
    }
}
