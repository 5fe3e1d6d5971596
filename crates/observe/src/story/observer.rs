//! The observer that tells stories.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use gen8_spec::debug_page::Hint;
use gen8_spec::pte::ENTRIES;
use gpu_model::{Event, GuestRam, Interests, Observer};
use ppgtt::PhysicalMemory;

use super::build;
use super::model::Story;
use super::owner::OwnerEvent;
use super::teller::Teller;
use crate::finding::{Finding, Findings};
use crate::kernel::KernelSnapshot;
use crate::provenance::Provenance;
use crate::views::Comparison;

/// Stories of driver instances that ended and nobody took.
const STORIES: usize = 64;
/// Items of all of them: a guest can start driver after driver with as much to tell as fits.
const ITEMS: usize = 1 << 19;
/// Tables that a question looks at before the device may go on; those of one address space at least.
const TABLES_A_HOLD: usize = 1 << 10;
/// A lock that is taken again at once is never the device's.
const PAUSE: Duration = Duration::from_micros(200);

/// Tells what the device and its driver did: an [`Observer`] that makes a [`Story`]. Clones share it,
/// so that one can be asked while the device owns another.
///
/// Every driver instance that says that it starts ([`OwnerEvent::DriverStarts`]) gets a story of its
/// own. The story of one that is over is as it was when everything had settled last: what a driver
/// releases at its own end was held until then.
///
/// Its memory is bounded: 16384 requests and spans of each engine, 4096 contexts, address spaces,
/// mappings of each (65536 of all) and moments, 256 counts of table pages of each; what has no room is counted
/// ([`Story::left_out`]).
#[derive(Clone, Debug, Default)]
pub struct StoryObserver(Arc<Mutex<Shared>>);

/// What the clones share.
#[derive(Debug, Default)]
struct Shared {
    title: String,
    device: String,
    label: Option<fn(u32) -> String>,
    memory: Ram,
    provenance: Option<Provenance>,
    teller: Teller,
    /// As it was when everything had settled last.
    settled: Option<Story>,
    /// Of driver instances that are over.
    told: Vec<Story>,
    /// The story of the instance that runs was taken.
    taken: bool,
}

impl StoryObserver {
    /// Nothing happened yet. `device` names the part for people.
    pub fn new(device: &str) -> Self {
        let shared = Shared { device: device.to_owned(), ..Shared::default() };
        StoryObserver(Arc::new(Mutex::new(shared)))
    }

    /// How the labels of moments at which everything has settled read.
    #[must_use]
    pub fn with_labels(self, name: fn(u32) -> String) -> Self {
        self.lock().label = Some(name);
        self
    }

    /// Who wrote a PTE is asked of `provenance`, an observer of the same device.
    #[must_use]
    pub fn with_provenance(self, provenance: Provenance) -> Self {
        self.lock().provenance = Some(provenance);
        self
    }

    /// Names the stories that are built from now on.
    pub fn set_title(&self, title: &str) {
        self.lock().title = title.to_owned();
    }

    /// The story as it is now, as of an event at `now_ns` or the last one, if that was later. The device waits for
    /// short times only, however much there is to look at.
    pub fn story(&self, now_ns: u64) -> Story {
        let mut looks = self.lock().teller.looks();
        loop {
            let mut shared = self.lock();
            let Shared { teller, memory, .. } = &mut *shared;
            teller.now_ns = teller.now_ns.max(now_ns);
            if teller.look_on(memory, &mut looks, TABLES_A_HOLD) {
                teller.find_late_leaks();
                return shared.tell();
            }
            drop(shared);
            thread::sleep(PAUSE);
        }
    }

    /// Takes the stories of all driver instances, oldest first, each as it was when everything had
    /// settled last, or as it is if that never was.
    pub fn take(&self) -> Vec<Story> {
        self.lock().take()
    }

    /// Somebody who knows the driver says something about it, at device time `now_ns`.
    pub fn owner_says(&self, now_ns: u64, event: OwnerEvent) {
        let mut shared = self.lock();
        shared.teller.now_ns = shared.teller.now_ns.max(now_ns);
        if event == OwnerEvent::DriverStarts {
            shared.next();
        }
        shared.owner(event);
    }

