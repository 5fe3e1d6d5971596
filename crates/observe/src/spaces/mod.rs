//! Every address space that an engine ever loaded.
//!
//! A root page says which address space is loaded, but a driver reuses pages: the same root may be
//! another address space later, and the device sees no sign of that. A guest that cares gives each
//! address space a mark of its own (MI_NOOP with an identification number, in a batch that runs
//! there): a root with another mark than before is another address space, and the earlier one is
//! gone for certain, since two cannot share a root.

mod contents;
mod mappings;
mod record;
mod report;
mod root;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use gpu_model::{Event, Interests, Observer};
use ppgtt::PageTableRoot;

use crate::engines::{self, Engines};
pub use contents::{MappedPage, SpaceContent, SpaceContents};
pub use mappings::{PageMappings, SpaceMapping};
use record::Record;
pub use report::{AddressSpaceReport, AddressSpaceReports, TableWalk};
pub use root::RootError;

/// Address spaces that are kept; of more, the oldest are forgotten.
const KEPT: usize = 1 << 16;
/// Records that a reader takes at a time, so that it never holds the device up for long.
const READ_AT_ONCE: usize = 1024;

/// The list of address spaces that engines loaded since the function was reset: an [`Observer`] of
/// the device. Clones share the list, so that one can be read while the device owns another.
#[derive(Clone, Debug, Default)]
pub struct AddressSpaces(Arc<Mutex<Seen>>);

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    /// By number, oldest first.
    records: BTreeMap<u64, Record>,
    /// The number of the address space that a root page is now.
    current: HashMap<u64, u64>,
    /// Each engine's last load.
    last: [Option<LastLoad>; ENGINE_COUNT],
    engines: Engines,
    /// Number that the next one gets.
    next: u64,
    forgotten: u64,
}

/// An engine's last load, for a mark that shows it to be another address space's.
#[derive(Clone, Copy, Debug)]
struct LastLoad {
    number: u64,
    key: u64,
    root: PageTableRoot,
    context: u32,
    now_ns: u64,
    /// What was known before this load; `None` if the load was the first, or has its mark.
    before: Option<Record>,
}

impl AddressSpaces {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the address space that an engine loaded last.
    pub(crate) fn last_number(&self, engine: EngineId) -> Option<u64> {
        self.lock().last[engine.index()].map(|last| last.number)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Events leave the list whole; a panic elsewhere is no reason to stop.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn load(&mut self, engine: EngineId, root: PageTableRoot, context: u32, now_ns: u64) {
        self.engines.load(engine, root);
        let Some(key) = root.tables().next() else { return };
        let known = self.current.get(&key).copied();
        let known = known.filter(|number| self.levels_match(*number, &root));
        let before = known.and_then(|number| self.records.get(&number).copied());
        let number = known.unwrap_or_else(|| self.begin(key, root, now_ns));
        if let Some(record) = self.records.get_mut(&number) {
            record.load(engine, root, context, now_ns);
        }
        self.last[engine.index()] = Some(LastLoad { number, key, root, context, now_ns, before });
    }

    fn levels_match(&self, number: u64, root: &PageTableRoot) -> bool {
        self.records.get(&number).is_some_and(|record| record.root.levels() == root.levels())
    }

    /// A mark names the address space that the engine has loaded.
    fn mark(&mut self, engine: EngineId, mark: u32, now_ns: u64) {
        let Some(last) = self.last[engine.index()] else { return };
        let Some(record) = self.records.get_mut(&last.number) else { return };
        if record.mark.is_none() {
            record.mark = Some(mark);
        } else if record.mark != Some(mark) {
            // The load was that of another address space at the same root: undo it.
            if let Some(before) = last.before {
                *record = before;
            }
            let number = self.begin(last.key, last.root, last.now_ns.min(now_ns));
            if let Some(record) = self.records.get_mut(&number) {
                record.load(engine, last.root, last.context, last.now_ns);
                record.mark = Some(mark);
            }
            self.last[engine.index()] = Some(LastLoad { number, ..last });
        }
        if let Some(last) = &mut self.last[engine.index()] {
            last.before = None;
        }
    }

    /// Begins a record at the root page `key`; the address space that it was until now is gone.
    fn begin(&mut self, key: u64, root: PageTableRoot, now_ns: u64) -> u64 {
        let number = self.next;
        self.next += 1;
        if let Some(replaced) = self.current.insert(key, number)
            && let Some(record) = self.records.get_mut(&replaced)
        {
            record.replaced_ns = Some(now_ns);
        }
        self.records.insert(number, Record::new(root, now_ns));
        if self.records.len() > KEPT
            && let Some((number, record)) = self.records.pop_first()
        {
            self.forgotten += 1;
            if let Some(key) = record.root.tables().next()
                && self.current.get(&key) == Some(&number)
            {
                self.current.remove(&key);
            }
        }
        number
    }
}

impl Observer for AddressSpaces {
    fn interests(&self) -> Interests {
        Interests::BASICS
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        match *event {
            Event::PdpLoaded { engine, levels, pdps, context } => {
                if let Some(root) = engines::root(levels, pdps) {
                    self.lock().load(engine, root, context, now_ns);
                }
            }
            Event::NopId { engine, value, .. } => self.lock().mark(engine, value, now_ns),
            Event::ContextSwitch { engine, status, .. } => {
                self.lock().engines.switch(engine, status);
            }
            Event::Reset { domains } => self.lock().engines.reset(domains),
            Event::FunctionReset => *self.lock() = Seen::default(),
            _ => {}
        }
    }
}
