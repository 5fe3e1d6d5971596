//! The shrinker, and the debugfs file that runs it.

use crate::api::DropCaches;
use crate::config::Activity;
use crate::error::Error;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::object::Object;
use crate::slab::Id;

impl<H: Hardware> Gem<H> {
    /// i915 `i915_gem_shrink`: unbound objects first, then bound ones, one at a time.
    pub(crate) fn shrink(&mut self, unbound: bool, bound: bool, active: bool) -> Result<(), Error> {
        if unbound {
            for object in self.mm.unbound.clone() {
                self.shrink_object(object, active)?;
            }
        }
        if bound {
            for object in self.mm.bound.clone() {
                self.shrink_object(object, active)?;
            }
        }
        Ok(())
    }

    /// Unbinds an object everywhere and lets its pages go. The object is held, since unbinding may
    /// retire; a neighbour that is gone by now is skipped.
    fn shrink_object(&mut self, object: Id<Object>, active: bool) -> Result<(), Error> {
        let Ok(record) = self.objects.get(object) else { return Ok(()) };
        if record.active != 0 && !active {
            return Ok(());
        }
        self.object_get(object)?;
        let tracked = self.config.activity == Activity::PerVma;
        let vmas = self.vmas_of(object);
        let pinned = |vma| self.vmas.get(vma).is_ok_and(|v| v.pin_count > 0);
        // 4.9 leaves an object with a pinned binding alone.
        if !(tracked && vmas.iter().any(|&vma| pinned(vma))) {
            // 2015: the first failure ends it. A pinned GGTT VMA is first on the list, which is why
            // fbcon's frame buffer keeps its orphans.
            let _ = self.object_unbind(object);
            match self.object_put_pages(object) {
                Ok(()) | Err(Error::Busy) => {}
                Err(error) => return Err(error),
            }
        }
        self.object_put(object)
    }

    /// `i915_gem_drop_caches`.
    pub fn drop_caches(&mut self, flags: DropCaches) -> Result<(), Error> {
        self.locked("drop_caches", |gem| {
            if flags.contains(DropCaches::ACTIVE) {
                gem.gpu_idle_locked()?;
            }
            if flags.contains(DropCaches::RETIRE | DropCaches::ACTIVE) {
                gem.retire_all()?;
            }
            let all = flags.contains(DropCaches::SHRINK_ALL);
            let unbound = all || flags.contains(DropCaches::UNBOUND);
            let bound = all || flags.contains(DropCaches::BOUND);
            gem.shrink(unbound, bound, all)
        })?;
        if flags.contains(DropCaches::IDLE) {
            self.quiesce();
        }
        Ok(())
    }
}
