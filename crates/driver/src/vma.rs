//! VMAs: one record per (object, address space).

use alloc::vec::Vec;

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::ENGINE_COUNT;

use crate::address_space::Vm;
use crate::bug::Bug;
use crate::config::{Activity, CloseTiming};
use crate::error::Error;
use crate::findings::Finding;
use crate::gem::{Gem, next};
use crate::hardware::Hardware;
use crate::object::Object;
use crate::request::Request;
use crate::slab::Id;

/// Which list of its address space a VMA is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VmList {
    /// None (2015: every VMA that is not bound).
    None,
    /// Used by a request that was not retired.
    Active,
    /// Bound and not active.
    Inactive,
    /// Not bound (4.9).
    Unbound,
}

/// A binding record. It has no reference count: it never outlives its object, and until 4.18 it
/// holds one reference on its address space, from creation to destruction.
#[derive(Debug)]
pub(crate) struct Vma {
    /// Driver-wide number.
    pub(crate) number: u32,
    pub(crate) object: Id<Object>,
    pub(crate) vm: Id<Vm>,
    /// Address, while it has a range of the address space.
    pub(crate) node: Option<u64>,
    /// Bytes: the object's size.
    pub(crate) size: u64,
    pub(crate) list: VmList,
    /// Users that forbid unbinding.
    pub(crate) pin_count: u32,
    /// On an execbuffer's reservation list: the record must stay even if it is destroyed.
    pub(crate) exec_listed: bool,
    /// Unbind is running (recursion detector; not era behaviour).
    pub(crate) unbinding: bool,
    /// Closed by its handle or context (4.9).
    pub(crate) closed: bool,
    /// Handle look-up entries that lead here (4.14).
    pub(crate) open_count: u32,
    /// Engines that use this VMA, by engine number (per-VMA activity).
    pub(crate) active: u32,
    /// Last request per engine, not counted (per-VMA activity).
    pub(crate) last_active: [Option<Id<Request>>; ENGINE_COUNT],
}

impl<H: Hardware> Gem<H> {
    /// The living VMA of an object in an address space that a look-up may find.
    pub(crate) fn vma_find(&self, object: Id<Object>, vm: Id<Vm>) -> Option<Id<Vma>> {
        let lazy = self.config.close_timing == CloseTiming::LazyUntilParked;
        let vmas = &self.objects.get(object).ok()?.vmas;
        vmas.iter()
            .copied()
            .find(|&vma| self.vmas.get(vma).is_ok_and(|v| v.vm == vm && (lazy || !v.closed)))
    }

    /// i915 `i915_gem_obj_lookup_or_create_vma`.
    pub(crate) fn vma_lookup_or_create(
        &mut self,
        object: Id<Object>,
        vm: Id<Vm>,
    ) -> Result<Id<Vma>, Error> {
        match self.vma_find(object, vm) {
            Some(vma) => Ok(vma),
            None => self.vma_create(object, vm),
        }
    }

    /// Creates a VMA. The reference on the address space is taken here and nowhere else: taking it
    /// at every look-up was bug e07f0552c6ad.
    fn vma_create(&mut self, object: Id<Object>, vm: Id<Vm>) -> Result<Id<Vma>, Error> {
        let list = match self.config.activity {
            Activity::PerObject => VmList::None,
            Activity::PerVma => VmList::Unbound,
        };
        let (size, object_number) = {
            let record = self.objects.get(object)?;
            (record.size, record.number)
        };
        let number = next(&mut self.numbers.vma);
        let vma = self.vmas.insert(Vma {
            number,
            object,
            vm,
            node: None,
            size,
            list: VmList::None,
            pin_count: 0,
            exec_listed: false,
            unbinding: false,
            closed: false,
            open_count: 0,
            active: 0,
            last_active: [None; ENGINE_COUNT],
        });
        let is_ggtt = vm == self.ggtt;
        let vmas = &mut self.objects.get_mut(object)?.vmas;
        vmas.insert(if is_ggtt { 0 } else { vmas.len() }, vma);
        self.vms.get_mut(vm)?.all.push(vma);
        self.set_vm_list(vma, list)?;
        if !is_ggtt {
            if self.config.vma_pins_vm() {
                self.vm_get(vm)?;
            }
            let vm = self.vms.get(vm)?.number;
            self.hw.hint(Hint::VmaCreated { vm, object: object_number });
        }
        Ok(vma)
    }

