//! What the questions are about: a device that runs, or one that a replay has stopped.

use std::sync::{Arc, Mutex, PoisonError};

use gpu_model::{Gpu, GuestRam};
use gpu_thread::Device;
use observe::provenance::Provenance;
use observe::staleness::Staleness;
use observe::story::StoryObserver;
use observe::{
    Activity, AddressSpaces, Conformance, Finding, Findings, Observers, RecentEvents, StockGuest,
    UnboundUses, UseAfter,
};

use super::memory::DeviceMemory;
use super::surface::Remembered;
use crate::agent::Agent;

/// A device and what has been observed of it: all that an answer is made of.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(super) device: Held,
    pub(super) watch: Watch,
    /// Surfaces that clients named.
    pub(super) remembered: Arc<Remembered>,
    /// The kernel's view, if an agent tells of it.
    pub(super) agent: Option<Agent>,
}

/// The observers that answers are made of, as handles that share what the device's own have seen.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    pub(crate) spaces: AddressSpaces,
    pub(super) activity: Activity,
    pub(super) rules: Conformance,
    /// Uses of what a guest's kernel unbound, if one tells.
    pub(crate) unbound: Option<UnboundUses>,
    /// Those that cost the device time.
    pub(super) close: Option<CloseWatch>,
}

/// Observers of every event.
#[derive(Clone)]
pub(crate) struct CloseWatch {
    pub(super) events: RecentEvents,
    pub(super) provenance: Provenance,
    pub(super) staleness: Staleness,
    pub(super) story: StoryObserver,
    pub(super) use_after: UseAfter<DeviceMemory>,
    memory: DeviceMemory,
}

impl CloseWatch {
    fn new(device: &str) -> CloseWatch {
        let provenance = Provenance::new();
        let memory = DeviceMemory::default();
        CloseWatch {
            events: RecentEvents::new(),
            staleness: Staleness::new(provenance.clone()),
            story: StoryObserver::new(device).with_provenance(provenance.clone()),
            provenance,
            use_after: UseAfter::new(memory.clone()),
            memory,
        }
    }
}

/// Why a question about events has no answer.
#[derive(Debug, thiserror::Error)]
#[error("this is not watched: start the server with --observe")]
pub(crate) struct NotWatched;

impl Watch {
    /// Those that hear rare events.
    pub(crate) fn new() -> Watch {
        Watch::default()
    }

    /// These, and those that cost the device time. `device` names the part for people.
    pub(crate) fn closely(device: &str) -> Watch {
        Watch { close: Some(CloseWatch::new(device)), ..Watch::default() }
    }

    /// The same, and those that listen to a guest's kernel.
    pub(crate) fn hearing_a_kernel(self) -> Watch {
        Watch { unbound: Some(UnboundUses::default()), ..self }
    }

    /// Handles of them for the device.
    pub(crate) fn observers(&self) -> Observers {
        let mut observers = Observers::new();
        observers.push(self.spaces.clone());
        observers.push(self.activity.clone());
        observers.push(self.rules.clone());
        if let Some(unbound) = &self.unbound {
            observers.push(unbound.clone());
        }
        if let Some(close) = &self.close {
            let CloseWatch { events, provenance, staleness, story, use_after, memory } = close;
            observers.push(memory.clone());
            observers.push(use_after.clone());
            observers.push(events.clone());
            // The two behind it ask it who wrote.
            observers.push(provenance.clone());
            observers.push(staleness.clone());
            observers.push(story.clone());
        }
        observers
    }

    /// Those that cost the device time, if they watch.
    pub(super) fn close(&self) -> Result<&CloseWatch, NotWatched> {
        self.close.as_ref().ok_or(NotWatched)
    }

    /// The observer that tells what happened, if it watches.
    pub(crate) fn story(&self) -> Option<StoryObserver> {
        self.close.as_ref().map(|close| close.story.clone())
    }

    /// What all of them found, oldest first.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = self.beside_story(None);
        findings.extend(self.story().iter().flat_map(Findings::findings));
        findings.sort_by_key(|finding| finding.at_ns);
        findings
    }

    /// What all but the story found, which has its own. What the stock i915 of `guest` is known for is explained.
    pub(crate) fn beside_story(&self, guest: Option<&StockGuest>) -> Vec<Finding> {
        let rules = &self.rules;
        let mut findings = guest.map_or_else(|| rules.findings(), |guest| rules.findings_of(guest));
        findings.extend(self.unbound.iter().flat_map(Findings::findings));
        if let Some(CloseWatch { staleness, use_after, .. }) = &self.close {
            findings.extend(staleness.findings());
            findings.extend(use_after.findings());
        }
        findings
    }
}

impl Subject {
    /// What is known of `device`.
    pub(crate) fn new(device: Held, watch: Watch) -> Subject {
        Subject { device, watch, remembered: Arc::default(), agent: None }
    }

    /// The same, with the kernel's view.
    pub(crate) fn with_agent(self, agent: Option<Agent>) -> Subject {
        Subject { agent, ..self }
    }

    /// The memory that the device sees. The device is locked for the copy of a handle only.
    pub(super) fn memory(&self) -> GuestRam {
        self.device.look(|gpu| gpu.memory().clone())
    }
}

/// The device, however it is held.
#[derive(Clone)]
pub(crate) enum Held {
    /// It runs, in a thread of its own.
    Running(Arc<Device>),
    /// It stands still, at a moment of a recording.
    Still(Arc<Mutex<Gpu>>),
}

/// Why a device is not changed.
#[derive(Debug, thiserror::Error)]
#[error("this is the device of a recording: it can be looked at, not changed")]
pub(crate) struct IsStill;

impl Held {
    /// Whether it runs.
    pub(super) fn is_running(&self) -> bool {
        matches!(self, Held::Running(_))
    }

    /// Looks at the device, which is locked meanwhile.
    pub(crate) fn look<R>(&self, work: impl FnOnce(&mut Gpu) -> R) -> R {
        match self {
            Held::Running(device) => device.look(work),
            Held::Still(gpu) => work(&mut gpu.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Changes the device, as a user of the machine could.
    pub(super) fn touch<R>(&self, work: impl FnOnce(&mut Gpu) -> R) -> Result<R, IsStill> {
        match self {
            Held::Running(device) => Ok(device.touch(work)),
            Held::Still(_) => Err(IsStill),
        }
    }
}
