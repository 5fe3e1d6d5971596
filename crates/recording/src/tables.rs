//! Memory that a recording knows beyond what the device read: page tables and context images.

use std::collections::BTreeMap;

use gen8_spec::PAGE_SIZE;
use gpu_model::{Event, GuestRam, Interests, Observer};
use ppgtt::{CensusLimits, Levels, PageTableRoot, census_within};

/// Address spaces that are followed.
const MOST_SPACES: usize = 256;
/// What is read of one address space: page tables of 4 GiB.
const LIMITS: CensusLimits = CensusLimits { tables: 2048, ranges: 1 << 16 };
/// The tables of an address space are not read more often than this, in device time.
const PAUSE_NS: u64 = 1_000_000;
/// All tables of all address spaces are read again after this, in device time.
const SWEEP_NS: u64 = 100_000_000;

/// An observer that reads what questions about drivers are asked of: the page tables of every address space that
/// was loaded, and the state page of every context that is. It has no findings: what it reads gets into the
/// recording ([`gpu_model::Gpu::observed_memory`]).
#[derive(Debug, Default)]
pub struct TableNotes {
    memory: Option<GuestRam>,
    /// Address spaces, and when their tables were read.
    spaces: BTreeMap<PageTableRoot, u64>,
    swept_ns: u64,
}

impl TableNotes {
    /// Nothing was read yet.
    pub fn new() -> TableNotes {
        TableNotes::default()
    }

    /// Reads the tables of an address space, if that was not just done.
    fn read(&mut self, now_ns: u64, root: PageTableRoot) {
        let due = |read_ns: &u64| now_ns >= read_ns.saturating_add(PAUSE_NS);
        if self.spaces.get(&root).is_some_and(|read_ns| !due(read_ns)) {
            return;
        }
        if self.spaces.len() >= MOST_SPACES {
            let oldest = self.spaces.iter().min_by_key(|&(_, read_ns)| read_ns);
            if let Some((&oldest, _)) = oldest {
                self.spaces.remove(&oldest);
            }
        }
        self.spaces.insert(root, now_ns);
        self.walk(&root);
    }

    /// What is read gets into the recording by being read.
    fn walk(&self, root: &PageTableRoot) {
        if let Some(memory) = &self.memory {
            census_within(memory, root, LIMITS, |_| {});
        }
    }

    fn sweep(&mut self, now_ns: u64) {
        if now_ns < self.swept_ns.saturating_add(SWEEP_NS) {
            return;
        }
        self.swept_ns = now_ns;
        for root in self.spaces.keys() {
            self.walk(root);
        }
    }
}

impl Observer for TableNotes {
    fn interests(&self) -> Interests {
        Interests::BASICS | Interests::CONTEXTS
    }

    fn memory(&mut self, memory: &GuestRam) {
        self.memory = Some(memory.clone());
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        match *event {
            Event::PdpLoaded { levels, pdps, .. } => {
                let levels = if levels == 4 { Levels::Four } else { Levels::Three };
                self.read(now_ns, PageTableRoot::from_pdps(levels, pdps));
            }
            Event::ContextLoaded { page, .. } => {
                if let Some(memory) = &self.memory {
                    memory.read_bytes(page, &mut [0; PAGE_SIZE as usize]);
                }
                self.sweep(now_ns);
            }
            Event::FunctionReset => self.spaces.clear(),
            _ => {}
        }
    }
}
