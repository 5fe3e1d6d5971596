//! Why page tables could not be built.

/// Why a range could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The allocator has no page left. What was mapped before is untouched.
    #[error("no page left for a page table")]
    OutOfMemory,
    /// The range is empty, not page-aligned, or does not lie in the address space.
    #[error("range of {len:#x} bytes at {va:#x} does not lie in the address space")]
    BadRange {
        /// First address.
        va: u64,
        /// Bytes.
        len: u64,
    },
    /// No page table covers the address: [`crate::AddressSpace::allocate_range`] comes first.
    #[error("no page table covers {va:#x}")]
    NotAllocated {
        /// First address without a table.
        va: u64,
    },
    /// A page that no entry can name: not page-aligned, or beyond 39 bits.
    #[error("page {page:#x} is not aligned or beyond 39 bits")]
    BadPage {
        /// The page.
        page: u64,
    },
    /// A table page lies outside RAM.
    #[error("table page {page:#x} is outside RAM")]
    OutsideRam {
        /// The page.
        page: u64,
    },
    /// A shared scratch tree with another number of levels.
    #[error("the scratch tree has another number of levels")]
    ScratchLevels,
}
