//! 4.9: VMAs are closed with their context (and, by [`CloseHook`](crate::CloseHook), with their
//! handle).
//!
//! Closing the context closes every VMA on all three lists of its address space, used or not,
//! bound or not. An idle one goes at once; a busy one when its own last request retires, since
//! activity is per VMA now. Nothing is left to do when the context is freed: the holes h1 to h4 are
//! gone.
//!
//! 4.9 also took a closed VMA off its object's list at once. Two later fixes paid for that: an
//! object-wide unbind missed closed, busy VMAs (02bef8f98d26), and flushes missed them (f1db4e2fd,
//! which put them back). Here a VMA stays on the list until it is destroyed, and look-ups pass over
//! closed ones.

use super::CleanupPolicy;
use crate::context::Context;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;

/// Close tracking.
pub(super) struct CloseTracking49;

impl<H: Hardware> CleanupPolicy<H> for CloseTracking49 {
    fn context_close(&self, gem: &mut Gem<H>, context: Id<Context>) {
        let closed = gem.close_context_vmas(context);
        let _ = gem.note(closed);
    }
}
