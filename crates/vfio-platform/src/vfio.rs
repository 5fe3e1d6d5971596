//! A function through the kernel's VFIO: container, group, device (by vfio-ioctls).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use vfio_bindings::bindings::vfio as uapi;
use vfio_ioctls::{VfioContainer, VfioDevice, VfioError, VfioRegionInfoCap};
use vmm_sys_util::eventfd::EventFd;

use crate::address::Address;
use crate::error::Error;
use crate::function::{PciFunction, Region};
use crate::mapping::Mapping;
use crate::sysfs;

/// A function that vfio-pci gives to this process.
pub struct VfioFunction {
    // The device goes before the container, as its group must leave it.
    device: VfioDevice,
    container: Arc<VfioContainer>,
}

impl VfioFunction {
    /// Opens the function at `address`.
    ///
    /// # Errors
    /// See [`Error`]; each message says what to do.
    pub fn open(address: Address) -> Result<VfioFunction, Error> {
        let path = sysfs::find(Path::new(sysfs::DEVICES), address)?;
        let explain = |error| explain(address, error);
        let container = Arc::new(VfioContainer::new(None).map_err(explain)?);
        let device = VfioDevice::new(&path, container.clone(), false).map_err(explain)?;
        Ok(VfioFunction { device, container })
    }

    /// The device's file, for the mapping that vfio-ioctls has no call for.
    fn file(&self) -> io::Result<File> {
        // SAFETY: the file is open as long as `device`, which this borrow does not outlive.
        let file = unsafe { BorrowedFd::borrow_raw(self.device.as_raw_fd()) };
        Ok(file.try_clone_to_owned()?.into())
    }

    /// Whether all of the region may be mapped: allowed at all, and not only in parts.
    fn is_mappable(&self, index: u32) -> bool {
        let flags = self.device.get_region_flags(index);
        let capabilities = self.device.get_region_caps(index);
        let in_parts = |capability: &_| matches!(capability, VfioRegionInfoCap::SparseMmap(_));
        flags & uapi::VFIO_REGION_INFO_FLAG_MMAP != 0 && !capabilities.iter().any(in_parts)
    }
}

/// The region's number in VFIO.
const fn index(region: Region) -> u32 {
    match region {
        Region::Registers => uapi::VFIO_PCI_BAR0_REGION_INDEX,
        Region::Aperture => uapi::VFIO_PCI_BAR2_REGION_INDEX,
        Region::Config => uapi::VFIO_PCI_CONFIG_REGION_INDEX,
    }
}

/// What the usual refusals mean, and what to do.
fn explain(address: Address, error: VfioError) -> Error {
    match error {
        VfioError::OpenContainer(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Error::Permission("/dev/vfio/vfio".to_owned())
        }
        VfioError::OpenContainer(error) => Error::NoVfio(error),
        VfioError::OpenGroup(error, group) => match error.raw_os_error() {
            Some(libc::EBUSY) => Error::Busy(group),
            Some(libc::EACCES | libc::EPERM) => Error::Permission(format!("/dev/vfio/{group}")),
            _ => Error::System("the group's file in /dev/vfio cannot be opened", error),
        },
        VfioError::GroupViable => Error::GroupNotViable(address),
        VfioError::VfioExtension => Error::NoType1,
        VfioError::ContainerSetIOMMU(error) if error.errno() == libc::EPERM => {
            Error::UnsafeInterrupts
        }
        other => Error::Vfio(other.to_string()),
    }
}

impl PciFunction for VfioFunction {
    fn size(&self, region: Region) -> u64 {
        self.device.get_region_size(index(region))
    }

    fn map(&self, region: Region) -> Option<Mapping> {
        let index = index(region);
        if !self.is_mappable(index) {
            return None;
        }
        let size = usize::try_from(self.device.get_region_size(index)).ok()?;
        let offset = self.device.get_region_offset(index);
        let mapped = self.file().and_then(|file| Mapping::of_file(&file, offset, size));
        mapped.inspect_err(|error| log::warn!("{} is not mapped: {error}", region.name())).ok()
    }

    fn read(&self, region: Region, offset: u64, bytes: &mut [u8]) {
        self.device.region_read(index(region), bytes, offset);
    }

    fn write(&self, region: Region, offset: u64, bytes: &[u8]) {
        self.device.region_write(index(region), bytes, offset);
    }

    /// # Safety
    ///
    /// As the trait says: the memory stays until `unmap_dma`.
    unsafe fn map_dma(&mut self, iova: u64, memory: *mut u8, size: usize) -> Result<(), Error> {
        // SAFETY: the caller promises what `vfio_dma_map` asks for.
        let mapped = unsafe { self.container.vfio_dma_map(iova, size, memory) };
        mapped.map_err(|error| Error::Dma { iova, size, reason: error.to_string() })
    }

    fn unmap_dma(&mut self, iova: u64, size: usize) {
        // The container's end unmaps as well.
        if let Err(error) = self.container.vfio_dma_unmap(iova, size) {
            log::warn!("the DMA pages at {iova:#x}: {error}");
        }
    }

    fn enable_msi(&mut self, event: &EventFd) -> Result<(), Error> {
        let count = self.device.get_irq_info(uapi::VFIO_PCI_MSI_IRQ_INDEX).map_or(0, |i| i.count);
        if count == 0 {
            return Err(Error::NoMsi);
        }
        self.device.enable_msi(vec![event]).map_err(|error| Error::Vfio(error.to_string()))
    }

    fn disable_msi(&mut self) {
        if let Err(error) = self.device.disable_msi() {
            log::debug!("MSI: {error}"); // It was never enabled, or the device is gone.
        }
    }

    fn reset(&mut self) {
        self.device.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_refusals_say_what_to_do() {
        let address = "00:02.0".parse().unwrap();
        let os = io::Error::from_raw_os_error;
        for (error, words) in [
            (VfioError::OpenContainer(os(libc::EACCES)), "run as root"),
            (VfioError::OpenContainer(os(libc::ENOENT)), "modprobe vfio-pci"),
            (VfioError::OpenGroup(os(libc::EBUSY), "7".into()), "/dev/vfio/7 is in use"),
            (VfioError::OpenGroup(os(libc::EACCES), "7".into()), "open /dev/vfio/7"),
            (VfioError::GroupViable, "bind all to vfio-pci"),
            (VfioError::VfioExtension, "modprobe vfio_iommu_type1"),
        ] {
            let message = explain(address, error).to_string();
            assert!(message.contains(words), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
