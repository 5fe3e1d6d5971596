//! From what is known to a story: serials become places in lists.

use std::collections::BTreeMap;

use gen8_spec::engine::EngineId;

use super::leaks;
use super::model::{
    ContextStory, EngineStory, LeftOut, MappingStory, RequestStory, SpaceState, SpaceStory, Span,
    Story,
};
use super::spaces::{Key, Space};
use super::teller::Teller;
use super::words::time;

/// Places in a story's lists, by serial.
struct Places {
    engines: BTreeMap<EngineId, usize>,
    contexts: BTreeMap<u64, usize>,
    spaces: BTreeMap<u64, usize>,
    requests: BTreeMap<u64, usize>,
}

fn places<T>(list: impl Iterator<Item = (u64, T)>) -> BTreeMap<u64, usize> {
    list.enumerate().map(|(place, (serial, _))| (serial, place)).collect()
}

fn place(places: &BTreeMap<u64, usize>, serial: Option<u64>) -> Option<usize> {
    serial.and_then(|serial| places.get(&serial).copied())
}

/// The story as it is now.
pub(super) fn story(teller: &Teller, title: &str, device: &str) -> Story {
    // An engine counts that ran something, or was asked to.
    let used = EngineId::ALL.into_iter().filter(|&engine| {
        teller.engines[engine.index()].is_used()
            || teller.requests.iter().any(|(_, request)| request.engine == engine)
    });
    let places = Places {
        engines: used.enumerate().map(|(place, engine)| (engine, place)).collect(),
        contexts: places(teller.contexts.iter()),
        spaces: places(teller.spaces.iter()),
        requests: places(teller.requests.iter()),
    };
    Story {
        title: title.to_owned(),
        device: device.to_owned(),
        begin_ns: teller.begin_ns,
        end_ns: teller.now_ns,
        engines: engines(teller, &places),
        contexts: contexts(teller, &places),
        requests: requests(teller, &places),
        spaces: teller
            .spaces
            .iter()
            .map(|(serial, record)| space(teller, &places, serial, record))
            .collect(),
        ggtt: teller.ggtt.ranges(|page| teller.page(page)),
        moments: teller.moments.clone(),
        findings: teller.findings(),
        left_out: left_out(teller),
    }
}

fn engines(teller: &Teller, places: &Places) -> Vec<EngineStory> {
    let told = places.engines.keys().map(|&engine| EngineStory {
        name: engine.name().to_owned(),
        spans: teller.engines[engine.index()]
            .spans(teller.now_ns)
            .map(|(running, end_ns)| Span {
                begin_ns: running.begin_ns,
                end_ns,
                context: place(&places.contexts, running.context),
                space: place(&places.spaces, running.space),
                request: place(&places.requests, running.request),
            })
            .collect(),
    });
    told.collect()
}

fn contexts(teller: &Teller, places: &Places) -> Vec<ContextStory> {
    let told = teller.contexts.iter().map(|(_, context)| ContextStory {
        id: context.hardware.unwrap_or_default(),
        name: context.name(),
        image: context.image,
        space: place(&places.spaces, context.space),
        created_ns: context.created_ns,
        freed_ns: context.freed_ns,
        seen_ns: context.seen_ns,
    });
    told.collect()
}

fn requests(teller: &Teller, places: &Places) -> Vec<RequestStory> {
    let told = teller.requests.iter().map(|(number, request)| RequestStory {
        number,
        engine: places.engines.get(&request.engine).copied().unwrap_or_default(),
        context: place(&places.contexts, request.context),
        seqno: request.seqno,
        submitted_ns: request.submitted_ns,
        began_ns: request.began_ns,
        ended_ns: request.ended_ns,
    });
    told.collect()
}

fn space(teller: &Teller, places: &Places, serial: u64, record: &Space) -> SpaceStory {
    let (state, why) = state(teller, serial, record);
    let root = record.root.map_or_else(Vec::new, |root| root.tables().collect());
    SpaceStory {
        number: record.number(),
        name: record.name(),
        levels: record.levels(),
        root,
        first_ns: record.first_ns,
        last_ns: record.last_ns,
        released_ns: record.released_ns,
        state,
        orphaned_ns: record.orphaned_ns,
        leaked: record.leaked_ns.is_some(),
        why,
        pages: record.samples.to_vec(),
        mappings: record
            .mappings
            .iter()
            .map(|mapping| MappingStory {
                bound_by: place(&places.requests, mapping.request),
                ..mapping.story.clone()
            })
            .collect(),
    }
}

/// The state of an address space, and why.
fn state(teller: &Teller, serial: u64, record: &Space) -> (SpaceState, String) {
    if let Some(at) = record.released_ns {
        let how = match record.key {
            Key::Owned(_) => "released",
            Key::Loaded(_) => "its root was loaded as another one's",
        };
        return (SpaceState::Released, format!("{how} at {}", time(at)));
    }
    let live: Vec<&str> = EngineId::ALL
        .into_iter()
        .filter(|engine| {
            let running = teller.engines[engine.index()].running;
            running.is_some_and(|running| running.space == Some(serial))
        })
        .map(EngineId::name)
        .collect();
    if record.orphaned_ns.is_some() && !record.is_drivers() {
        return (SpaceState::Orphaned, leaks::why_orphaned(teller, record));
    }
    if !live.is_empty() {
        return (SpaceState::Live, format!("{} runs in it", live.join(", ")));
    }
    let users: Vec<String> =
        teller.contexts.users(serial).map(super::contexts::Context::name).collect();
    if let Some(told) = &record.told {
        let plural = if told.contexts == 1 { " uses" } else { "s use" };
        return (SpaceState::Idle, format!("{} context{plural} it", told.contexts));
    }
    let why = match (&users[..], record.key) {
        ([], Key::Owned(0)) => "the driver's own".to_owned(),
        ([], Key::Owned(_)) => "no context uses it yet".to_owned(),
        ([], Key::Loaded(_)) => "no engine runs in it".to_owned(),
        ([user], _) => format!("{user} uses it"),
        (users, _) => format!("{} contexts use it", users.len()),
    };
    (SpaceState::Idle, why)
}

fn left_out(teller: &Teller) -> LeftOut {
    let spaces = || teller.spaces.iter().map(|(_, space)| space);
    LeftOut {
        spans: teller.engines.iter().map(|track| track.dropped).sum(),
        requests: teller.requests.dropped,
        contexts: teller.contexts.dropped,
        spaces: teller.spaces.dropped,
        mappings: spaces().map(|space| space.mappings.dropped).sum(),
        samples: spaces().map(|space| space.samples.dropped).sum(),
        moments: teller.moments_dropped,
    }
}
