//! v3 of the patch: the walk of v2 with an unbind that does not wait.
//!
//! Right, because a VMA on a dead context's inactive list is idle by definition, whatever its
//! object does elsewhere. v4 differs in a name (two underscores) and the commit message only.
//!
//! What is left: (h1) a VMA on the *active* list because its object is busy elsewhere is missed, and
//! leaks; (h2) so is one whose context dies inside the object's retirement; (h3) so is one that was
//! never bound, which is on no list; (h4) closing a handle still does nothing; (h5) page tables may
//! go while the hardware still has them loaded.

use super::{CleanupPolicy, walk};
use crate::address_space::Vm;
use crate::findings::Finding;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;
use crate::unbind::Wait;

/// v3.
pub(super) struct V3NoWait;

/// The warning that a context without an address space gave, once.
const NO_VM: Finding = Finding::Warn("context_clean: context without an address space");

impl<H: Hardware> CleanupPolicy<H> for V3NoWait {
    fn context_free(&self, gem: &mut Gem<H>, vm: Option<Id<Vm>>) {
        let Some(vm) = vm else {
            if !gem.findings.contains(&NO_VM) {
                gem.report(NO_VM);
            }
            return;
        };
        walk::warn_if_active(gem, vm);
        walk::unbind_inactive(gem, vm, Wait::No);
    }
}
