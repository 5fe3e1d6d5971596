//! The walk that v2, v3 and v4 of the patch share (`i915_gem_context_clean`).

use crate::address_space::Vm;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;
use crate::unbind::Wait;
use crate::vma::VmList;

/// Warns if a dead context's address space has active VMAs: the walk will not find them.
pub(super) fn warn_if_active<H: Hardware>(gem: &mut Gem<H>, vm: Id<Vm>) {
    if !gem.vm_list(vm, VmList::Active).is_empty() {
        gem.warn("context_clean: active_list not empty");
    }
}

/// Unbinds every VMA on the inactive list; warns and stops at the first failure.
pub(super) fn unbind_inactive<H: Hardware>(gem: &mut Gem<H>, vm: Id<Vm>, wait: Wait) {
    for vma in gem.vm_list(vm, VmList::Inactive) {
        // Unbinding one may have retired, and thereby freed, another.
        if !gem.vmas.contains(vma) {
            continue;
        }
        if gem.unbind(vma, wait).is_err() {
            gem.warn("context_clean: unbind failed");
            return;
        }
    }
}
