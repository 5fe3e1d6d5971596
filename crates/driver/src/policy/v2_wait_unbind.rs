//! v2 of the patch: when the context dies, the VMAs on its inactive list are unbound, with waiting.
//!
//! The thought was: a context dies after its last request, so its VMAs are idle, so waiting costs
//! nothing. What is wrong: the wait is for the *object*, which may be busy in another address
//! space. Then a destructor sleeps with struct_mutex held, and if whoever must feed the GPU needs
//! struct_mutex, nobody moves again.

use super::{CleanupPolicy, walk};
use crate::address_space::Vm;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;
use crate::unbind::Wait;

/// v2.
pub(super) struct V2WaitUnbind;

impl<H: Hardware> CleanupPolicy<H> for V2WaitUnbind {
    fn context_free(&self, gem: &mut Gem<H>, vm: Option<Id<Vm>>) {
        let Some(vm) = vm else { return };
        walk::warn_if_active(gem, vm);
        walk::unbind_inactive(gem, vm, Wait::Rendering);
    }
}
