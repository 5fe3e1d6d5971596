//! 4.14: a handle look-up table per context, and a count of the entries that lead to a VMA.
//!
//! As 4.9 at context close. A handle close removes exactly its own entries; with two handles on one
//! object in one file, the VMA goes with the last one (3ffff0174992; before it, the first close
//! destroyed the VMA under the other handle's entry).

use super::CleanupPolicy;
use crate::context::Context;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;

/// Look-up tables and open counts.
pub(super) struct LutOpenCount414;

impl<H: Hardware> CleanupPolicy<H> for LutOpenCount414 {
    fn context_close(&self, gem: &mut Gem<H>, context: Id<Context>) {
        let closed = gem.close_context_vmas(context);
        let _ = gem.note(closed);
    }
}
