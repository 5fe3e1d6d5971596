//! Binding: a range of the address space, page tables, PTEs.

use gen8_spec::debug_page::Hint;

use crate::config::Activity;
use crate::error::Error;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::object::ObjectList;
use crate::slab::Id;
use crate::vma::{VmList, Vma};

/// Lowest address handed out. i915 keeps batches above it (`BATCH_OFFSET_BIAS`, because relocation
/// deltas may be negative); here it holds for every object, so that no address is 0.
pub(crate) const BATCH_OFFSET_BIAS: u64 = 256 * 1024;

impl<H: Hardware> Gem<H> {
    /// Binds a VMA that has no node, anywhere or at a fixed address (i915
    /// `i915_gem_object_bind_to_vm`). On failure a VMA on an execbuffer's list stays behind,
    /// never bound, with its reference on the address space (hole h3).
    pub(crate) fn vma_bind(&mut self, vma: Id<Vma>, fixed: Option<u64>) -> Result<(), Error> {
        let record = self.vmas.get(vma)?;
        if record.node.is_some() {
            return Ok(());
        }
        let object = record.object;
        let bound = self.object_get_pages(object).and_then(|()| {
            self.objects.get_mut(object)?.pages_pin_count += 1;
            self.vma_insert(vma, fixed).inspect_err(|_| {
                if let Ok(object) = self.objects.get_mut(object) {
                    object.pages_pin_count -= 1;
                }
            })
        });
        match bound {
            Ok(()) => {
                self.set_vm_list(vma, VmList::Inactive)?;
                self.set_object_list(object, ObjectList::Bound)
            }
            Err(error) => {
                if self.config.activity == Activity::PerObject {
                    self.vma_destroy(vma)?;
                }
                Err(error)
            }
        }
    }

    /// Finds a range and writes the PTEs.
    fn vma_insert(&mut self, vma: Id<Vma>, fixed: Option<u64>) -> Result<(), Error> {
        if self.vmas.get(vma)?.vm == self.ggtt {
            return self.vma_insert_ggtt(vma);
        }
        let record = self.vmas.get(vma)?;
        let (vm, object, size) = (record.vm, record.object, record.size);
        let start = match fixed {
            Some(start) => self.vm_take_fixed(vm, start, size)?,
            None => self.vm_take_range(vm, size)?,
        };
        if let Err(error) = self.vm_map(vm, object, start, size) {
            self.vms.get_mut(vm)?.ranges.remove(start);
            return Err(error);
        }
        self.vmas.get_mut(vma)?.node = Some(start);
        self.hint_binding(vma, |vm, object| Hint::VmaBound { address: start, vm, object });
        Ok(())
    }

    /// Gives a hint on a VMA of a PPGTT, by the numbers of its address space and its object.
    fn hint_binding(&mut self, vma: Id<Vma>, hint: impl FnOnce(u32, u32) -> Hint) {
        let Ok(record) = self.vmas.get(vma) else { return };
        if let Ok(vm) = self.vms.get(record.vm)
            && let Ok(object) = self.objects.get(record.object)
        {
            self.hw.hint(hint(vm.number, object.number));
        }
    }

    /// The hardware half owns the GGTT's ranges and PTEs. With an aliasing PPGTT the same range of
    /// the PPGTT is mapped as well.
    fn vma_insert_ggtt(&mut self, vma: Id<Vma>) -> Result<(), Error> {
        let record = self.vmas.get(vma)?;
        let (object, size) = (record.object, record.size);
        let pages = self.objects.get(object)?.backing.clone();
        let (node, start) = match self.hw.ggtt_bind(&pages) {
            Ok(bound) => bound,
            Err(_) => {
                self.evict_vm(self.ggtt)?;
                self.hw.ggtt_bind(&pages).map_err(|_| Error::NoSpace)?
            }
        };
        if let Some(aliasing) = self.aliasing
            && let Err(error) = self.vm_map(aliasing, object, start, size)
        {
            self.hw.ggtt_unbind(node);
            return Err(error);
        }
        self.ggtt_nodes.insert(vma, node);
        self.vmas.get_mut(vma)?.node = Some(start);
        Ok(())
    }

    /// Clears the PTEs of a bound VMA and gives its range back. Page-table pages stay. `clear` is
    /// false when the address space is closed: nobody can use it any more, and its tables are
    /// about to go (4.9).
    pub(crate) fn vma_remove(&mut self, vma: Id<Vma>, clear: bool) -> Result<(), Error> {
        let record = self.vmas.get_mut(vma)?;
        let Some(start) = record.node.take() else { return Ok(()) };
        let (vm, size) = (record.vm, record.size);
        if vm == self.ggtt {
            if let Some(aliasing) = self.aliasing {
                self.vm_clear(aliasing, start, size);
            }
            if let Some(node) = self.ggtt_nodes.remove(&vma) {
                self.hw.ggtt_unbind(node);
            }
            return Ok(());
        }
        if clear {
            self.vm_clear(vm, start, size);
        }
        self.vms.get_mut(vm)?.ranges.remove(start);
        self.hint_binding(vma, |vm, object| Hint::VmaUnbound { vm, object });
        Ok(())
    }
}
