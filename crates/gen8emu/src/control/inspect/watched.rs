//! `events`, `leaks`, `rules` and `findings`: what observers saw.

use gen8_spec::engine::EngineId;
use observe::story::{LEAK, SpaceState, SpaceStory};
use observe::{EVENT_KINDS, EventFilter, EventReport, Finding, Judgement, RuleReport, StockGuest};
use serde::{Deserialize, Serialize};

use super::super::subject::NotWatched;
use super::Subject;

/// Events that are told at a time.
const MOST_EVENTS: usize = 4096;
/// Events that are told if nobody says how many.
const SOME_EVENTS: usize = 32;

/// Which events.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wanted {
    /// The last ones of those that are wanted; 32.
    pub(crate) last: Option<usize>,
    pub(crate) kind: Option<String>,
    pub(crate) engine: Option<String>,
}

/// The answer to `events`.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Events {
    /// In order.
    pub(crate) events: Vec<EventReport>,
    /// Events of all kinds that the device told.
    pub(crate) heard: u64,
}

/// The answer to `rules`.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Rules {
    /// Those that were broken.
    pub(crate) rules: Vec<BrokenRule>,
    /// Rules that are checked.
    pub(crate) checks: usize,
}

/// A rule that was broken.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct BrokenRule {
    #[serde(flatten)]
    pub(crate) report: RuleReport,
    /// What the breaches come to, for those who say that the driver is a stock i915.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) judgement: Option<Judgement>,
}

/// The answer to `findings`.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct AllFindings {
    /// Oldest first.
    pub(crate) findings: Vec<Finding>,
}

/// The answer to `leaks`.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Leaks {
    /// Device time, nanoseconds.
    pub(crate) now_ns: u64,
    /// Every address space that is there, with what it maps now and its tables now.
    pub(crate) spaces: Vec<SpaceStory>,
    /// Address spaces that are released.
    pub(crate) released: usize,
    /// One for each that nobody can free.
    pub(crate) findings: Vec<Finding>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventError {
    #[error(transparent)]
    NotWatched(#[from] NotWatched),
    #[error("there is no kind of event '{0}': expected {known}", known = EVENT_KINDS.join(", "))]
    Kind(String),
    #[error("there is no engine '{0}': expected {known}", known = engines())]
    Engine(String),
    #[error("{0} events are too many: expected at most {MOST_EVENTS}")]
    TooMany(usize),
}

fn engines() -> String {
    EngineId::ALL.map(EngineId::name).join(", ")
}

/// The last events.
pub(in crate::control) fn events(wanted: &Wanted, subject: &Subject) -> Result<Events, EventError> {
    let Wanted { last, kind, engine } = wanted;
    if let Some(kind) = kind.as_ref().filter(|kind| !EVENT_KINDS.contains(&kind.as_str())) {
        return Err(EventError::Kind(kind.clone()));
    }
    let named = |name: &String| EngineId::ALL.into_iter().find(|engine| engine.name() == name);
    let engine = match engine {
        Some(name) => Some(named(name).ok_or_else(|| EventError::Engine(name.clone()))?),
        None => None,
    };
    let last = last.unwrap_or(SOME_EVENTS);
    if last > MOST_EVENTS {
        return Err(EventError::TooMany(last));
    }
    let filter = EventFilter { kind: kind.as_deref(), engine };
    let (events, heard) = subject.watch.close()?.events.last(filter, last);
    Ok(Events { events, heard })
}

/// Every address space, and what nobody can free.
pub(in crate::control) fn leaks(subject: &Subject) -> Result<Leaks, EventError> {
    let now_ns = subject.device.look(|gpu| gpu.now_ns());
    let story = subject.watch.close()?.story.story(now_ns);
    let all = story.spaces.len();
    let here = story.spaces.into_iter().filter(|space| space.state != SpaceState::Released);
    let spaces: Vec<SpaceStory> = here.map(as_it_is).collect();
    let is_leak = |finding: &Finding| finding.name == LEAK;
    Ok(Leaks {
        now_ns,
        released: all - spaces.len() + usize::try_from(story.left_out.spaces).unwrap_or(usize::MAX),
        spaces,
        findings: story.findings.into_iter().filter(is_leak).collect(),
    })
}

/// Without what it was.
fn as_it_is(mut space: SpaceStory) -> SpaceStory {
    let older = space.pages.len().saturating_sub(1);
    space.pages.drain(..older);
    space.mappings.retain(|mapping| mapping.unbound_ns.is_none());
    space
}

/// The rules that were broken, by the stock i915 of `guest` if there is one.
pub(in crate::control) fn rules(guest: Option<&StockGuest>, subject: &Subject) -> Rules {
    let judged = |report: RuleReport| BrokenRule {
        judgement: guest.map(|guest| report.judge(guest)),
        report,
    };
    let rules = subject.watch.rules.reports().into_iter().map(judged).collect();
    Rules { rules, checks: observe::checks().count() }
}

/// What all observers found.
pub(in crate::control) fn findings(subject: &Subject) -> AllFindings {
    AllFindings { findings: subject.watch.findings() }
}
