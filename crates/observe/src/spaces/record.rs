//! One address space that was loaded.

use gen8_spec::engine::EngineId;
use ppgtt::PageTableRoot;

/// Context ids that are kept of each address space.
const CONTEXTS: usize = 4;

/// What the device saw of one address space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) root: PageTableRoot,
    pub(super) mark: Option<u32>,
    /// Bit n: engine with index n loaded it.
    pub(super) engines: u8,
    /// The first context ids with which it was loaded.
    contexts: [Option<u32>; CONTEXTS],
    pub(super) loads: u64,
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    /// When its root was first loaded as another address space.
    pub(super) replaced_ns: Option<u64>,
}

impl Record {
    pub(super) fn new(root: PageTableRoot, now_ns: u64) -> Record {
        Record {
            root,
            mark: None,
            engines: 0,
            contexts: [None; CONTEXTS],
            loads: 0,
            first_ns: now_ns,
            last_ns: now_ns,
            replaced_ns: None,
        }
    }

    pub(super) fn load(
        &mut self,
        engine: EngineId,
        root: PageTableRoot,
        context: u32,
        now_ns: u64,
    ) {
        self.root = root;
        self.engines |= 1 << engine.index();
        self.loads += 1;
        self.last_ns = now_ns;
        if !self.contexts.contains(&Some(context))
            && let Some(free) = self.contexts.iter_mut().find(|id| id.is_none())
        {
            *free = Some(context);
        }
    }

    pub(super) fn contexts(&self) -> Vec<u32> {
        self.contexts.iter().copied().flatten().collect()
    }
}
