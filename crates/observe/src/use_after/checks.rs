//! What must not be: freed while used, used while free.

use gen8_spec::PAGE_SIZE;
use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId;
use gpu_model::Site;
use ppgtt::{Access, PageTableRoot, PhysicalMemory, walk};

use super::State;
use super::found::{place, time};
use super::history::Binding;
use super::used_tables::used_tables;
use crate::finding::{Finding, Severity};
use crate::roots::{image_pdps, vm_root};

/// Pages of a binding that are looked at when one of its object's pages is freed.
const PAGES_LOOKED_AT: u64 = 512;

impl<M: PhysicalMemory> State<M> {
    fn error(&mut self, subject: (u64, u64), finding: Finding) {
        debug_assert_eq!(finding.severity, Severity::Error);
        self.found.add(subject, finding);
    }

    /// A page goes back to the system: no TLB may lead to it, and nothing that is bound may map it.
    pub(super) fn check_freed_page(&mut self, now_ns: u64, page: u64) {
        let Some(use_) = self.ownership.pages.get(page) else { return };
        if use_.freed || use_.kind != PageKind::Object {
            return;
        }
        let object = use_.owner;
        for engine in EngineId::ALL {
            let Some(filled) = self.engines[engine.index()].tlb.leading_to(page) else { continue };
            let what = format!(
                "page {page:#x} of object {object} was freed while {} had a translation of {:#x} to it",
                engine.name(),
                filled.address
            );
            let finding = Finding::new("StaleTlbAtFree", Severity::Error, now_ns, what)
                .fact("freed", time(now_ns))
                .fact("translated", format!("{}, {}", time(filled.at_ns), place(&filled.site)))
                .fact(
                    "missing",
                    "an invalidation of the engine's TLB between unbinding and freeing",
                );
            self.error((page, engine.index() as u64), finding);
        }
        let bindings: Vec<Binding> = self.history.bindings_of(object).collect();
        for binding in bindings {
            self.check_still_mapped(now_ns, page, &binding);
        }
    }

    fn check_still_mapped(&mut self, now_ns: u64, page: u64, binding: &Binding) {
        let Some(record) = self.ownership.vms.get(&binding.vm) else { return };
        let images = image_pdps(&self.memory, &self.ownership);
        let Some(root) = vm_root(&self.ownership, &images, binding.vm, record) else { return };
        let pages = (binding.len / PAGE_SIZE).min(PAGES_LOOKED_AT);
        let mapped = (0..pages).map(|n| binding.start + n * PAGE_SIZE).find_map(|va| {
            let found = walk(&self.memory, &root, va, Access::Read).ok()?;
            (found.page() == page).then_some((va, found))
        });
        let Some((va, found)) = mapped else { return };
        let Binding { vm, object, bound_ns, .. } = *binding;
        let what =
            format!("page {page:#x} of object {object} was freed while VM {vm} maps it at {va:#x}");
        let mut finding = Finding::new("PageFreedWhileMapped", Severity::Error, now_ns, what)
            .fact("freed", time(now_ns))
            .fact("bound", time(bound_ns))
            .fact("PTE", format!("{:#x} at {:#x}", found.pte, found.pte_address));
        for engine in EngineId::ALL {
            let state = &self.engines[engine.index()];
            let loaded = state.root.and_then(|root| self.ownership.vm_of_root(&root));
            if loaded == Some(vm) && state.running.is_some() {
                finding = finding.fact("loaded by", engine.name());
            }
        }
        self.error((page, vm.into()), finding);
    }

    /// A context is gone: no engine may run it.
    pub(super) fn check_freed_context(&mut self, now_ns: u64, context: u32) {
        for engine in EngineId::ALL {
            if self.engines[engine.index()].running != Some(context) {
                continue;
            }
            let what = format!("context {context} was freed while {} runs it", engine.name());
            let mut finding =
                Finding::new("ContextFreedWhileRunning", Severity::Error, now_ns, what)
                    .fact("freed", time(now_ns));
            if let Some(vm) = self.ownership.contexts.get(&context) {
                finding = finding.fact("address space", format!("VM {vm}"));
            }
            self.error((context.into(), engine.index() as u64), finding);
        }
    }

    /// An engine walks page tables: none of them may be free.
    pub(super) fn check_tables(
        &mut self,
        now_ns: u64,
        site: Site,
        address: u64,
        root: &PageTableRoot,
    ) {
        for table in used_tables(&self.memory, root, address) {
            let Some(freed) = self.history.freed_page(table) else { continue };
            let what = format!(
                "{} walked page {table:#x} for {address:#x}, which was freed: a table of VM {} then",
                site.engine.name(),
                freed.owner
            );
            let finding = Finding::new("TableUsedAfterFree", Severity::Error, now_ns, what)
                .fact("freed", time(freed.at_ns))
                .fact("used", format!("{}, {}", time(now_ns), place(&site)));
            self.error((table, 0), finding);
        }
    }

    /// An engine accessed a page that is free.
    pub(super) fn found_freed_page_used(
        &mut self,
        now_ns: u64,
        site: Site,
        address: u64,
        page: u64,
        write: bool,
    ) {
        let Some(freed) = self.history.freed_page(page) else { return };
        let verb = if write { "wrote to" } else { "read from" };
        let was = match freed.kind {
            PageKind::Object => format!("a page of object {}", freed.owner),
            kind if kind.is_page_table() => format!("a page-table page of VM {}", freed.owner),
            PageKind::ContextImage | PageKind::Ring => format!("of context {}", freed.owner),
            _ => "the driver's own".to_owned(),
        };
        let what = format!(
            "{} {verb} page {page:#x} by address {address:#x}, which was freed: {was} then",
            site.engine.name()
        );
        let finding = Finding::new("PageUsedAfterFree", Severity::Error, now_ns, what)
            .fact("freed", time(freed.at_ns))
            .fact("used", format!("{}, {}", time(now_ns), place(&site)));
        self.error((page, write.into()), finding);
    }

    /// An engine wrote a context to its image: the page must be one.
    pub(super) fn check_save(
        &mut self,
        now_ns: u64,
        engine: EngineId,
        context: u32,
        image: u64,
        page: u64,
    ) {
        let Some(use_) = self.ownership.pages.get(page) else { return };
        if use_.kind == PageKind::ContextImage && !use_.freed {
            return;
        }
        let leads = match self.history.freed_page(page) {
            Some(_) => "that is free",
            None => "that is no context's image",
        };
        let what = format!(
            "{} saved context {context:#x} to its image at {image:#x}, which leads to page {page:#x} {leads}",
            engine.name()
        );
        let finding = Finding::new("ContextSavedAfterFree", Severity::Error, now_ns, what)
            .fact("saved", time(now_ns));
        let finding = match self.history.image_freed(image) {
            Some((at_ns, owner)) => {
                finding.fact("image freed", format!("{}, with context {owner}", time(at_ns)))
            }
            None => finding,
        };
        self.error((image, page), finding);
    }
}
