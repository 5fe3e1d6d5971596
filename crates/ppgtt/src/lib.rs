//! Gen8 page tables over a [`PhysicalMemory`]: walk, build, map, unmap, reclaim, census.
//!
//! * [`walk()`] translates as an engine does, with a [`WalkFault`] for every way to fail.
//! * [`AddressSpace`] builds and owns the tables of one address space, as the driver of 2015 did.
//! * [`census`](census()) finds from a root alone which table pages exist and what is mapped.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address_space;
mod allocator;
mod census;
mod error;
mod levels;
mod memory;
mod scratch;
mod walk;

#[cfg(test)]
mod test_memory;

pub use address_space::AddressSpace;
pub use allocator::{PageAllocator, TableCounts};
pub use census::{
    CensusLimits, CensusProblem, Leaf, TableCensus, TablePage, VaRange, census, census_within,
};
pub use error::MapError;
pub use levels::{
    INDEX_BITS, Level, Levels, PageTableRoot, VA_BITS, canonical, is_canonical, strip_canonical,
};
pub use memory::PhysicalMemory;
pub use scratch::ScratchTree;
pub use walk::{Access, Trace, Translation, WalkFault, ggtt_page, trace, walk};
