//! 4.18: closing only notes.
//!
//! Closing puts the VMA on the device's list of closed VMAs, where the next execbuf may open it
//! again; it is unbound and destroyed when the GT parks. Since each VMA holds its address space,
//! every closed address space lives until then.

use super::CleanupPolicy;
use crate::context::Context;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;

/// Lazy closing.
pub(super) struct LazyClose418;

impl<H: Hardware> CleanupPolicy<H> for LazyClose418 {
    fn context_close(&self, gem: &mut Gem<H>, context: Id<Context>) {
        let closed = gem.close_context_vmas(context);
        let _ = gem.note(closed);
    }
}
