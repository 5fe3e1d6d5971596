//! Gen8 page tables over a [`PhysicalMemory`]: walk, build, map, unmap, reclaim, census.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod memory;

pub use memory::PhysicalMemory;
