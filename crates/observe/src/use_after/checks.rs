//! What must not be: freed while used, used while free.

use gen8_spec::PAGE_SIZE;
use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId;
use gpu_model::Site;
use ppgtt::{Access, PhysicalMemory, walk};

use super::State;
use super::found::{place, time};
use super::history::Binding;
use crate::finding::{Finding, Severity};
use crate::roots::{image_pdps, vm_root};

/// Pages of a binding that are looked at when one of its object's pages is freed.
const PAGES_LOOKED_AT: u64 = 512;

impl<M: PhysicalMemory> State<M> {
    /// What the engines ran at this moment: what is known of who was at work beside the CPU.
    fn meanwhile(&self) -> String {
        let running = EngineId::ALL.iter().filter_map(|engine| {
            let context = self.engines[engine.index()].running?;
            Some(format!("{} ran context {context:#x}", engine.name()))
        });
        let running: Vec<String> = running.collect();
        if running.is_empty() { "no engine ran".to_owned() } else { running.join(", ") }
    }

    /// A page goes back to the system: no TLB may lead to it, and nothing that is bound may map it.
    pub(super) fn check_freed_page(&mut self, now_ns: u64, page: u64) {
        let Some(use_) = self.ownership.pages.get(page) else { return };
        if use_.freed || use_.kind != PageKind::Object {
            return;
        }
        let object = use_.owner;
        for engine in EngineId::ALL {
            let Some(filled) = self.tlbs.of(engine).leading_to(page) else { continue };
            if !self.found.is_new("StaleTlbAtFree", (page, engine.index() as u64)) {
                continue;
            }
            let what = format!(
                "page {page:#x} of object {object} was freed while {} had a translation of {:#x} to it",
                engine.name(),
                filled.address
            );
            let finding = Finding::new("StaleTlbAtFree", Severity::Error, now_ns, what)
                .fact("freed", format!("{}, by the CPU; {}", time(now_ns), self.meanwhile()))
                .fact("translated", format!("{}, {}", time(filled.at_ns), place(&filled.site)))
                .fact(
                    "missing",
                    "an invalidation of the engine's TLB between unbinding and freeing",
                );
            self.found.push(finding);
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
        if !self.found.is_new("PageFreedWhileMapped", (page, binding.vm.into())) {
            return;
        }
        let Binding { vm, object, bound_ns, .. } = *binding;
        let what =
            format!("page {page:#x} of object {object} was freed while VM {vm} maps it at {va:#x}");
        let mut finding = Finding::new("PageFreedWhileMapped", Severity::Error, now_ns, what)
            .fact("freed", format!("{}, by the CPU; {}", time(now_ns), self.meanwhile()))
            .fact("bound", time(bound_ns))
            .fact("PTE", format!("{:#x} at {:#x}", found.pte, found.pte_address));
        for engine in EngineId::ALL {
            let state = &self.engines[engine.index()];
            let loaded = state.root.and_then(|root| self.ownership.vm_of_root(&root));
            if loaded == Some(vm) && state.running.is_some() {
                finding = finding.fact("loaded by", engine.name());
            }
        }
        self.found.push(finding);
    }

    /// A context is gone: no engine may run it.
    pub(super) fn check_freed_context(&mut self, now_ns: u64, context: u32) {
        for engine in EngineId::ALL {
            let subject = (context.into(), engine.index() as u64);
            if self.engines[engine.index()].running != Some(context)
                || !self.found.is_new("ContextFreedWhileRunning", subject)
            {
                continue;
            }
            let what = format!("context {context} was freed while {} runs it", engine.name());
            let mut finding =
                Finding::new("ContextFreedWhileRunning", Severity::Error, now_ns, what)
                    .fact("freed", time(now_ns));
            if let Some(vm) = self.ownership.contexts.get(&context) {
                finding = finding.fact("address space", format!("VM {vm}"));
            }
            self.found.push(finding);
        }
    }

    /// An engine walks page tables: none of them may be free.
    pub(super) fn check_tables(&mut self, now_ns: u64, site: Site, address: u64, tables: Vec<u64>) {
        for table in tables {
            let Some(freed) = self.history.freed_page(table) else { continue };
            if !self.found.is_new("TableUsedAfterFree", (table, 0)) {
                continue;
            }
            let what = format!(
                "{} walked page {table:#x} for {address:#x}, which was freed: a table of VM {} then",
                site.engine.name(),
                freed.owner
            );
            let finding = Finding::new("TableUsedAfterFree", Severity::Error, now_ns, what)
                .fact("freed", time(freed.at_ns))
                .fact("used", format!("{}, {}", time(now_ns), place(&site)));
            self.found.push(finding);
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
        if !self.found.is_new("PageUsedAfterFree", (page, write.into())) {
            return;
        }
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
        self.found.push(finding);
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
        if use_.kind == PageKind::ContextImage && !use_.freed
            || !self.found.is_new("ContextSavedAfterFree", (image, page))
        {
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
        self.found.push(match self.history.image_freed(image) {
            Some((at_ns, owner)) => {
                finding.fact("image freed", format!("{}, with context {owner}", time(at_ns)))
            }
            None => finding,
        });
    }
}
