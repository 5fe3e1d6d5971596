//! The last events of the device, for who wants to see what just happened.

mod text;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gen8_spec::engine::EngineId;
use gpu_model::{Event, Interests, Observer};
use serde::{Deserialize, Serialize};

pub use text::{EVENT_KINDS, event_kind};

/// Events that are kept of each group: what is frequent does not push out what is rare.
const KEPT: usize = 1024;

/// Keeps the last 1024 events of each group but [`Interests::ACCESSES`], of which there is one for every
/// page that an engine touches: an [`Observer`] of the device. Clones share what is kept.
#[derive(Clone, Debug, Default)]
pub struct RecentEvents(Arc<Mutex<Rings>>);

#[derive(Clone, Debug, Default)]
struct Rings {
    /// One for each group.
    rings: Vec<VecDeque<Kept>>,
    /// Events that were heard, kept or not.
    heard: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    number: u64,
    at_ns: u64,
    event: Event,
}

/// Which events.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventFilter<'a> {
    /// Of this kind ([`EVENT_KINDS`]).
    pub kind: Option<&'a str>,
    /// Of this engine.
    pub engine: Option<EngineId>,
}

/// An event in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventReport {
    /// Counts all events from 0.
    pub number: u64,
    /// Device time, nanoseconds.
    pub at_ns: u64,
    /// One of [`EVENT_KINDS`].
    pub kind: String,
    /// The engine that it is about, if it is about one.
    pub engine: Option<String>,
    /// The rest.
    pub text: String,
}

impl RecentEvents {
    /// Nothing happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last `count` of the events that were asked for, the oldest one first; and how many were heard of
    /// all kinds.
    pub fn last(&self, filter: EventFilter<'_>, count: usize) -> (Vec<EventReport>, u64) {
        // The device waits while the lock is held, so what takes time is done with a copy.
        let Rings { rings, heard } = self.lock().clone();
        let mut kept: Vec<Kept> = rings.into_iter().flatten().collect();
        kept.retain(|kept| filter.lets(&kept.event));
        kept.sort_unstable_by_key(|kept| kept.number);
        let behind = kept.len().saturating_sub(count);
        (kept.drain(behind..).map(Kept::report).collect(), heard)
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventFilter<'_> {
    fn lets(&self, event: &Event) -> bool {
        self.kind.is_none_or(|kind| event_kind(event) == kind)
            && self.engine.is_none_or(|engine| text::engine(event) == Some(engine))
    }
}

impl Kept {
    fn report(self) -> EventReport {
        let Kept { number, at_ns, event } = self;
        let engine = text::engine(&event).map(|engine| engine.name().to_owned());
        let kind = event_kind(&event).to_owned();
        EventReport { number, at_ns, kind, engine, text: text::text(&event) }
    }
}

impl Observer for RecentEvents {
    fn interests(&self) -> Interests {
        let wanted = Interests::groups().filter(|group| !group.intersects(Interests::ACCESSES));
        wanted.fold(Interests::NONE, Interests::and)
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        let group = event.group();
        let index = Interests::groups().take_while(|one| !one.intersects(group)).count();
        let mut rings = self.lock();
        let number = rings.heard;
        rings.heard += 1;
        if rings.rings.len() <= index {
            rings.rings.resize_with(index + 1, || VecDeque::with_capacity(KEPT));
        }
        let ring = &mut rings.rings[index];
        if ring.len() >= KEPT {
            ring.pop_front();
        }
        ring.push_back(Kept { number, at_ns: now_ns, event: event.clone() });
    }
}
