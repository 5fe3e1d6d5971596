//! Making room in an address space.

use alloc::vec::Vec;

use crate::address_space::Vm;
use crate::bind::BATCH_OFFSET_BIAS;
use crate::error::Error;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::slab::Id;
use crate::unbind::Wait;
use crate::vma::{VmList, Vma};

impl<H: Hardware> Gem<H> {
    /// Takes a range anywhere; evicts other VMAs of this address space if it is full. An address
    /// space that nobody binds into is never evicted: eviction cannot find the orphans.
    pub(crate) fn vm_take_range(&mut self, vm: Id<Vm>, size: u64) -> Result<u64, Error> {
        // The range is freed by its start, so a red zone goes with it.
        let size = size + self.config.red_zone;
        if let Some(start) = self.vms.get_mut(vm)?.ranges.insert(size, BATCH_OFFSET_BIAS) {
            return Ok(start);
        }
        self.evict_something(vm, size)?;
        self.vms.get_mut(vm)?.ranges.insert(size, BATCH_OFFSET_BIAS).ok_or(Error::NoSpace)
    }

    /// Takes exactly this range; evicts what overlaps it (softpin).
    pub(crate) fn vm_take_fixed(
        &mut self,
        vm: Id<Vm>,
        start: u64,
        size: u64,
    ) -> Result<u64, Error> {
        let record = self.vms.get(vm)?;
        if !record.ranges.in_range(start, size) {
            return Err(Error::Invalid);
        }
        let overlapping: Vec<u64> = record.ranges.overlapping(start, size).collect();
        let victims: Vec<Id<Vma>> = record
            .all
            .iter()
            .copied()
            .filter(|&vma| {
                let node = self.vmas.get(vma).ok().and_then(|v| v.node);
                node.is_some_and(|node| overlapping.contains(&node))
            })
            .collect();
        for vma in victims {
            self.evict_vma(vma)?;
        }
        let taken = self.vms.get_mut(vm)?.ranges.insert_at(start, size);
        if taken { Ok(start) } else { Err(Error::NoSpace) }
    }

    /// i915 `i915_gem_evict_something`: walks the inactive, then the active VMAs in LRU order until
    /// unbinding them would leave a hole, and unbinds only those in the hole.
    fn evict_something(&mut self, vm: Id<Vm>, size: u64) -> Result<(), Error> {
        let mut candidates = self.vm_list(vm, VmList::Inactive);
        candidates.extend(self.vm_list(vm, VmList::Active));
        let mut ranges = self.vms.get(vm)?.ranges.clone();
        let mut freed: Vec<(u64, Id<Vma>)> = Vec::new();
        for vma in candidates {
            let record = self.vmas.get(vma)?;
            let Some(start) = record.node else { continue };
            if record.pin_count > 0 || record.exec_listed {
                continue;
            }
            ranges.remove(start);
            freed.push((start, vma));
            if let Some(hole) = ranges.find(size, BATCH_OFFSET_BIAS) {
                let overlapping: Vec<u64> =
                    self.vms.get(vm)?.ranges.overlapping(hole, size).collect();
                let victims = freed.into_iter().filter(|(start, _)| overlapping.contains(start));
                return victims.map(|(_, vma)| vma).try_for_each(|vma| self.evict_vma(vma));
            }
        }
        Err(Error::NoSpace)
    }

    /// Unbinds one victim. Waiting for it may retire requests and free its neighbours, or itself:
    /// the object is held, and a victim that is gone is fine.
    fn evict_vma(&mut self, vma: Id<Vma>) -> Result<(), Error> {
        let Ok(record) = self.vmas.get(vma) else { return Ok(()) };
        if record.pin_count > 0 {
            return Err(Error::NoSpace);
        }
        let object = record.object;
        self.object_get(object)?;
        let unbound = self.unbind(vma, Wait::Rendering);
        self.object_put(object)?;
        unbound
    }

    /// i915 `i915_gem_evict_vm`: idles the GPU, then unbinds everything unpinned.
    pub(crate) fn evict_vm(&mut self, vm: Id<Vm>) -> Result<(), Error> {
        self.gpu_idle_locked()?;
        for vma in self.vm_list(vm, VmList::Inactive) {
            if self.vmas.get(vma).is_ok_and(|v| v.pin_count == 0) {
                self.evict_vma(vma)?;
            }
        }
        Ok(())
    }

    /// i915 `i915_gpu_idle` and retire, with struct_mutex held.
    pub(crate) fn gpu_idle_locked(&mut self) -> Result<(), Error> {
        for index in 0..self.engines.len() {
            if let Some(&last) = self.engines[index].requests.back() {
                self.wait_request(last)?;
            }
        }
        self.retire_all()
    }
}
