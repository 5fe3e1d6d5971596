//! The driver's [`Platform`](driver::Platform) over a real PCI function, from user space.
//!
//! ```text
//!  driver ── Platform ──▶ VfioPlatform ──┬── BAR0, BAR2: mapped, or by read and write
//!                                        ├── configuration space: region 7
//!                                        ├── DMA pages: one arena, mapped into the IOMMU at a fixed
//!                                        │   address; that is what the driver calls physical
//!                                        └── MSI: an event fd
//!                              │ PciFunction
//!                              ▼
//!                         VfioFunction ── container, group, device ──▶ vfio-pci in the kernel
//! ```
//!
//! [`open`] takes a function that is bound to vfio-pci. [`PciFunction`] is the seam for tests: what
//! the kernel does for a function, and nothing else. The crate does not know the device model.

mod address;
mod arena;
mod error;
mod function;
mod mapping;
mod platform;
mod sysfs;
mod vfio;
mod wait;
mod window;

pub use address::{Address, ParseAddressError};
pub use arena::Arena;
pub use error::Error;
pub use function::{PciFunction, Region};
pub use mapping::Mapping;
pub use platform::{ARENA_BASE, ARENA_SIZE, VfioPlatform};
pub use vfio::VfioFunction;

/// Opens the function at `address`.
///
/// # Errors
/// It is not there, not bound to vfio-pci, has no IOMMU, or may not be opened; the message says what
/// to do.
pub fn open(address: Address) -> Result<VfioPlatform<VfioFunction>, Error> {
    VfioPlatform::new(VfioFunction::open(address)?)
}
