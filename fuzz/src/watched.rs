//! Every observer, and everything that is made of what they saw.

use std::sync::{Arc, PoisonError, RwLock};

use gpu_model::{Event, Gpu, GuestRam, Interests, Observer};
use observe::provenance::{Place, Provenance};
use observe::staleness::Staleness;
use observe::story::StoryObserver;
use observe::{
    Activity, AddressSpaces, Census, CensusLog, Conformance, EventFilter, Findings, Observers,
    RecentEvents, UnboundUses, UseAfter,
};
use ppgtt::PhysicalMemory;

/// Observers of a device, as `gen8emu serve --observe` has them, and the census.
pub(crate) struct Watched {
    memory: Memory,
    spaces: AddressSpaces,
    activity: Activity,
    rules: Conformance,
    events: RecentEvents,
    provenance: Provenance,
    staleness: Staleness,
    story: StoryObserver,
    use_after: UseAfter<Memory>,
    unbound: UnboundUses,
}

impl Watched {
    /// Nothing happened yet.
    pub(crate) fn new() -> Watched {
        let (memory, provenance) = (Memory::default(), Provenance::new());
        Watched {
            spaces: AddressSpaces::new(),
            activity: Activity::default(),
            rules: Conformance::default(),
            events: RecentEvents::new(),
            staleness: Staleness::new(provenance.clone()),
            story: StoryObserver::new("a device").with_provenance(provenance.clone()),
            use_after: UseAfter::new(memory.clone()),
            unbound: UnboundUses::default(),
            provenance,
            memory,
        }
    }

    /// Handles of them for a device.
    pub(crate) fn observers(&self) -> Observers {
        let mut observers = Observers::new();
        observers.push(self.memory.clone());
        observers.push(self.spaces.clone());
        observers.push(self.activity.clone());
        observers.push(self.rules.clone());
        observers.push(self.use_after.clone());
        observers.push(self.unbound.clone());
        observers.push(self.events.clone());
        observers.push(self.provenance.clone());
        observers.push(self.staleness.clone());
        observers.push(self.story.clone());
        observers.push(Census::new(self.memory.clone(), CensusLog::default()));
        observers
    }

    /// Asks all of them for all that they know, and draws it.
    pub(crate) fn tell(&self, gpu: &mut Gpu) {
        let memory = gpu.memory().clone();
        self.spaces.report(&memory);
        self.spaces.contents(&memory);
        self.activity.engines(gpu.now_ns());
        self.activity.contexts();
        self.rules.reports();
        self.unbound.report();
        self.events.last(EventFilter::default(), usize::MAX);
        self.provenance.who_wrote(Place::Memory(0, u8::MAX));
        for mut findings in
            [self.rules.findings(), self.staleness.findings(), self.use_after.findings()]
        {
            findings.retain(|finding| finding.what.is_empty());
            assert!(findings.is_empty(), "a finding says something");
        }
        let mut stories = self.story.take();
        stories.push(self.story.story(gpu.now_ns()));
        report::html(&stories, &report::Origin::default());
        report::perfetto(&stories);
        report::error_state(gpu);
    }
}

/// The memory that the device reaches.
#[derive(Clone)]
struct Memory(Arc<RwLock<GuestRam>>);

impl Default for Memory {
    fn default() -> Self {
        Memory(Arc::new(RwLock::new(GuestRam::empty())))
    }
}

impl Memory {
    fn read<R>(&self, read: impl FnOnce(&GuestRam) -> R) -> R {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Memory {
    fn interests(&self) -> Interests {
        Interests::NONE
    }

    fn memory(&mut self, memory: &GuestRam) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = memory.clone();
    }

    fn event(&mut self, _: u64, _: &Event) {}
}

impl PhysicalMemory for Memory {
    fn read_u64(&self, address: u64) -> Option<u64> {
        self.read(|memory| memory.read_u64(address))
    }

    fn write_u64(&self, _: u64, _: u64) -> bool {
        false
    }

    fn read_u32(&self, address: u64) -> Option<u32> {
        self.read(|memory| memory.read_u32(address))
    }

    fn write_u32(&self, _: u64, _: u32) -> bool {
        false
    }
}
