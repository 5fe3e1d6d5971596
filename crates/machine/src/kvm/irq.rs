//! The GPU's interrupts into KVM's in-kernel controllers.

use std::sync::Arc;

use gpu_model::InterruptMessage;
use gpu_thread::InterruptSink;
use kvm_bindings::kvm_msi;
use kvm_ioctls::VmFd;

/// Bits 31:20 of the address of an interrupt message to a local APIC (SDM volume 3, 11.11.1).
const MSI_WINDOW: u64 = 0xfee;

/// Delivers to the local APIC by KVM_SIGNAL_MSI, and INTA# to the IO-APIC.
pub(super) struct KvmInterrupts(Arc<VmFd>);

impl KvmInterrupts {
    /// Delivers to `vm`.
    pub(super) fn new(vm: Arc<VmFd>) -> Self {
        KvmInterrupts(vm)
    }

    fn message(&self, address: u64, data: u32) {
        if address >> 20 != MSI_WINDOW {
            // Real hardware would write the data to memory there; nobody means that.
            log::warn!("MSI to {address:#x}, which is no local APIC, is dropped");
            return;
        }
        let msi = kvm_msi { address_lo: address as u32, data, ..Default::default() };
        match self.0.signal_msi(msi) {
            Ok(delivered) if delivered > 0 => {}
            Ok(_) => log::debug!("MSI {data:#x} is blocked by the guest"),
            Err(error) => log::warn!("MSI {data:#x} cannot be delivered: {error}"),
        }
    }

    fn pin(&self, asserted: bool) {
        if let Err(error) = self.0.set_irq_line(board::GPU_INTX_INPUT, asserted) {
            log::warn!("INTA# cannot be changed: {error}");
        }
    }
}

impl InterruptSink for KvmInterrupts {
    fn deliver(&self, message: InterruptMessage) {
        match message {
            InterruptMessage::Msi { address, data } => self.message(address, data),
            InterruptMessage::IntxAssert => self.pin(true),
            InterruptMessage::IntxDeassert => self.pin(false),
        }
    }
}
