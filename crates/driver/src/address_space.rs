//! Address spaces: who holds them, what is bound where, and their page tables.

use alloc::vec::Vec;

use gen8_spec::debug_page::Hint;
use ppgtt::{AddressSpace, Levels, MapError, PageTableRoot, ScratchTree};

use crate::config::Scratch;
use crate::error::Error;
use crate::gem::{Gem, next};
use crate::gt::PtLevels;
use crate::hardware::Hardware;
use crate::ids::ClientId;
use crate::page_tables::Stock;
use crate::range_allocator::RangeAllocator;
use crate::slab::Id;
use crate::unbind::Wait;
use crate::vma::{VmList, Vma};

/// An address space: a PPGTT, or the GGTT.
#[derive(Debug)]
pub(crate) struct Vm {
    /// Driver-wide number, as in hints; 0 = the GGTT.
    pub(crate) number: u32,
    /// References: contexts, and until 4.18 every VMA.
    pub(crate) refs: u32,
    /// Living contexts that use it. Not a count of its own in the kernel: it answers "is the
    /// VMA's context dead?" for v1's hook.
    pub(crate) context_users: u32,
    /// The file that created it (4.9); not counted.
    pub(crate) file: Option<ClientId>,
    /// Page tables; `None` for the GGTT, whose tables belong to the hardware half.
    pub(crate) tables: Option<AddressSpace>,
    pub(crate) ranges: RangeAllocator,
    /// Bound VMAs in use by the GPU, least recently used first.
    pub(crate) active: Vec<Id<Vma>>,
    /// Bound VMAs not in use.
    pub(crate) inactive: Vec<Id<Vma>>,
    /// VMAs without a binding (4.9).
    pub(crate) unbound: Vec<Id<Vma>>,
    /// Every VMA, whatever its state, in order of creation. The vendor tree's `ppgtt.vma_list`;
    /// 6.x has the same as `vm->bound_list` and `vm->unbound_list`.
    pub(crate) all: Vec<Id<Vma>>,
    /// The owning context is gone: page tables need no more clearing (4.9).
    pub(crate) closed: bool,
    /// Engines that must reload the PDPs (i915 `pd_dirty_rings`), by engine number.
    pub(crate) dirty_engines: u32,
    /// The PDPs that engines are given: those of the moment when one of them had to load them.
    pub(crate) loaded_root: Option<PageTableRoot>,
}

impl Vm {
    /// Page-table pages, scratch included.
    pub(crate) fn page_count(&self) -> usize {
        self.tables.as_ref().map_or(0, AddressSpace::page_count)
    }
}

/// Depth as `ppgtt` names it.
const fn levels_of(levels: PtLevels) -> Levels {
    match levels {
        PtLevels::Three => Levels::Three,
        PtLevels::Four => Levels::Four,
    }
}

/// Pages of an empty address space at most: the scratch tree and the top.
const EMPTY_PAGES: u64 = 5;

impl From<MapError> for Error {
    fn from(error: MapError) -> Self {
        match error {
            MapError::OutOfMemory => Error::NoMemory,
            _ => Error::Invalid,
        }
    }
}

impl<H: Hardware> Gem<H> {
    /// The record of the GGTT. Its ranges belong to the hardware half.
    pub(crate) fn ggtt_record() -> Vm {
        Vm {
            number: 0,
            refs: 1,
            context_users: 0,
            file: None,
            tables: None,
            ranges: RangeAllocator::new(0),
            active: Vec::new(),
            inactive: Vec::new(),
            unbound: Vec::new(),
            all: Vec::new(),
            closed: false,
            dirty_engines: 0,
            loaded_root: None,
        }
    }

    /// Creates a PPGTT with one reference, owned by the caller.
    pub(crate) fn vm_create(&mut self, file: Option<ClientId>) -> Result<Id<Vm>, Error> {
        let number = next(&mut self.numbers.vm);
        self.vm_create_as(number, file)
    }

