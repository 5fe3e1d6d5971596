//! v1 of the patch: v2's walk, and "immediately on object retire" as well.
//!
//! Only a sentence of its changelog is known; the hook is a reconstruction: when an object becomes
//! idle, its VMAs in dead contexts' address spaces are unbound.
//!
//! What is wrong: unbind waits for the object, waiting retires it, retiring runs the hook, and the
//! hook unbinds the very VMA whose unbind is waiting. The inner call frees what the outer one goes
//! on to use. It also invalidates every walk over an object's VMA list around it.

use super::CleanupPolicy;
use super::v2_wait_unbind::V2WaitUnbind;
use crate::address_space::Vm;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::object::Object;
use crate::slab::Id;
use crate::unbind::Wait;

/// v1.
pub(super) struct V1RetireHook;

impl<H: Hardware> CleanupPolicy<H> for V1RetireHook {
    fn context_free(&self, gem: &mut Gem<H>, vm: Option<Id<Vm>>) {
        V2WaitUnbind.context_free(gem, vm);
    }

    fn object_idle(&self, gem: &mut Gem<H>, object: Id<Object>) {
        for vma in gem.vmas_of(object) {
            let Ok(record) = gem.vmas.get(vma) else { continue };
            let orphan = record.vm != gem.ggtt
                && Some(record.vm) != gem.aliasing
                && gem.vms.get(record.vm).is_ok_and(|vm| vm.context_users == 0);
            if orphan {
                // A recursion is reported by unbind itself.
                let _ = gem.unbind(vma, Wait::Rendering);
            }
        }
    }
}
