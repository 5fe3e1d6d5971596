//! What the engines do: how long each was at work, and which contexts it had.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use gen8_spec::execlists::csb;
use gen8_spec::mmio::GDRST_FULL;
use gpu_model::{Event, Interests, Observer, Submission};
use ppgtt::PageTableRoot;

use crate::engines;

/// Contexts that are kept; of more, those whose last load is the longest ago are forgotten.
const KEPT: usize = 4096;

/// Counts the engines' work, and lists the contexts that they had: an [`Observer`] of the device. Clones share
/// what was seen.
///
/// With execlists an engine is at work from the submission until hardware tells that it went idle. With a
/// legacy ring nobody tells that: it is at work from a write of TAIL until the end of the batch.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    engines: [Engine; ENGINE_COUNT],
    /// By engine and GGTT address of the image.
    contexts: BTreeMap<(EngineId, u64), SeenContext>,
    forgotten: u64,
    faults: u64,
    resets: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Engine {
    at_work_since: Option<u64>,
    busy_ns: u64,
    loads: u64,
    batches: u64,
    by_ring: bool,
    /// The page tables loaded last, and the id of the context that they are of.
    loaded: Option<(u32, PageTableRoot)>,
    /// The image of the context loaded last.
    image: Option<u64>,
}

/// The work of one engine since the device began; no reset clears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// Engine.
    pub engine: EngineId,
    /// For how long it was at work, nanoseconds of device time.
    pub busy_ns: u64,
    /// How often it took a context over; lite restores are not counted.
    pub loads: u64,
    /// Batches that it began.
    pub batches: u64,
}

/// A context that an engine had, since the function was reset. One context of a driver has an image for each
/// engine, so it is listed once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenContext {
    /// Engine.
    pub engine: EngineId,
    /// GGTT address of the image: LRCA (execlists) or CCID (legacy).
    pub image: u64,
    /// The id with which it was loaded last. Drivers reuse these.
    pub id: u32,
    /// How often it was loaded.
    pub loads: u64,
    /// Device time of the first load, nanoseconds.
    pub first_ns: u64,
    /// Device time of the last load, nanoseconds.
    pub last_ns: u64,
    /// The page tables that were loaded with it last.
    pub root: Option<PageTableRoot>,
}

impl Activity {
    /// Nothing was done yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The work of each engine until `now_ns`.
    pub fn engines(&self, now_ns: u64) -> [Busy; ENGINE_COUNT] {
        let seen = self.lock();
        EngineId::ALL.map(|id| {
            let engine = &seen.engines[id.index()];
            // Of a ring it is not known whether the engine is still at it: told when the batch ends.
            let since = engine.at_work_since.filter(|_| !engine.by_ring);
            let now = since.map_or(0, |since| now_ns.saturating_sub(since));
            let Engine { busy_ns, loads, batches, .. } = *engine;
            Busy { engine: id, busy_ns: busy_ns + now, loads, batches }
        })
    }

    /// The contexts, by engine and image; and how many were forgotten.
    pub fn contexts(&self) -> (Vec<SeenContext>, u64) {
        let seen = self.lock();
        (seen.contexts.values().copied().collect(), seen.forgotten)
    }

    /// Translations and accesses that failed, and resets of engines.
    pub fn faults_and_resets(&self) -> (u64, u64) {
        let seen = self.lock();
        (seen.faults, seen.resets)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    fn begins(&mut self, now_ns: u64, by_ring: bool) {
        self.by_ring = by_ring;
        self.at_work_since.get_or_insert(now_ns);
    }

    fn ends(&mut self, now_ns: u64) {
        if let Some(since) = self.at_work_since.take() {
            self.busy_ns += now_ns.saturating_sub(since);
        }
    }
}

impl Seen {
    fn engine(&mut self, id: EngineId) -> &mut Engine {
        &mut self.engines[id.index()]
    }

    fn load(&mut self, now_ns: u64, id: EngineId, context: u32, image: u64) {
        let engine = self.engine(id);
        engine.loads += 1;
        engine.image = Some(image);
        let new = SeenContext {
            engine: id,
            image,
            id: context,
            loads: 0,
            first_ns: now_ns,
            last_ns: now_ns,
            root: None,
        };
        let seen = self.contexts.entry((id, image)).or_insert(new);
        seen.id = context;
        seen.loads += 1;
        seen.last_ns = now_ns;
        self.note_root(id);
        if self.contexts.len() > KEPT {
            let oldest = self.contexts.iter().min_by_key(|(_, context)| context.last_ns);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.contexts.remove(&key);
                self.forgotten += 1;
            }
        }
    }

    /// Page tables and context are loaded together, and told one after the other, in either order.
    fn note_root(&mut self, id: EngineId) {
        let Engine { loaded: Some((context, root)), image: Some(image), .. } = *self.engine(id)
        else {
            return;
        };
        if let Some(seen) = self.contexts.get_mut(&(id, image))
            && seen.id == context
        {
            seen.root = Some(root);
        }
    }

    fn reset(&mut self, now_ns: u64, domains: u32) {
        self.resets += 1;
        for id in EngineId::ALL {
            if domains & (GDRST_FULL | id.reset_domain()) != 0 {
                let engine = self.engine(id);
                engine.ends(now_ns);
                (engine.loaded, engine.image) = (None, None);
            }
        }
    }
}

impl Observer for Activity {
    fn interests(&self) -> Interests {
        Interests::BASICS | Interests::SUBMISSIONS | Interests::CONTEXTS | Interests::REQUESTS
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        let mut seen = self.lock();
        match *event {
            Event::Submitted { engine, how } => {
                let by_ring = matches!(how, Submission::Tail { .. });
                seen.engine(engine).begins(now_ns, by_ring);
            }
            Event::ContextSwitch { engine, status, .. } if status & csb::ACTIVE_IDLE != 0 => {
                seen.engine(engine).ends(now_ns);
            }
            Event::BatchStarted { site, level: 1, .. } => {
                let engine = seen.engine(site.engine);
                engine.batches += 1;
                engine.begins(now_ns, engine.by_ring);
            }
            Event::BatchEnded { site, .. } if seen.engine(site.engine).by_ring => {
                seen.engine(site.engine).ends(now_ns);
            }
            Event::ContextLoaded { engine, context, image, lite: false, .. } => {
                seen.load(now_ns, engine, context, image);
            }
            Event::PdpLoaded { engine, levels, pdps, context } => {
                if let Some(root) = engines::root(levels, pdps) {
                    seen.engine(engine).loaded = Some((context, root));
                    seen.note_root(engine);
                }
            }
            Event::Fault(_) => seen.faults += 1,
            Event::Reset { domains } => seen.reset(now_ns, domains),
            Event::FunctionReset => {
                seen.reset(now_ns, GDRST_FULL);
                seen.contexts.clear();
                seen.forgotten = 0;
            }
            _ => {}
        }
    }
}
