//! What the device's events add to what is known.

use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::GDRST_FULL;
use gpu_model::{Actor, Event, MemoryWrite, Observer, Site, Submission, WriteKind};
use ppgtt::{PageTableRoot, PhysicalMemory};

use super::spaces::Key;
use super::spans::Running;
use super::teller::Teller;
use crate::engines;

impl Teller {
    pub(super) fn event<M: PhysicalMemory>(&mut self, memory: &M, now_ns: u64, event: &Event) {
        self.now_ns = self.now_ns.max(now_ns);
        match *event {
            Event::PdpLoaded { engine, levels, pdps, .. } => {
                self.loaded.event(now_ns, event);
                if let Some(root) = engines::root(levels, pdps) {
                    self.load(memory, engine, root);
                }
            }
            Event::NopId { engine, .. } => {
                self.loaded.event(now_ns, event);
                self.marked(engine);
            }
            Event::Submitted { engine, how } => self.submitted(engine, how),
            Event::ContextLoaded { engine, context, image, lite, .. } => {
                self.context_loaded(engine, context, image, lite);
            }
            Event::ContextSaved { engine, .. } => self.context_saved(engine),
            Event::BatchStarted { site, level: 1, .. } if !site.in_batch => self.batch(site),
            Event::BatchEnded { site, level: 1 } => {
                self.engines[site.engine.index()].behind_batch = true;
            }
            Event::MemoryWritten(write) => self.written(&write),
            Event::GgttWritten { index, new, .. } => self.ggtt.write(index, new),
            Event::Reset { domains } => self.reset(domains),
            Event::FunctionReset => {
                *self = Teller::beginning_at(self.now_ns);
            }
            _ => {}
        }
    }

    /// The address space that an owner gave this root.
    fn owner_of(&self, root: &PageTableRoot) -> Option<Key> {
        if let Some(vm) = self.ownership.vm_of_root(root) {
            return Some(Key::Owned(vm.into()));
        }
        let first = root.tables().next()?;
        self.roots.get(&first).copied().filter(|key| matches!(key, Key::Owned(_)))
    }

    fn load<M: PhysicalMemory>(&mut self, memory: &M, engine: EngineId, root: PageTableRoot) {
        let now = self.now_ns;
        self.ownership.note_loaded(&root);
        let serial = self.loaded_space(engine, &root).map(|key| self.spaces.of(key, now));
        let track = &mut self.engines[engine.index()];
        track.loaded = serial;
        let running = track.running.as_mut();
        let Some(serial) = serial else { return };
        if let Some(running) = running {
            running.space = Some(serial);
            running.context =
                running.context.map(|context| self.contexts.uses(context, serial, now));
        }
        if let Some(space) = self.spaces.get_mut(serial) {
            space.root = Some(root);
            space.last_ns = Some(now);
            // Where owners tell of requests, those pay for looks.
            if matches!(space.key, Key::Loaded(_)) && space.pays() {
                self.look(memory, serial);
            }
        }
    }

    /// Which address space an engine loaded with `root`.
    fn loaded_space(&mut self, engine: EngineId, root: &PageTableRoot) -> Option<Key> {
        let first = root.tables().next()?;
        if let Some(key) = self.owner_of(root) {
            return Some(key);
        }
        if self.page(first).is_some_and(|(kind, _)| kind == PageKind::Global) {
            return Some(Key::Owned(0));
        }
        let key = Key::Loaded(self.loaded.last_number(engine)?);
        self.note_root(first, key);
        Some(key)
    }

    /// A mark may show that the engine's address space is another one than was thought.
    fn marked(&mut self, engine: EngineId) {
        let track = &self.engines[engine.index()];
        let before = track.loaded.and_then(|serial| self.spaces.get(serial));
        let Some(root) = before.and_then(|space| space.root) else { return };
        if let Some(key) = self.loaded_space(engine, &root) {
            let serial = self.spaces.of(key, self.now_ns);
            if let Some(space) = self.spaces.get_mut(serial) {
                space.root.get_or_insert(root);
                space.last_ns.get_or_insert(self.now_ns);
            }
            let track = &mut self.engines[engine.index()];
            track.loaded = Some(serial);
            if let Some(running) = &mut track.running {
                running.space = Some(serial);
            }
        }
    }

    fn submitted(&mut self, engine: EngineId, how: Submission) {
        let track = &mut self.engines[engine.index()];
        track.submitted_ns = self.now_ns;
        track.legacy = matches!(how, Submission::Tail { .. });
    }

    fn context_loaded(&mut self, engine: EngineId, id: u32, image: u64, lite: bool) {
        let index = engine.index();
        if lite || self.engines[index].legacy {
            return;
        }
        let context = self.contexts.loaded(id, image, self.now_ns);
        let space = self.contexts.get(context).and_then(|context| context.space);
        // A context that was preempted goes on with its request.
        let begun = self.requests.unfinished(engine, Some(context)).filter(|&number| {
            self.requests.get(number).is_some_and(|request| request.began_ns.is_some())
        });
        let begin_ns = self.now_ns;
        let running = Running { begin_ns, context: Some(context), space, request: begun };
        self.engines[index].begin(running);
    }

    fn context_saved(&mut self, engine: EngineId) {
        let track = &mut self.engines[engine.index()];
        if track.legacy {
            return;
        }
        if let Some(context) = track.running.and_then(|running| running.context) {
            self.contexts.saved(context, self.now_ns);
        }
        track.end(self.now_ns);
    }

    /// The ring starts a batch.
    fn batch(&mut self, site: Site) {
        let now = self.now_ns;
        let track = &mut self.engines[site.engine.index()];
        track.behind_batch = false;
        let context = track.running.filter(|_| !track.legacy).and_then(|running| running.context);
        let begun = self.requests.batch(site.engine, context, track.submitted_ns, now);
        let Some(number) = begun else { return };
        if track.legacy {
            let context = self.requests.get(number).and_then(|request| request.context);
            let used = context.and_then(|context| self.contexts.get(context)?.space);
            let space = used.or(track.loaded);
            track.begin(Running { begin_ns: now, context, space, request: Some(number) });
        } else {
            track.request(number, now);
        }
    }

    /// What a ring stores to the GGTT may be the seqno of a request.
    fn written(&mut self, write: &MemoryWrite) {
        let (Actor::Engine(site), WriteKind::Command) = (write.by, write.kind) else { return };
        let Some(value) = write.value.filter(|_| !site.in_batch) else { return };
        let track = &mut self.engines[site.engine.index()];
        let running = track.running.and_then(|running| running.request);
        let running = running.filter(|_| track.behind_batch);
        let ended = self.requests.stored(site.engine, running, value as u32, self.now_ns);
        if ended.is_some() {
            track.behind_batch = false;
            if track.legacy {
                track.end(self.now_ns);
            }
        }
    }

    fn reset(&mut self, domains: u32) {
        self.loaded.event(self.now_ns, &Event::Reset { domains });
        for engine in EngineId::ALL {
            if domains & (GDRST_FULL | engine.reset_domain()) != 0 {
                let track = &mut self.engines[engine.index()];
                track.end(self.now_ns);
                track.loaded = None;
            }
        }
        self.moment("reset".to_owned(), format!("GDRST resets domains {domains:#x}"));
    }
}