    /// The same under a number of its own: 0 for the driver's, the aliasing PPGTT.
    pub(crate) fn vm_create_as(
        &mut self,
        number: u32,
        file: Option<ClientId>,
    ) -> Result<Id<Vm>, Error> {
        let levels = levels_of(self.config.levels);
        let tables = match self.config.scratch {
            Scratch::PerVm => {
                self.with_stock(number, EMPTY_PAGES, |m, s| AddressSpace::new(m, s, levels))?
            }
            Scratch::Shared => {
                let scratch = self.shared_scratch(levels)?;
                self.with_stock(number, 1, |m, s| {
                    AddressSpace::with_shared_scratch(m, s, &scratch)
                })?
            }
        };
        let total = self.config.vm_size.unwrap_or(u64::MAX).min(tables.total());
        let root = match tables.root() {
            PageTableRoot::FourLevel(pml4) => pml4,
            PageTableRoot::ThreeLevel(_) => 0,
        };
        self.hw.hint(Hint::VmCreated { root, vm: number, levels: self.config.levels.count() });
        Ok(self.vms.insert(Vm {
            number,
            file,
            tables: Some(tables),
            ranges: RangeAllocator::new(total),
            dirty_engines: u32::MAX,
            ..Self::ggtt_record()
        }))
    }

    fn shared_scratch(&mut self, levels: Levels) -> Result<ScratchTree, Error> {
        if let Some(scratch) = self.shared_scratch {
            return Ok(scratch);
        }
        let scratch =
            self.with_stock(0, EMPTY_PAGES, |m, s| ScratchTree::build(m, s, levels, true))?;
        self.shared_scratch = Some(scratch);
        Ok(scratch)
    }

    /// Frees the shared scratch tree; no address space may be left.
    pub(crate) fn free_shared_scratch(&mut self) {
        if let Some(scratch) = self.shared_scratch.take() {
            let mut stock = Stock::default();
            scratch.free(&mut stock);
            self.empty_stock(stock);
        }
    }

    /// Takes a reference.
    pub(crate) fn vm_get(&mut self, vm: Id<Vm>) -> Result<(), Error> {
        self.vms.get_mut(vm)?.refs += 1;
        Ok(())
    }

    /// Drops a reference. The last one releases the address space: at once until 4.18, by a worker
    /// later, since the VMAs are destroyed then as well.
    pub(crate) fn vm_put(&mut self, vm: Id<Vm>) -> Result<(), Error> {
        let record = self.vms.get_mut(vm)?;
        record.refs -= 1;
        if record.refs > 0 {
            return Ok(());
        }
        if self.config.vma_holds_vm_ref {
            self.vm_release(vm)
        } else {
            self.mm.dying_vms.push(vm);
            Ok(())
        }
    }

    /// Destroys every VMA that is left in a dying address space (6.x), then releases it.
    pub(crate) fn vm_release_worker(&mut self, vm: Id<Vm>) -> Result<(), Error> {
        for vma in self.vms.get(vm)?.all.clone() {
            let Ok(record) = self.vmas.get_mut(vma) else { continue };
            record.pin_count = 0;
            record.closed = true;
            // Nobody can use the address space any more, so there is nothing to wait for.
            self.unbind(vma, Wait::No)?;
            if self.vmas.contains(vma) {
                self.vma_destroy(vma)?;
            }
        }
        self.vm_release(vm)
    }

    /// i915 `i915_ppgtt_release`: page tables go, top down, then scratch.
    fn vm_release(&mut self, vm: Id<Vm>) -> Result<(), Error> {
        self.lock.enter_destructor();
        let record = self.vms.remove(vm);
        self.lock.leave_destructor();
        let record = record?;
        if !record.active.is_empty() || !record.inactive.is_empty() {
            self.warn("address space released with VMAs on its lists");
        }
        if !record.ranges.is_empty() {
            self.warn("address space released with ranges allocated");
        }
        if let Some(tables) = record.tables {
            let mut stock = Stock::default();
            if self.config.mutations.leak_one_table_page {
                tables.release_except_one(&mut stock);
            } else {
                tables.release(&mut stock);
            }
            self.empty_stock(stock);
        }
        self.hw.hint(Hint::VmReleased { vm: record.number });
        Ok(())
    }

    /// The VMAs on a list of an address space, oldest first.
    pub(crate) fn vm_list(&self, vm: Id<Vm>, list: VmList) -> Vec<Id<Vma>> {
        let Ok(vm) = self.vms.get(vm) else { return Vec::new() };
        match list {
            VmList::Active => vm.active.clone(),
            VmList::Inactive => vm.inactive.clone(),
            VmList::Unbound => vm.unbound.clone(),
            VmList::None => Vec::new(),
        }
    }
}
