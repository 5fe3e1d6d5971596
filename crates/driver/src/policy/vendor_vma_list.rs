//! A shipped Android-lineage tree: every address space lists *all* its VMAs; when the context dies,
//! each is unbound with the normal, waiting unbind.
//!
//! What is good: it finds VMAs that are active or were never bound, which v4 misses. What is
//! wrong: it waits for rendering in *other* address spaces with struct_mutex held (deadlock, as
//! v2); it forces pin counts to 0, which hides pin leaks; it ignores errors, so an interrupted wait
//! leaks silently.

use super::{CleanupPolicy, walk};
use crate::address_space::Vm;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;
use crate::unbind::Wait;

/// The vendor tree.
pub(super) struct VendorVmaList;

impl<H: Hardware> CleanupPolicy<H> for VendorVmaList {
    fn context_free(&self, gem: &mut Gem<H>, vm: Option<Id<Vm>>) {
        let Some(vm) = vm else { return };
        walk::warn_if_active(gem, vm);
        let all = gem.vms.get(vm).map(|vm| vm.all.clone()).unwrap_or_default();
        for vma in all {
            let Ok(record) = gem.vmas.get_mut(vma) else { continue };
            let was_pinned = core::mem::take(&mut record.pin_count) > 0;
            if was_pinned {
                gem.warn("ppgtt_destroy: VMA still pinned");
            }
            // The vendor's tree ignored the result.
            let _ = gem.unbind(vma, Wait::Rendering);
        }
    }
}
