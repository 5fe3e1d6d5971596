//! Until 4.3: nothing is done.
//!
//! A VMA is destroyed only with its object, by eviction in its own address space, or by the
//! shrinker. If the object outlives the context (flink, prime, fbcon, or just another handle), the
//! VMA stays, and its counted reference keeps the address space with all its page tables.

use super::CleanupPolicy;
use crate::hardware::Hardware;

/// The kernels with the leak.
pub(super) struct None;

impl<H: Hardware> CleanupPolicy<H> for None {}
