//! 4.5 to 4.8: the merged fix without its two warnings.
//!
//! The warnings were false alarms for the kernel log, but told of holes h1 and h2: those leaks are
//! silent now.

use super::{CleanupPolicy, walk};
use crate::address_space::Vm;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;
use crate::unbind::Wait;

/// v4 without warnings.
pub(super) struct V4Relaxed;

impl<H: Hardware> CleanupPolicy<H> for V4Relaxed {
    fn context_free(&self, gem: &mut Gem<H>, vm: Option<Id<Vm>>) {
        if let Some(vm) = vm {
            walk::unbind_inactive(gem, vm, Wait::No);
        }
    }
}
