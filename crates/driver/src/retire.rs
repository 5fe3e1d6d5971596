//! Retirement: what happens when the GPU is done. The order of the steps is the subject.

use alloc::vec::Vec;

use crate::config::{Activity, CloseTiming};
use crate::error::Error;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::object::{Object, ObjectList, WriteDomain};
use crate::policy::policy_of;
use crate::request::Request;
use crate::slab::Id;
use crate::unbind::Wait;
use crate::vma::{VmList, Vma};

impl<H: Hardware> Gem<H> {
    /// Marks a VMA and its object as used by a request (i915 `i915_vma_move_to_active`).
    pub(crate) fn move_to_active(
        &mut self,
        vma: Id<Vma>,
        request: Id<Request>,
        write: bool,
    ) -> Result<(), Error> {
        let engine = self.requests.get(request)?.engine;
        let object = self.vmas.get(vma)?.object;
        let bit = 1 << engine.index();
        let record = self.objects.get_mut(object)?;
        if record.active == 0 {
            record.refs += 1;
        }
        record.active |= bit;
        record.write_domain = if write { WriteDomain::Gpu } else { WriteDomain::None };
        match self.config.activity {
            Activity::PerObject => self.object_track(object, request, write)?,
            Activity::PerVma => {
                let record = self.vmas.get_mut(vma)?;
                record.active |= bit;
                record.last_active[engine.index()] = Some(request);
                self.requests.get_mut(request)?.vmas.push(vma);
                if write {
                    self.objects.get_mut(object)?.last_write = Some(request);
                }
            }
        }
        // Only this VMA: the object's other VMAs keep their list (2015, root of hole h1).
        self.set_vm_list(vma, VmList::Active)
    }

    /// Per-object activity: the object holds its last requests. Letting go of an older one may
    /// free that one's context.
    fn object_track(
        &mut self,
        object: Id<Object>,
        request: Id<Request>,
        write: bool,
    ) -> Result<(), Error> {
        let engine = self.requests.get(request)?.engine;
        let index = self.engine_index(engine)?;
        self.request_get(request)?;
        let old_read = self.objects.get_mut(object)?.last_read[engine.index()].replace(request);
        let active = &mut self.engines[index].active;
        active.retain(|&o| o != object);
        active.push(object);
        let mut old_write = None;
        if write {
            self.request_get(request)?;
            old_write = self.objects.get_mut(object)?.last_write.replace(request);
        }
        for old in [old_read, old_write].into_iter().flatten() {
            self.request_put(old)?;
        }
        Ok(())
    }

    /// Requests that a reader (or, `for_write`, a writer) of the object must wait for.
    pub(crate) fn object_requests(&self, object: Id<Object>, for_write: bool) -> Vec<Id<Request>> {
        let Ok(record) = self.objects.get(object) else { return Vec::new() };
        if !for_write {
            return record.last_write.into_iter().collect();
        }
        match self.config.activity {
            Activity::PerObject => record.last_read.into_iter().flatten().collect(),
            Activity::PerVma => record
                .vmas
                .iter()
                .filter_map(|&vma| self.vmas.get(vma).ok())
                .flat_map(|vma| vma.last_active.into_iter().flatten())
                .collect(),
        }
    }

    /// Retires every engine.
    pub(crate) fn retire_all(&mut self) -> Result<(), Error> {
        (0..self.engines.len()).try_for_each(|index| self.retire_engine(index))
    }

    /// Retires what an engine has completed, in the era's order: requests, then objects, then the
    /// execlist queue's references.
    pub(crate) fn retire_engine(&mut self, index: usize) -> Result<(), Error> {
        self.poll_hardware();
        while let Some(&head) = self.engines[index].requests.front() {
            if !self.request_completed(head)? {
                break;
            }
            self.request_retire(head)?;
        }
        while let Some(&object) = self.engines[index].active.first() {
            let engine = self.engines[index].id;
            let last = self.objects.get(object)?.last_read[engine.index()];
            if last.is_some_and(|r| self.requests.get(r).is_ok_and(|r| r.listed)) {
                break;
            }
            self.retire_read(object, index)?;
        }
        for request in core::mem::take(&mut self.engines[index].retired_queue) {
            self.request_put(request)?;
        }
        Ok(())
    }

    /// Retires an engine's requests up to and including this one.
    pub(crate) fn retire_requests_upto(&mut self, request: Id<Request>) -> Result<(), Error> {
        let Ok(record) = self.requests.get(request) else { return Ok(()) };
        let index = self.engine_index(record.engine)?;
        while self.requests.get(request).is_ok_and(|r| r.listed) {
            let Some(&head) = self.engines[index].requests.front() else { break };
            self.request_retire(head)?;
        }
        Ok(())
    }