    /// i915 `i915_gem_vma_destroy`. May release the address space.
    pub(crate) fn vma_destroy(&mut self, vma: Id<Vma>) -> Result<(), Error> {
        let record = self.vmas.get(vma)?;
        if record.node.is_some() {
            self.warn("vma_destroy: node still allocated");
            return Err(Error::Busy);
        }
        if record.exec_listed {
            // A placeholder in a reservation; it is a never-bound VMA from now on.
            return Ok(());
        }
        self.set_vm_list(vma, VmList::None)?;
        self.mm.closed.retain(|&v| v != vma);
        let record = self.vmas.remove(vma)?;
        if let Ok(vm) = self.vms.get_mut(record.vm) {
            vm.all.retain(|&v| v != vma);
        }
        if record.open_count > 0 {
            self.lut_forget(record.object, vma);
        }
        let object = self.objects.get_mut(record.object)?;
        object.vmas.retain(|&v| v != vma);
        let object_number = object.number;
        if record.vm == self.ggtt {
            return Ok(());
        }
        let vm_number = self.vms.get(record.vm)?.number;
        self.hw.hint(Hint::VmaDestroyed { vm: vm_number, object: object_number });
        if self.config.vma_pins_vm() { self.vm_put(record.vm) } else { Ok(()) }
    }

    /// Moves a VMA to the tail of a list of its address space.
    pub(crate) fn set_vm_list(&mut self, vma: Id<Vma>, list: VmList) -> Result<(), Error> {
        let record = self.vmas.get_mut(vma)?;
        record.list = list;
        let vm = self.vms.get_mut(record.vm)?;
        for old in [&mut vm.active, &mut vm.inactive, &mut vm.unbound] {
            old.retain(|&v| v != vma);
        }
        match list {
            VmList::None => {}
            VmList::Active => vm.active.push(vma),
            VmList::Inactive => vm.inactive.push(vma),
            VmList::Unbound => vm.unbound.push(vma),
        }
        Ok(())
    }

    /// Pins a VMA: it cannot be unbound.
    pub(crate) fn vma_pin(&mut self, vma: Id<Vma>) -> Result<(), Error> {
        self.vmas.get_mut(vma)?.pin_count += 1;
        Ok(())
    }

    /// Drops a pin, if the VMA still lives (its object's death takes all pins).
    pub(crate) fn vma_unpin(&mut self, vma: Id<Vma>) {
        if let Ok(record) = self.vmas.get_mut(vma) {
            record.pin_count = record.pin_count.saturating_sub(1);
        } else {
            self.report(Finding::StaleReference("vma"));
        }
    }

    /// The VMAs that unbinding an object everywhere finds: all.
    pub(crate) fn vmas_to_unbind(&self, object: Id<Object>) -> Vec<Id<Vma>> {
        let mut vmas = self.vmas_of(object);
        if self.config.has(Bug::UnbindMissesClosedActive) {
            // 4.9 took a VMA off its object's list when it was closed.
            let listed = |v: &Vma| !v.closed || v.list != VmList::Active;
            vmas.retain(|&vma| self.vmas.get(vma).is_ok_and(listed));
        }
        vmas
    }

    /// A copy of an object's VMA list.
    pub(crate) fn vmas_of(&self, object: Id<Object>) -> Vec<Id<Vma>> {
        self.objects.get(object).map(|o| o.vmas.clone()).unwrap_or_default()
    }
}
