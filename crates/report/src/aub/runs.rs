//! What engines ran, from the load of a context to the next one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gen8_spec::PAGE_SIZE;
use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use gpu_model::event::Observer;
use gpu_model::{Event, Interests, Space};
use ppgtt::PageTableRoot;

/// Pages of a run that are noted; of more, the first ones.
const MOST_PAGES: usize = 1 << 16;

/// What an engine ran between two loads of contexts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The engine.
    pub engine: EngineId,
    /// Context id (execlists) or CCID (legacy).
    pub context: u32,
    /// GGTT address of the context image.
    pub image: u64,
    /// Physical address of the page of the image that holds the registers.
    pub state_page: u64,
    /// HEAD as the engine took it over.
    pub head: u32,
    /// TAIL, as it was last.
    pub tail: u32,
    /// The page tables, if there were any.
    pub root: Option<PageTableRoot>,
    /// Pages that the engine reached by the GGTT: address and physical address.
    pub ggtt: BTreeSet<(u64, u64)>,
    /// The same by the page tables.
    pub ppgtt: BTreeSet<(u64, u64)>,
}

/// Observes what engines run. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Runs(Arc<Mutex<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    engines: [Watch; ENGINE_COUNT],
    finished: Vec<Run>,
}

/// One engine.
#[derive(Clone, Debug, Default)]
struct Watch {
    /// What was loaded last.
    root: Option<PageTableRoot>,
    run: Option<Run>,
}

impl Runs {
    /// Takes the runs that are over.
    pub fn take(&self) -> Vec<Run> {
        std::mem::take(&mut self.lock().finished)
    }

    /// Takes all runs; those that go on end here.
    pub fn take_all(&self) -> Vec<Run> {
        let mut watched = self.lock();
        watched.end_all();
        std::mem::take(&mut watched.finished)
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        // Events leave the state whole; a panic elsewhere is no reason to stop.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Runs {
    fn interests(&self) -> Interests {
        Interests::BASICS | Interests::CONTEXTS | Interests::ACCESSES
    }

    fn event(&mut self, _now_ns: u64, event: &Event) {
        self.lock().event(event);
    }
}

impl Watched {
    fn event(&mut self, event: &Event) {
        match *event {
            Event::PdpLoaded { engine, levels, pdps, .. } => {
                let watch = &mut self.engines[engine.index()];
                watch.root = ppgtt::Levels::from_number(levels)
                    .map(|levels| PageTableRoot::from_pdps(levels, pdps));
                if let Some(run) = &mut watch.run {
                    run.root = watch.root;
                }
            }
            Event::ContextLoaded { engine, tail, lite: true, .. } => self.tail(engine, tail),
            Event::ContextLoaded { engine, context, image, page, head, tail, lite: false } => {
                self.end(engine);
                let root = self.engines[engine.index()].root;
                let (ggtt, ppgtt) = (BTreeSet::new(), BTreeSet::new());
                let state_page = page;
                self.engines[engine.index()].run =
                    Some(Run { engine, context, image, state_page, head, tail, root, ggtt, ppgtt });
            }
            Event::ContextSaved { engine, tail, .. } => {
                self.tail(engine, tail);
                self.end(engine);
            }
            Event::Accessed { site, space, address, physical, .. } => {
                if let Some(run) = &mut self.engines[site.engine.index()].run {
                    run.reached(space, address, physical);
                }
            }
            Event::Reset { .. } | Event::FunctionReset => self.end_all(),
            _ => {}
        }
    }

    fn tail(&mut self, engine: EngineId, tail: u32) {
        if let Some(run) = &mut self.engines[engine.index()].run {
            run.tail = tail;
        }
    }

    fn end(&mut self, engine: EngineId) {
        self.finished.extend(self.engines[engine.index()].run.take());
    }

    fn end_all(&mut self) {
        for engine in EngineId::ALL {
            self.end(engine);
        }
    }
}

impl Run {
    fn reached(&mut self, space: Space, address: u64, physical: u64) {
        let [address, physical] = [address, physical].map(|number| number & !(PAGE_SIZE - 1));
        let pages = match space {
            Space::Ggtt => &mut self.ggtt,
            Space::Ppgtt => &mut self.ppgtt,
        };
        if pages.len() < MOST_PAGES {
            pages.insert((address, physical));
        }
    }
}