    /// Takes one completed request off its engine's list (i915 `i915_gem_request_retire`).
    fn request_retire(&mut self, request: Id<Request>) -> Result<(), Error> {
        let record = self.requests.get_mut(request)?;
        record.listed = false;
        let engine = record.engine;
        let vmas = core::mem::take(&mut record.vmas);
        let images = core::mem::take(&mut record.images);
        let previous = record.previous_context.take();
        let index = self.engine_index(engine)?;
        self.engines[index].requests.retain(|&r| r != request);
        for vma in vmas {
            // A newer request may have taken the tracker over, or the VMA is gone.
            let current = self.vmas.get(vma).ok().and_then(|v| v.last_active[engine.index()]);
            if current == Some(request) {
                self.vma_retire(vma, request)?;
            }
        }
        images.into_iter().for_each(|image| self.free_image(image));
        if let Some(previous) = previous {
            self.context_put(previous)?;
        }
        self.request_put(request)
    }

    /// Per-VMA activity: the VMA's last request on one engine is done.
    fn vma_retire(&mut self, vma: Id<Vma>, request: Id<Request>) -> Result<(), Error> {
        let engine = self.requests.get(request)?.engine;
        let record = self.vmas.get_mut(vma)?;
        record.active &= !(1 << engine.index());
        record.last_active[engine.index()] = None;
        let (object, idle) = (record.object, record.active == 0);
        if self.objects.get(object)?.last_write == Some(request) {
            self.objects.get_mut(object)?.last_write = None;
        }
        if idle {
            self.set_vm_list(vma, VmList::Inactive)?;
            self.vma_reap_closed(vma)?;
        }
        self.object_update_active(object)
    }

    /// Per-VMA activity: an object is active while one of its VMAs is.
    fn object_update_active(&mut self, object: Id<Object>) -> Result<(), Error> {
        let vmas = self.vmas_of(object);
        let active =
            vmas.iter().filter_map(|&v| self.vmas.get(v).ok()).fold(0, |a, v| a | v.active);
        let record = self.objects.get_mut(object)?;
        let was_active = core::mem::replace(&mut record.active, active) != 0;
        if active != 0 || !was_active {
            return Ok(());
        }
        if record.list == ObjectList::Bound {
            self.set_object_list(object, ObjectList::Bound)?;
        }
        self.object_put(object)
    }

    /// After a wait: retires the object's read on an engine if its request is retired.
    pub(crate) fn retire_object_after(
        &mut self,
        object: Id<Object>,
        engine: gen8_spec::engine::EngineId,
    ) -> Result<(), Error> {
        let Some(last) = self.objects.get(object)?.last_read[engine.index()] else {
            return Ok(());
        };
        if self.requests.get(last)?.listed {
            return Ok(());
        }
        let index = self.engine_index(engine)?;
        self.retire_read(object, index)
    }

    /// Per-object activity: the object's last read on one engine is done (i915
    /// `i915_gem_object_retire__read`).
    ///
    /// The request's reference is dropped *first*, as in the era: if it was the last, its context
    /// dies right here, while this object's VMA in it is still on the active list (hole h2).
    /// Invariant I9 is the order that 4.9 brought.
    pub(crate) fn retire_read(&mut self, object: Id<Object>, index: usize) -> Result<(), Error> {
        let engine = self.engines[index].id;
        self.engines[index].active.retain(|&o| o != object);
        if let Some(request) = self.objects.get_mut(object)?.last_read[engine.index()].take() {
            self.request_put(request)?;
        }
        if let Some(write) = self.objects.get(object)?.last_write
            && self.requests.get(write)?.engine == engine
        {
            self.objects.get_mut(object)?.last_write = None;
            self.request_put(write)?;
        }
        let record = self.objects.get_mut(object)?;
        record.active &= !(1 << engine.index());
        if record.active != 0 {
            return Ok(());
        }
        if record.list == ObjectList::Bound {
            self.set_object_list(object, ObjectList::Bound)?;
        }
        for vma in self.vmas_of(object) {
            if matches!(self.vmas.get(vma)?.list, VmList::Active | VmList::Inactive) {
                self.set_vm_list(vma, VmList::Inactive)?;
            }
        }
        for vma in self.vmas_of(object) {
            self.vma_reap_closed(vma)?;
        }
        if !self.config.mutations.skip_cleanup {
            policy_of(self.config.policy).object_idle(self, object);
        }
        self.object_put(object)
    }

    /// A closed VMA that became idle is unbound, and thereby destroyed, at once (4.9 to 4.17). A
    /// pin refuses: that is how 4.9 keeps retirement inside unbind from unbinding the same VMA.
    fn vma_reap_closed(&mut self, vma: Id<Vma>) -> Result<(), Error> {
        let Ok(record) = self.vmas.get(vma) else { return Ok(()) };
        let immediate = self.config.close_timing == CloseTiming::Immediate;
        if record.closed && immediate && record.pin_count == 0 && !record.unbinding {
            return self.unbind(vma, Wait::No);
        }
        Ok(())
    }

    /// Retires what has completed (the retire worker's work, at once).
    pub fn retire(&mut self) {
        let _ = self.locked("retire", Self::retire_all);
    }
}
