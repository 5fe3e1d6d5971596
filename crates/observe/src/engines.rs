//! What the engines have loaded, from the device's events.

use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use gen8_spec::execlists::csb;
use gen8_spec::mmio::GDRST_FULL;
use ppgtt::{Levels, PageTableRoot};

/// The page-directory pointers of one engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded {
    pub(crate) root: PageTableRoot,
    /// Whether the engine may walk it. With execlists an engine that went idle will not; with
    /// legacy rings there is no such event, and the engine can walk it at any time.
    pub(crate) live: bool,
    /// Whether freeing its tables was reported already.
    pub(crate) reported: bool,
}

/// All engines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Engines([Option<Loaded>; ENGINE_COUNT]);

impl Engines {
    pub(crate) fn load(&mut self, engine: EngineId, root: PageTableRoot) {
        self.0[engine.index()] = Some(Loaded { root, live: true, reported: false });
    }

    /// A context-status event: an engine without work walks no tables, one with work does.
    pub(crate) fn switch(&mut self, engine: EngineId, status: u32) {
        if let Some(loaded) = &mut self.0[engine.index()] {
            if goes_idle(status) {
                loaded.live = false;
            } else if status & csb::IDLE_ACTIVE != 0 {
                loaded.live = true;
            }
        }
    }

    /// A reset empties the PDP registers.
    pub(crate) fn reset(&mut self, domains: u32) {
        for engine in EngineId::ALL {
            if domains & (GDRST_FULL | engine.reset_domain()) != 0 {
                self.0[engine.index()] = None;
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Engines::default();
    }

    /// What engines have loaded, live or not.
    pub(crate) fn loaded(&self) -> impl Iterator<Item = (EngineId, Loaded)> + '_ {
        EngineId::ALL.into_iter().filter_map(|id| self.0[id.index()].map(|loaded| (id, loaded)))
    }

    pub(crate) fn mark_reported(&mut self, engine: EngineId) {
        if let Some(loaded) = &mut self.0[engine.index()] {
            loaded.reported = true;
        }
    }
}

/// Whether a context-status event says that the engine has nothing left to do.
pub(crate) fn goes_idle(status: u32) -> bool {
    status & csb::ACTIVE_IDLE != 0
}

/// The root of a `PdpLoaded` event; `None` for an impossible number of levels.
pub(crate) fn root(levels: u32, pdps: [u64; 4]) -> Option<PageTableRoot> {
    Some(PageTableRoot::from_pdps(Levels::from_number(levels)?, pdps))
}
