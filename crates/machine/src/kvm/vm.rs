//! The virtual machine: KVM handles, guest RAM, in-kernel interrupt controllers, one CPU.

use std::sync::Arc;

use kvm_bindings::{KVM_MAX_CPUID_ENTRIES, kvm_segment, kvm_userspace_memory_region};
use kvm_ioctls::{Cap, Kvm, VcpuFd, VmFd};
use vm_memory::{
    GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap,
};

use super::error::KvmError;

/// Three pages for KVM's own use on Intel hosts, between the PCI hole and the BIOS area's end.
const KVM_TSS: usize = 0xfffb_d000;
/// One page for KVM's own use on Intel hosts.
const KVM_IDENTITY_MAP: u64 = 0xfffb_c000;
/// Control register 0: protected mode.
const CR0_PE: u64 = 1 << 0;
/// The bit of RFLAGS that is always set.
const RFLAGS_FIXED: u64 = 1 << 1;

/// A virtual machine with RAM and in-kernel interrupt controllers.
pub(super) struct Vm {
    kvm: Kvm,
    fd: Arc<VmFd>,
    memory: GuestMemoryMmap,
}

impl Vm {
    /// Builds a machine with `ram_size` bytes of RAM at 0.
    pub(super) fn new(ram_size: u64) -> Result<Self, KvmError> {
        let kvm = Kvm::new().map_err(KvmError::host("open /dev/kvm"))?;
        for (cap, what) in [
            (Cap::Irqchip, "needs the in-kernel interrupt controllers"),
            (Cap::SignalMsi, "needs KVM_SIGNAL_MSI"),
            (Cap::UserMemory, "needs user memory"),
        ] {
            if !kvm.check_extension(cap) {
                let reason = std::io::Error::from(std::io::ErrorKind::Unsupported);
                return Err(KvmError::Host { what, reason });
            }
        }
        let fd = kvm.create_vm().map_err(KvmError::host("create a VM"))?;
        fd.set_identity_map_address(KVM_IDENTITY_MAP)
            .map_err(KvmError::host("place the identity map"))?;
        fd.set_tss_address(KVM_TSS).map_err(KvmError::host("place the TSS"))?;
        fd.create_irq_chip().map_err(KvmError::host("create the interrupt controllers"))?;
        let memory = allocate_ram(ram_size)?;
        for (slot, region) in memory.iter().enumerate() {
            add_memory(&fd, slot, region)?;
        }
        Ok(Vm { kvm, fd: Arc::new(fd), memory })
    }

    /// Guest RAM.
    pub(super) fn memory(&self) -> &GuestMemoryMmap {
        &self.memory
    }

    /// The handle for interrupts.
    pub(super) fn interrupt_handle(&self) -> Arc<VmFd> {
        Arc::clone(&self.fd)
    }

    /// Makes the CPU, stopped at `entry` in the board's start state.
    pub(super) fn create_vcpu(&self, entry: u32) -> Result<VcpuFd, KvmError> {
        let vcpu = self.fd.create_vcpu(0).map_err(KvmError::host("create a vCPU"))?;
        let cpuid = self
            .kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(KvmError::host("read the supported CPUID"))?;
        vcpu.set_cpuid2(&cpuid).map_err(KvmError::host("set CPUID"))?;
        set_start_state(&vcpu, entry)?;
        Ok(vcpu)
    }
}

fn allocate_ram(bytes: u64) -> Result<GuestMemoryMmap, KvmError> {
    let size = usize::try_from(bytes)
        .ok()
        .filter(|_| bytes <= board::PCI_HOLE)
        .ok_or_else(|| KvmError::Ram { bytes, reason: "it must end below the PCI hole".into() })?;
    GuestMemoryMmap::from_ranges(&[(GuestAddress(0), size)])
        .map_err(|error| KvmError::Ram { bytes, reason: error.to_string() })
}

/// Gives a region of RAM to KVM.
fn add_memory(fd: &VmFd, slot: usize, region: &GuestRegionMmap) -> Result<(), KvmError> {
    let slot_description = kvm_userspace_memory_region {
        slot: slot as u32,
        flags: 0,
        guest_phys_addr: region.start_addr().0,
        memory_size: region.len(),
        userspace_addr: region.as_ptr() as u64,
    };
    // SAFETY: the host range is a private mapping of exactly `memory_size` bytes that nothing else
    // uses as Rust memory; `Vm` and the device keep it mapped as long as the CPU can run.
    unsafe { fd.set_user_memory_region(slot_description) }
        .map_err(KvmError::host("give guest RAM to KVM"))
}

/// A flat 4 GiB segment.
fn flat_segment(selector: u16, kind: u8) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector,
        type_: kind,
        present: 1,
        dpl: 0,
        db: 1,
        s: 1,
        l: 0,
        g: 1,
        ..Default::default()
    }
}

/// The start state that `board` promises: 32-bit protected mode, paging off, flat segments.
fn set_start_state(vcpu: &VcpuFd, entry: u32) -> Result<(), KvmError> {
    const CODE_READ_ACCESSED: u8 = 0xb;
    const DATA_WRITE_ACCESSED: u8 = 0x3;
    let mut sregs = vcpu.get_sregs().map_err(KvmError::host("read the CPU's state"))?;
    let data = flat_segment(0x10, DATA_WRITE_ACCESSED);
    sregs.cs = flat_segment(0x08, CODE_READ_ACCESSED);
    (sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss) = (data, data, data, data, data);
    sregs.cr0 |= CR0_PE;
    vcpu.set_sregs(&sregs).map_err(KvmError::host("set the CPU's state"))?;
    let mut regs = vcpu.get_regs().map_err(KvmError::host("read the CPU's registers"))?;
    regs.rip = u64::from(entry);
    regs.rflags = RFLAGS_FIXED;
    vcpu.set_regs(&regs).map_err(KvmError::host("set the CPU's registers"))
}
