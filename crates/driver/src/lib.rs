//! An i915-style guest driver for Gen8.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod gt;
mod platform;

pub use platform::Platform;
