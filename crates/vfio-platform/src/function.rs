//! What VFIO does for a PCI function.

use vmm_sys_util::eventfd::EventFd;

use crate::error::Error;
use crate::mapping::Mapping;

/// A region of a PCI function that the driver uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// BAR0: registers and GGTT.
    Registers,
    /// BAR2: the aperture.
    Aperture,
    /// Configuration space.
    Config,
}

impl Region {
    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Region::Registers => "BAR0",
            Region::Aperture => "BAR2",
            Region::Config => "configuration space",
        }
    }
}

/// A PCI function in the hands of this process. Dropping it gives it back.
pub trait PciFunction {
    /// Bytes of `region`; 0 if the function has none.
    fn size(&self, region: Region) -> u64;

    /// Maps `region` into this process; `None` if it can only be read and written by call.
    fn map(&self, region: Region) -> Option<Mapping>;

    /// Reads `bytes` at `offset`. What cannot be read leaves `bytes` as they are.
    fn read(&self, region: Region, offset: u64, bytes: &mut [u8]);

    /// Writes `bytes` at `offset`; dropped where it cannot be written.
    fn write(&self, region: Region, offset: u64, bytes: &[u8]);

    /// Lets the function reach `size` bytes of this process's memory at `memory` under the
    /// address `iova`.
    ///
    /// # Errors
    /// The IOMMU refuses.
    ///
    /// # Safety
    /// Until [`PciFunction::unmap_dma`] or the end of this value, `memory` to `memory + size` stays
    /// mapped and is accessed by raw pointer only, as another processor writes it.
    unsafe fn map_dma(&mut self, iova: u64, memory: *mut u8, size: usize) -> Result<(), Error>;

    /// Takes back what [`PciFunction::map_dma`] gave.
    fn unmap_dma(&mut self, iova: u64, size: usize);

    /// Sets MSI up, each message to be counted by `event`.
    ///
    /// # Errors
    /// The function has no MSI, or VFIO refuses.
    fn enable_msi(&mut self, event: &EventFd) -> Result<(), Error>;

    /// Ends what [`PciFunction::enable_msi`] began.
    fn disable_msi(&mut self);

    /// Resets the function, if it can be.
    fn reset(&mut self);
}
