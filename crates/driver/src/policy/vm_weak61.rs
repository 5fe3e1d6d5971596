//! 4.19 to 6.1: as 4.18, but a VMA does not hold its address space (736d1ee57).
//!
//! The last context's reference releases the address space: a worker destroys every VMA left in it,
//! whatever its state. Parking switches the engines to the kernel's context, so that not even the
//! last context survives.

use super::CleanupPolicy;
use crate::context::Context;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;

/// Address spaces held by contexts only.
pub(super) struct VmWeak61;

impl<H: Hardware> CleanupPolicy<H> for VmWeak61 {
    fn context_close(&self, gem: &mut Gem<H>, context: Id<Context>) {
        let closed = gem.close_context_vmas(context);
        let _ = gem.note(closed);
    }
}