    /// What a guest's kernel says, and what the device saw, were compared as of `now_ns`, when everything
    /// had settled. `compared` is of this `kernel`, and of the address spaces of an
    /// [`AddressSpaces`](crate::AddressSpaces) that hears the same device as long as this observer.
    pub fn kernel_says(&self, now_ns: u64, kernel: &KernelSnapshot, compared: &Comparison) {
        let mut shared = self.lock();
        let Shared { teller, memory, .. } = &mut *shared;
        teller.now_ns = teller.now_ns.max(now_ns);
        teller.kernel_says(memory, kernel, compared);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Events leave the state whole; a panic elsewhere is no reason to stop.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn tell(&mut self) -> Story {
        if let Some(provenance) = &self.provenance {
            self.teller.attribute(provenance);
        }
        build::story(&self.teller, &self.title, &self.device)
    }

    /// Another driver instance starts.
    fn next(&mut self) {
        if let Some(story) = self.ended() {
            let items: usize = self.told.iter().chain([&story]).map(Story::items).sum();
            if self.told.len() < STORIES && items <= ITEMS {
                self.told.push(story);
            }
        }
        let now_ns = self.teller.now_ns;
        self.teller = self.teller.next(now_ns);
        self.taken = false;
    }

    /// The story of the instance that ran until now; `None` if nobody needs it.
    fn ended(&mut self) -> Option<Story> {
        let settled = self.settled.take();
        if self.taken {
            return None;
        }
        settled.or_else(|| self.teller.is_told().then(|| self.tell()))
    }

    fn owner(&mut self, event: OwnerEvent) {
        match event {
            OwnerEvent::Settled { label } => {
                let name = self.label.map_or_else(|| label.to_string(), |name| name(label));
                self.teller.settled(&self.memory, &name);
                self.settled = Some(self.tell());
            }
            OwnerEvent::Bound { space, va, .. } => {
                self.teller.owner(&self.memory, event);
                // A look now narrows the time in which its PTEs were written.
                if let Some(provenance) = &self.provenance
                    && let Some(pte) = self.teller.pte_address(space, va)
                {
                    provenance.look(&self.memory, pte, self.teller.now_ns);
                }
            }
            _ => self.teller.owner(&self.memory, event),
        }
    }

    fn take(&mut self) -> Vec<Story> {
        let last = self.ended();
        self.taken = true;
        let mut stories = std::mem::take(&mut self.told);
        stories.extend(last);
        stories
    }
}

impl Findings for StoryObserver {
    fn findings(&self) -> Vec<Finding> {
        self.lock().teller.findings()
    }
}

impl Observer for StoryObserver {
    fn interests(&self) -> Interests {
        Interests::BASICS
            | Interests::SUBMISSIONS
            | Interests::CONTEXTS
            | Interests::REQUESTS
            | Interests::MEMORY_WRITES
            | Interests::GGTT_WRITES
    }

    fn memory(&mut self, memory: &GuestRam) {
        self.lock().memory = Ram(Some(memory.clone()));
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        let mut shared = self.lock();
        // What a machine did before it started anew, or went off, is a story of its own.
        if *event == Event::FunctionReset && shared.teller.is_told() {
            shared.next();
        }
        let Shared { teller, memory, .. } = &mut *shared;
        teller.event(memory, now_ns, event);
        if let Event::Hint(hint) = event {
            // A start forgets what hints said, so it goes to the next story.
            if *hint == Hint::DriverStart {
                shared.next();
            }
            shared.teller.hint(*hint);
            if let Some(event) = OwnerEvent::of_hint(*hint) {
                shared.owner(event);
            }
        }
    }
}

/// The device's memory, once it is told.
#[derive(Clone, Debug, Default)]
struct Ram(Option<GuestRam>);

impl PhysicalMemory for Ram {
    fn read_u64(&self, address: u64) -> Option<u64> {
        self.0.as_ref()?.read_u64(address)
    }

    fn write_u64(&self, _address: u64, _value: u64) -> bool {
        false
    }

    fn read_u32(&self, address: u64) -> Option<u32> {
        self.0.as_ref()?.read_u32(address)
    }

    fn write_u32(&self, _address: u64, _value: u32) -> bool {
        false
    }

    fn read_table(&self, address: u64, entries: &mut [u64; ENTRIES]) -> bool {
        self.0.as_ref().is_some_and(|memory| memory.read_table(address, entries))
    }
}
