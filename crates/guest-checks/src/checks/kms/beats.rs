//! Asking for blankings or flips on several screens at once, one after the other on each.

use std::time::{Duration, Instant};

use super::cadence::{self, Beat, Cadence};
use super::card::Card;
use super::events;
use super::picture::{FrameBuffer, Picture};
use super::pulse::Pulse;
use super::screen::Screen;
use super::uapi;
use crate::error::{Error, Result};
use crate::sys;

/// A screen that drops blankings does so every time; one whose host was busy for a moment, once.
const TRIES: u32 = 3;
/// How long nothing may come when all that was asked for has come.
const QUIET: Duration = Duration::from_millis(100);

/// A cadence for each screen, or what is wrong with it.
pub(super) type Cadences = Vec<Result<Cadence>>;

/// What is asked for, again and again.
struct Kind {
    /// The event that answers.
    event: u32,
    /// A request in the last microseconds before a blanking may come with the next one.
    margin_us: i64,
    what: &'static str,
}

const BLANKING: Kind =
    Kind { event: uapi::EVENT_VBLANK, margin_us: 2_000, what: "the event of a blanking" };
/// The kernel's worker has some twenty registers to write, each by a message to the device's server.
const FLIP: Kind =
    Kind { event: uapi::EVENT_FLIP_COMPLETE, margin_us: 5_000, what: "the event of a flip" };

/// Asks each screen for its blankings for so long.
pub(super) fn blankings(card: &Card, screens: &[&Screen], length: Duration) -> Result<Cadences> {
    beats(card, screens, length, &BLANKING, |screen, number| {
        events::ask_for_vblank(card, screens[screen].pipe, number)
    })
}

/// Flips each screen between two pictures, each time as soon as the flip before is done.
pub(super) fn flips(card: &Card, screens: &[&Screen], length: Duration) -> Result<Cadences> {
    let second = |screen: &&Screen| {
        let (width, height) = screen.mode.size();
        FrameBuffer::linear(card, &Picture::pattern(width, height, 2))
    };
    let seconds: Vec<FrameBuffer> = screens.iter().map(second).collect::<Result<_>>()?;
    let cadences = beats(card, screens, length, &FLIP, |screen, number| {
        let shown = [&seconds[screen], &screens[screen].first][(number % 2) as usize];
        events::flip(card, screens[screen].crtc, shown.id, number)
    })?;
    for screen in screens {
        screen.show_first(card)?;
    }
    Ok(cadences)
}

/// As [`flips`], on one screen, by atomic commits.
pub(super) fn atomic_flips(card: &Card, screen: &Screen, length: Duration) -> Result<Cadence> {
    let (width, height) = screen.mode.size();
    let second = FrameBuffer::linear(card, &Picture::pattern(width, height, 2))?;
    let no_plane = || Error::Wrong("the pipe has no primary plane".into());
    let plane = card.plane(screen.pipe, uapi::PLANE_PRIMARY)?.ok_or_else(no_plane)?;
    let (property, _) = card.property(plane, uapi::OBJECT_PLANE, "FB_ID")?;
    let cadences = beats(card, &[screen], length, &FLIP, |_, number| {
        let shown = [&second, &screen.first][(number % 2) as usize];
        events::commit_flip(card, (plane, property), shown.id, number)
    })?;
    screen.show_first(card)?;
    alone(cadences)
}

/// The one cadence of one screen.
pub(super) fn alone(cadences: Cadences) -> Result<Cadence> {
    cadences.into_iter().next().unwrap_or_else(|| Err(Error::Wrong("there is no screen".into())))
}

/// Watches until all beats are good, at most [`TRIES`] times.
fn beats(
    card: &Card,
    screens: &[&Screen],
    length: Duration,
    kind: &Kind,
    ask: impl Fn(usize, u64) -> Result<()>,
) -> Result<Cadences> {
    let (mut tries, mut missed_before) = (0, vec![0; screens.len()]);
    loop {
        tries += 1;
        let mut cadences = watch(card, screens, length, kind, &ask)?;
        for (cadence, missed) in cadences.iter_mut().zip(&mut missed_before) {
            (cadence.tries, cadence.missed_before) = (tries, *missed);
            *missed += cadence.missed;
        }
        let judged = cadences.into_iter().zip(screens);
        let judged: Cadences =
            judged.map(|(cadence, screen)| cadence.judge(&screen.mode)).collect();
        if tries == TRIES || judged.iter().all(Result::is_ok) {
            return Ok(judged);
        }
    }
}

/// Asks (`ask` takes the screen's and the request's number) and waits; every request has one event,
/// and no other comes.
fn watch(
    card: &Card,
    screens: &[&Screen],
    length: Duration,
    kind: &Kind,
    ask: &impl Fn(usize, u64) -> Result<()>,
) -> Result<Vec<Cadence>> {
    let (start, pulse) = (Instant::now(), Pulse::start());
    let mut beats: Vec<Vec<Beat>> = screens.iter().map(|_| Vec::new()).collect();
    let mut asked_us = vec![0; screens.len()];
    for (screen, asked_us) in asked_us.iter_mut().enumerate() {
        ask(screen, 0)?;
        *asked_us = sys::monotonic_us();
    }
    let mut awaited = screens.len();
    while awaited > 0 {
        for event in events::wait(card, kind.what)? {
            let screen = screens.iter().position(|screen| screen.crtc == event.crtc_id);
            let screen = screen
                .filter(|&screen| event.user_data == beats[screen].len() as u64)
                .filter(|_| event.kind == kind.event)
                .ok_or_else(|| Error::Wrong(format!("nobody waits for {event:?}")))?;
            beats[screen].push(Beat { event, asked_us: asked_us[screen] });
            if start.elapsed() > length {
                awaited -= 1;
                continue;
            }
            ask(screen, beats[screen].len() as u64)?;
            asked_us[screen] = sys::monotonic_us();
        }
    }
    let stalls = pulse.stop();
    events::expect_none(card, QUIET)?;
    beats.iter().map(|beats| cadence::measure(beats, &stalls, kind.margin_us)).collect()
}
