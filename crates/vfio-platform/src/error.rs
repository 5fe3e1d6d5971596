//! Why a function cannot be used, each reason with what to do about it.

use crate::address::Address;

/// A function cannot be opened or set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such function in sysfs.
    #[error("there is no PCI function {0}: `lspci -D` lists those that exist")]
    Missing(Address),
    /// It is no Intel display controller.
    #[error("{address} is no Intel display controller (vendor {vendor:04x}, class {class:06x})")]
    NotAGpu {
        /// The function.
        address: Address,
        /// Its PCI vendor id.
        vendor: u16,
        /// Its PCI class code.
        class: u32,
    },
    /// Another driver has it, or none.
    #[error(
        "{address} is bound to {driver}, not to vfio-pci: as root, `modprobe vfio-pci`, then in \
         /sys/bus/pci `echo vfio-pci >devices/{address}/driver_override`, \
         `echo {address} >devices/{address}/driver/unbind` (if a driver has it), \
         `echo {address} >drivers_probe`"
    )]
    NotBound {
        /// The function.
        address: Address,
        /// The driver's name, or "no driver".
        driver: String,
    },
    /// It is in no IOMMU group.
    #[error(
        "{0} is in no IOMMU group: boot with `intel_iommu=on` (not `intel_iommu=on,igfx_off`) and \
         VT-d enabled in the firmware setup"
    )]
    NoGroup(Address),
    /// The container's or the group's file may not be opened.
    #[error("no permission to open {0}: run as root, or give your user the file")]
    Permission(String),
    /// Somebody else has the group.
    #[error("/dev/vfio/{0} is in use by another process")]
    Busy(String),
    /// There is no VFIO in the kernel.
    #[error("/dev/vfio/vfio cannot be opened ({0}): `modprobe vfio-pci`")]
    NoVfio(#[source] std::io::Error),
    /// There is no IOMMU back end in the kernel.
    #[error("VFIO has no type 1 IOMMU: `modprobe vfio_iommu_type1`")]
    NoType1,
    /// Other functions of the group have drivers of their own.
    #[error("another function of {0}'s IOMMU group is in use by the host: bind all to vfio-pci")]
    GroupNotViable(Address),
    /// The IOMMU cannot isolate interrupts.
    #[error(
        "the IOMMU has no interrupt remapping; if you trust the device, `modprobe -r \
         vfio_iommu_type1; modprobe vfio_iommu_type1 allow_unsafe_interrupts=1`"
    )]
    UnsafeInterrupts,
    /// A region is smaller than Broadwell's, or cannot be reached.
    #[error("{region} has {size} bytes, where {needed} are needed")]
    Region {
        /// Name of the region.
        region: &'static str,
        /// Its size.
        size: u64,
        /// The least that the driver needs.
        needed: u64,
    },
    /// The function gives no MSI.
    #[error("the function offers no MSI")]
    NoMsi,
    /// The IOMMU refused the DMA pages.
    #[error(
        "the IOMMU takes no {size} bytes of DMA pages at {iova:#x} ({reason}); the limit on locked \
         memory may be too low: `ulimit -l unlimited`"
    )]
    Dma {
        /// Address on the device's side.
        iova: u64,
        /// Bytes.
        size: usize,
        /// What the kernel said.
        reason: String,
    },
    /// The operating system gives no memory or no event fd.
    #[error("{0}: {1}")]
    System(&'static str, #[source] std::io::Error),
    /// VFIO refused something else.
    #[error("{0}")]
    Vfio(String),
}
