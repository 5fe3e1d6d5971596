//! What the guest's hints say: who owns which page, and which VMs, contexts and VMAs exist.

use std::collections::{BTreeMap, BTreeSet};

use gen8_spec::debug_page::{Hint, PageKind};
use ppgtt::{Levels, PageTableRoot};

use crate::census_finding::CensusFinding;
use crate::pages::{PageMap, PageUse};

/// VMs, contexts and VMAs that are kept; a guest can invent any number.
const KEPT: usize = 1 << 20;

/// An address space that was created and not released.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vm {
    pub(crate) levels: Levels,
    /// The PML4, or 0.
    pub(crate) root: u64,
    /// PDP registers as an engine loaded them last.
    pub(crate) loaded: Option<[u64; 4]>,
}

/// Everything that hints said since the driver started.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    /// Driver instances so far.
    pub(crate) run: u32,
    pub(crate) pages: PageMap,
    pub(crate) vms: BTreeMap<u32, Vm>,
    /// VM of each living context.
    pub(crate) contexts: BTreeMap<u32, u32>,
    /// (VM, object) of each living VMA.
    pub(crate) vmas: BTreeSet<(u32, u32)>,
    /// Page-table pages in use, by VM.
    pub(crate) tables: BTreeMap<u32, BTreeMap<u64, PageKind>>,
    /// Pages of context images in use, by context.
    pub(crate) images: BTreeMap<u32, BTreeSet<u64>>,
}

impl Ownership {
    /// Takes in a hint; `Err` when it contradicts what was said before. Contradicting hints are
    /// taken in all the same: the guest knows best what it meant.
    pub(crate) fn apply(&mut self, hint: Hint) -> Result<(), CensusFinding> {
        match hint {
            Hint::DriverStart => *self = Ownership { run: self.run + 1, ..Ownership::default() },
            Hint::PageOwned { page, kind, owner } => return self.own(page, kind, owner),
            Hint::PageFreed { page } => return self.free(page),
            Hint::VmCreated { root, vm, levels } => {
                let Some(levels) = Levels::from_number(levels) else {
                    return disagree(Some(vm), root, "created with neither 3 nor 4 levels");
                };
                check_room(self.vms.len())?;
                let known = self.vms.insert(vm, Vm { levels, root, loaded: None });
                if known.is_some() {
                    return disagree(Some(vm), root, "created twice");
                }
            }
            Hint::VmReleased { vm } => {
                if self.vms.remove(&vm).is_none() {
                    return disagree(Some(vm), 0, "released but does not exist");
                }
            }
            Hint::ContextCreated { context, vm } => {
                check_room(self.contexts.len())?;
                self.contexts.insert(context, vm);
            }
            Hint::ContextFreed { context } => {
                if self.contexts.remove(&context).is_none() {
                    return disagree(None, 0, "a context was freed that does not exist");
                }
            }
            Hint::VmaCreated { vm, object } => {
                check_room(self.vmas.len())?;
                if !self.vmas.insert((vm, object)) {
                    return disagree(Some(vm), 0, "the same VMA was created twice");
                }
            }
            Hint::VmaDestroyed { vm, object } => {
                if !self.vmas.remove(&(vm, object)) {
                    return disagree(Some(vm), 0, "a VMA was destroyed that does not exist");
                }
            }
            // What a census counts does not depend on these.
            Hint::Checkpoint { .. }
            | Hint::RequestSubmitted { .. }
            | Hint::VmaBound { .. }
            | Hint::VmaUnbound { .. }
            | Hint::ObjectCreated { .. }
            | Hint::ObjectDestroyed { .. }
            | Hint::ClientOpened { .. }
            | Hint::ClientClosed { .. }
            | Hint::ContextOwned { .. }
            | Hint::HandleCreated { .. }
            | Hint::HandleDeleted { .. } => {}
        }
        Ok(())
    }

    fn own(&mut self, page: u64, kind: PageKind, owner: u32) -> Result<(), CensusFinding> {
        let use_ = PageUse { kind, owner, freed: false };
        let before = self.pages.insert(page, use_);
        let taken = before.filter(|before| !before.freed && *before != use_);
        if let Some(before) = taken {
            self.forget(page, before);
        }
        if kind.is_page_table() {
            self.tables.entry(owner).or_default().insert(page, kind);
        } else if kind == PageKind::ContextImage {
            self.images.entry(owner).or_default().insert(page);
        }
        // The driver's own pages are its stock: it gives them a use later.
        match taken.filter(|before| before.kind != PageKind::Global) {
            Some(_) => disagree(None, page, "given another use without having been freed"),
            None => Ok(()),
        }
    }

    fn free(&mut self, page: u64) -> Result<(), CensusFinding> {
        let Some(use_) = self.pages.get_mut(page).filter(|use_| !use_.freed) else {
            return disagree(None, page, "freed but was not in use");
        };
        use_.freed = true;
        let before = *use_;
        self.forget(page, before);
        Ok(())
    }

    /// Takes the page out of the indices by owner.
    fn forget(&mut self, page: u64, use_: PageUse) {
        if use_.kind.is_page_table() {
            remove_from(&mut self.tables, use_.owner, |tables| {
                tables.remove(&page);
                tables.is_empty()
            });
        } else if use_.kind == PageKind::ContextImage {
            remove_from(&mut self.images, use_.owner, |pages| {
                pages.remove(&page);
                pages.is_empty()
            });
        }
    }

    /// The VM to which the tables of a loaded root belong, or belonged until they were freed.
    pub(crate) fn vm_of_root(&self, root: &PageTableRoot) -> Option<u32> {
        let uses = || root.tables().filter_map(|page| self.pages.get(page));
        let live = uses().filter(|use_| !use_.freed).find_map(|use_| use_.root_of());
        live.or_else(|| uses().find_map(|use_| use_.root_of()))
    }

    /// Remembers what an engine loaded for the VM that owns it.
    pub(crate) fn note_loaded(&mut self, root: &PageTableRoot) {
        let vm = self.vm_of_root(root).and_then(|vm| self.vms.get_mut(&vm));
        if let Some(vm) = vm.filter(|vm| vm.levels == root.levels()) {
            vm.loaded = Some(root.pdps());
        }
    }
}

fn remove_from<T>(index: &mut BTreeMap<u32, T>, owner: u32, remove: impl FnOnce(&mut T) -> bool) {
    if index.get_mut(&owner).is_some_and(remove) {
        index.remove(&owner);
    }
}

fn check_room(used: usize) -> Result<(), CensusFinding> {
    if used < KEPT { Ok(()) } else { disagree(None, 0, "more hints than a census keeps") }
}

fn disagree(vm: Option<u32>, page: u64, what: &'static str) -> Result<(), CensusFinding> {
    Err(CensusFinding::HintDisagreement { vm, page, what })
}
