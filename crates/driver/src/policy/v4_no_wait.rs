//! v4 of the patch, as merged in 4.4: "drm/i915: Clean up associated VMAs on context destruction"
//! (e9f24d5fb7cf3628b195b18ff3ac4e37937ceeae).
//!
//! When the last reference of a context goes, before it drops its reference on the address space,
//! every VMA on that address space's inactive list is unbound without waiting. The behaviour is
//! v3's; see there for what is left.

use super::CleanupPolicy;
use super::v3_no_wait::V3NoWait;
use crate::address_space::Vm;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;

/// The merged fix.
pub(super) struct V4NoWait;

impl<H: Hardware> CleanupPolicy<H> for V4NoWait {
    fn context_free(&self, gem: &mut Gem<H>, vm: Option<Id<Vm>>) {
        V3NoWait.context_free(gem, vm);
    }
}
