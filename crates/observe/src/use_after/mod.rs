//! Uses of what is gone: pages, page tables, mappings, contexts.
//!
//! Who owns what comes from hints ([`gen8_spec::debug_page`]); what engines use comes from the
//! device's events. A finding names both sites: where a thing was freed or unmapped, and where it
//! was used ([docs/bugs.md](../../../docs/bugs.md)).

mod checks;
mod found;
mod history;
mod scratch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gen8_spec::PAGE_SIZE;
use gen8_spec::debug_page::Hint;
use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use gen8_spec::mmio::GDRST_FULL;
use gpu_model::{Event, Interests, Observer, Site, Space};
use ppgtt::{PageTableRoot, PhysicalMemory};

use crate::engines;
use crate::finding::{Finding, Findings};
use crate::ownership::Ownership;
use crate::tlbs::KnownTlbs;
use found::Found;
use history::History;

/// An observer of uses of freed pages and tables, of mappings that are gone, of scratch, and of
/// contexts that were freed. Clones are the same observer, so that one can be asked while the device
/// has the other.
///
/// A guest that gives no hints owns nothing, so nothing of its is missed.
#[derive(Debug)]
pub struct UseAfter<M>(Arc<Mutex<State<M>>>);

impl<M> Clone for UseAfter<M> {
    fn clone(&self) -> Self {
        UseAfter(Arc::clone(&self.0))
    }
}

/// One engine, as its events tell.
#[derive(Debug, Default)]
struct Engine {
    /// Page tables that it loaded last.
    root: Option<PageTableRoot>,
    /// The context that it runs, with execlists.
    running: Option<u32>,
}

#[derive(Debug)]
struct State<M> {
    memory: M,
    ownership: Ownership,
    history: History,
    engines: [Engine; ENGINE_COUNT],
    tlbs: KnownTlbs,
    found: Found,
}

impl<M: PhysicalMemory> UseAfter<M> {
    /// Over `memory`, which the device reaches.
    pub fn new(memory: M) -> Self {
        UseAfter(Arc::new(Mutex::new(State {
            memory,
            ownership: Ownership::default(),
            history: History::default(),
            engines: Default::default(),
            tlbs: KnownTlbs::default(),
            found: Found::default(),
        })))
    }
}

impl<M> UseAfter<M> {
    /// Takes the findings out: what is found from now on is of what comes next.
    pub fn take(&self) -> Vec<Finding> {
        self.lock().found.take()
    }

    /// A panic elsewhere leaves whole findings, so a poisoned lock is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Findings for UseAfter<M> {
    fn findings(&self) -> Vec<Finding> {
        self.lock().found.all()
    }
}

impl<M: PhysicalMemory + Send> Observer for UseAfter<M> {
    fn interests(&self) -> Interests {
        Interests::BASICS | Interests::TLB | Interests::ACCESSES | Interests::CONTEXTS
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        self.lock().event(now_ns, event);
    }
}

impl<M: PhysicalMemory> State<M> {
    fn event(&mut self, now_ns: u64, event: &Event) {
        if let Some(fill) = self.tlbs.event(&self.memory, now_ns, event) {
            let tables = fill.path.iter().map(|(at, _)| at & !(PAGE_SIZE - 1)).collect();
            let (site, address) = (fill.site, fill.address);
            self.check_tables(now_ns, site, address, tables);
        }
        match *event {
            Event::Hint(hint) => self.hint(now_ns, hint),
            Event::PdpLoaded { engine, levels, pdps, .. } => {
                let state = &mut self.engines[engine.index()];
                state.root = engines::root(levels, pdps);
                if let Some(root) = state.root {
                    self.ownership.note_loaded(&root);
                }
            }
            Event::ContextSwitch { engine, status, .. } if engines::goes_idle(status) => {
                self.engines[engine.index()].running = None;
            }
            Event::Accessed { site, space, address, physical, write, .. } => {
                self.accessed(now_ns, site, space, address, physical, write);
            }
            Event::ContextLoaded { engine, context, image, page, .. } => {
                self.engines[engine.index()].running = Some(context);
                self.history.image(image, page);
            }
            Event::ContextSaved { engine, context, image, page, .. } => {
                self.check_save(now_ns, engine, context, image, page);
            }
            Event::Reset { domains } => {
                for engine in EngineId::ALL {
                    if domains & (GDRST_FULL | engine.reset_domain()) != 0 {
                        self.engines[engine.index()] = Engine::default();
                    }
                }
            }
            Event::FunctionReset => self.engines = Default::default(),
            _ => {}
        }
    }

    fn hint(&mut self, now_ns: u64, hint: Hint) {
        match hint {
            Hint::PageFreed { page } => {
                self.check_freed_page(now_ns, page);
                if let Some(use_) = self.ownership.pages.get(page) {
                    self.history.freed(now_ns, page, use_);
                }
            }
            Hint::ContextFreed { context } => self.check_freed_context(now_ns, context),
            _ => {}
        }
        self.forget_subjects(hint);
        self.history.hint(now_ns, hint);
        // What the hints contradict is the census's affair.
        let _ = self.ownership.apply(hint);
    }

    /// What a number or a place means another thing than before by this hint: what was told of the one may be
    /// true of the other as well.
    fn forget_subjects(&mut self, hint: Hint) {
        match hint {
            Hint::DriverStart => self.found.forget_subjects(),
            Hint::PageOwned { page, .. } => self.found.forget_page(page),
            Hint::VmCreated { vm, .. } => self.found.forget_range(vm, 0, u64::MAX),
            Hint::VmaBound { vm, object, address } => {
                let len = self.history.size(object);
                self.found.forget_range(vm, address, len);
            }
            Hint::VmaUnbound { vm, object } => {
                if let Some(binding) = self.history.binding(vm, object) {
                    self.found.forget_range(vm, binding.start, binding.len);
                }
            }
            _ => {}
        }
    }

    fn accessed(
        &mut self,
        now_ns: u64,
        site: Site,
        space: Space,
        address: u64,
        physical: u64,
        write: bool,
    ) {
        let page = physical & !(PAGE_SIZE - 1);
        let Some(use_) = self.ownership.pages.get(page) else { return };
        if use_.freed {
            self.found_freed_page_used(now_ns, site, address, page, write);
        } else if space == Space::Ppgtt && use_.is_scratch() {
            self.found_scratch(now_ns, site, address, write);
        }
    }
}
