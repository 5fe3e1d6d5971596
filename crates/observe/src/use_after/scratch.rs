//! Accesses that ended in scratch: which object was meant?

use gen8_spec::PAGE_SIZE;
use gen8_spec::debug_page::PageKind;
use gpu_model::Site;
use ppgtt::{Level, PageTableRoot, PhysicalMemory};

use super::State;
use super::found::{SCRATCH, place, time};
use crate::finding::{Finding, Severity};

/// Bytes beside an object in which an access counts as one past the object's end or begin.
const BESIDE: u64 = 64 << 10;

impl<M: PhysicalMemory> State<M> {
    /// An engine reached an address of a PPGTT that maps nothing.
    pub(super) fn found_scratch(&mut self, now_ns: u64, site: Site, address: u64, write: bool) {
        let root = self.engines[site.engine.index()].root;
        let Some(root) = root else { return };
        let Some(vm) = self.ownership.vm_of_root(&root) else { return };
        let page = address & !(PAGE_SIZE - 1);
        if !self.found.is_new(SCRATCH, (vm.into(), page)) {
            return;
        }
        let verb = if write { "wrote to" } else { "read from" };
        let used = format!("{}, {}", time(now_ns), place(&site));
        let who = site.engine.name();
        let bound = self.history.bound_in(vm).find(|binding| binding.holds(address)).copied();
        let finding = if bound.is_some()
            && let Some(directory) = self.missing_directory(vm, &root, address)
        {
            let what = format!(
                "{who} {verb} {address:#x} in VM {vm} without page directory {directory:#x}, which the \
                 address space has got"
            );
            Finding::new("StalePageDirectory", Severity::Error, now_ns, what)
                .fact("loaded", root.pdps().map(|pdp| format!("{pdp:#x}")).join(", "))
                .fact("missing", "a load of the page-directory pointers since they changed")
        } else if let Some(bound) = bound {
            let what = format!(
                "{who} {verb} {address:#x} in VM {vm}, where object {} is bound and the page tables lead to scratch",
                bound.object
            );
            Finding::new("BoundButScratch", Severity::Error, now_ns, what)
                .fact("bound", time(bound.bound_ns))
        } else if let Some(gone) = self.history.gone_at(vm, address) {
            let what = format!(
                "{who} {verb} {address:#x} in VM {vm}, where object {} was bound",
                gone.object
            );
            Finding::new("UseAfterUnmap", Severity::Warning, now_ns, what)
                .fact("bound", time(gone.bound_ns))
                .fact("unmapped", gone.unbound_ns.map_or_else(String::new, time))
        } else {
            let beside = self.history.bound_in(vm).min_by_key(|binding| binding.distance(address));
            match beside.filter(|binding| binding.distance(address) <= BESIDE) {
                Some(binding) => {
                    let side = if address < binding.start { "before" } else { "behind the end of" };
                    let what = format!(
                        "{who} {verb} {address:#x} in VM {vm}, {} bytes {side} object {}",
                        binding.distance(address),
                        binding.object
                    );
                    Finding::new("Overrun", Severity::Warning, now_ns, what)
                        .fact("object", format!("{:#x}, {:#x} bytes", binding.start, binding.len))
                }
                None => {
                    let what =
                        format!("{who} {verb} {address:#x} in VM {vm}, where nothing is bound");
                    Finding::new("ScratchAccess", Severity::Warning, now_ns, what)
                }
            }
        };
        self.found.push(finding.fact("used", used));
    }

    /// A page directory of a three-level address space that the root in use does not have, if it has none
    /// for this address.
    fn missing_directory(&self, vm: u32, root: &PageTableRoot, address: u64) -> Option<u64> {
        let PageTableRoot::ThreeLevel(loaded) = root else { return None };
        let tables = self.ownership.tables.get(&vm)?;
        let is_directory = |page: &u64| tables.get(page) == Some(&PageKind::Pd);
        if loaded.get(Level::Pdp.index(address)).is_some_and(is_directory) {
            return None;
        }
        tables.keys().copied().find(|page| is_directory(page) && !loaded.contains(page))
    }
}
