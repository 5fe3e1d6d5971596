//! Unbinding (i915 `i915_vma_unbind`): the heart of every cleanup policy.

use crate::config::Activity;
use crate::error::Error;
use crate::findings::Finding;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::object::{Object, ObjectList};
use crate::slab::Id;
use crate::vma::{VmList, Vma};

/// Whether unbind waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until the GPU is done with the *object*, in whatever address space and on whatever engine
    /// (2015); with the VMA (4.9).
    Rendering,
    /// No: only for a caller that knows that the VMA is not in use
    /// (`__i915_vma_unbind_no_wait`, the fix).
    No,
}

impl<H: Hardware> Gem<H> {
    /// Takes a VMA out of its address space; until 4.8 this also destroys it, and with it may go
    /// the address space.
    ///
    /// Entering twice for one VMA is invariant I6 broken: the inner call would free what the outer
    /// one goes on to use. It is reported and refused, which the kernel did not do.
    pub(crate) fn unbind(&mut self, vma: Id<Vma>, wait: Wait) -> Result<(), Error> {
        let depth = self.lock.enter_unbind();
        let result = self.unbind_once(vma, wait, depth);
        self.lock.leave_unbind();
        result
    }

    fn unbind_once(&mut self, vma: Id<Vma>, wait: Wait, depth: u32) -> Result<(), Error> {
        let record = self.vmas.get_mut(vma)?;
        if record.unbinding {
            let vma = record.number;
            self.report(Finding::RecursionDetected { vma, depth });
            return Err(Error::Busy);
        }
        record.unbinding = true;
        let result = match self.config.activity {
            Activity::PerObject => self.unbind_2015(vma, wait),
            Activity::PerVma => self.unbind_tracked(vma, wait),
        };
        if let Ok(record) = self.vmas.get_mut(vma) {
            record.unbinding = false;
        }
        result
    }

    /// 4.3: waits for the whole object, then destroys the VMA.
    fn unbind_2015(&mut self, vma: Id<Vma>, wait: Wait) -> Result<(), Error> {
        let record = self.vmas.get(vma)?;
        if record.node.is_none() {
            return self.vma_destroy(vma);
        }
        if record.pin_count > 0 {
            return Err(Error::Busy);
        }
        let object = record.object;
        if wait == Wait::Rendering {
            self.object_wait_rendering(object, true)?;
        }
        self.vma_detach(vma)?;
        self.set_vm_list(vma, VmList::None)?;
        self.vma_destroy(vma)?;
        self.object_unbound(object)
    }

    /// 4.9: retires the VMA's own activity under a temporary pin, so that a closed VMA's retirement
    /// does not unbind it from within; destroys the VMA only if it is closed.
    fn unbind_tracked(&mut self, vma: Id<Vma>, wait: Wait) -> Result<(), Error> {
        if wait == Wait::Rendering && self.vmas.get(vma)?.active != 0 {
            self.vma_pin(vma)?;
            let waited = self.vma_wait(vma);
            self.vma_unpin(vma);
            waited?;
        }
        let record = self.vmas.get(vma)?;
        if record.pin_count > 0 {
            return Err(Error::Busy);
        }
        let object = record.object;
        if record.node.is_some() {
            self.vma_detach(vma)?;
            self.set_vm_list(vma, VmList::Unbound)?;
            self.object_unbound(object)?;
        }
        if self.vmas.get(vma)?.closed { self.vma_destroy(vma) } else { Ok(()) }
    }

    /// The part that all kernels share: PTEs, range, page pin.
    fn vma_detach(&mut self, vma: Id<Vma>) -> Result<(), Error> {
        let record = self.vmas.get(vma)?;
        let (object, vm) = (record.object, record.vm);
        let clear = !self.vms.get(vm)?.closed;
        self.vma_remove(vma, clear)?;
        let object = self.objects.get_mut(object)?;
        object.pages_pin_count = object.pages_pin_count.saturating_sub(1);
        Ok(())
    }

    /// Moves an object without bindings to the unbound list. 2015 asks for an empty VMA list, 4.9
    /// counts bindings.
    fn object_unbound(&mut self, object: Id<Object>) -> Result<(), Error> {
        let record = self.objects.get(object)?;
        let empty = match self.config.activity {
            Activity::PerObject => record.vmas.is_empty(),
            Activity::PerVma => {
                record.vmas.iter().all(|&v| self.vmas.get(v).is_ok_and(|v| v.node.is_none()))
            }
        };
        if empty && record.list == ObjectList::Bound {
            self.set_object_list(object, ObjectList::Unbound)?;
        }
        Ok(())
    }
}
