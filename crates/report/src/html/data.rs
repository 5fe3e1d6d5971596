//! What the page's script draws: the story, cut to what a page can show and a browser can hold.
//!
//! Times, addresses and sizes are numbers to draw by (JavaScript's have 53 bits); where their value is
//! told, it is text.

use std::cmp::Reverse;

use observe::story::{EngineStory, MappingStory, SpaceState, SpaceStory, Span, Story, TableSample};
use serde::Serialize;

use super::tables;
use crate::pages;

/// Spans of an engine; of more, neighbours are drawn as one.
const MOST_SPANS: usize = 5_000;
/// Requests, the newest ones.
const MOST_REQUESTS: usize = 5_000;
/// Contexts, the newest ones.
const MOST_CONTEXTS: usize = 2_000;
/// Address spaces: leaked ones first, then by pages.
const MOST_SPACES: usize = 400;
/// Address spaces that get a map, of those that are drawn.
const MOST_MAPS: usize = 12;
/// Counts of an address space's pages; of more, the largest of neighbours.
const MOST_SAMPLES: usize = 1_000;
/// Mappings of an address space, leaked ones first.
const MOST_MAPPINGS: usize = 1_000;
/// Ranges of the GGTT, by address.
const MOST_RANGES: usize = 4_000;
/// Moments, the first ones.
const MOST_MOMENTS: usize = 300;

/// A story as it is drawn.
pub(super) struct Drawn {
    pub(super) data: Data,
    /// What there was no room for, in words.
    pub(super) left_out: Vec<String>,
    /// Whether the driver told when contexts and address spaces came and went.
    pub(super) told: bool,
}

/// What the script gets.
#[derive(Serialize)]
pub(super) struct Data {
    begin: u64,
    end: u64,
    engines: Vec<EngineLane>,
    contexts: Vec<ContextLane>,
    requests: Vec<RequestBar>,
    pub(super) spaces: Vec<SpaceArea>,
    ggtt: Vec<GgttBox>,
    moments: Vec<Mark>,
}

#[derive(Serialize)]
struct EngineLane {
    name: String,
    spans: Vec<SpanBox>,
}

#[derive(Serialize)]
struct SpanBox {
    begin: u64,
    end: u64,
    context: Option<usize>,
    space: Option<usize>,
    request: Option<usize>,
    /// How many spans it stands for.
    joined: usize,
}

#[derive(Serialize)]
struct ContextLane {
    id: u32,
    name: String,
    image: Option<String>,
    space: Option<usize>,
    created: Option<u64>,
    freed: Option<u64>,
    /// When an engine had it first and last.
    seen: Option<(u64, u64)>,
}

#[derive(Serialize)]
struct RequestBar {
    number: u64,
    engine: usize,
    context: Option<usize>,
    seqno: u32,
    submitted: u64,
    began: Option<u64>,
    ended: Option<u64>,
}

/// An address space.
#[derive(Serialize)]
pub(super) struct SpaceArea {
    pub(super) name: String,
    pub(super) state: SpaceState,
    pub(super) why: String,
    levels: u32,
    first: u64,
    /// When contexts used it, as far as engines show it, where nobody tells when it came and went.
    used: Option<Vec<(u64, u64)>>,
    released: Option<u64>,
    /// Whether it has a map.
    pub(super) mapped: bool,
    /// Since when it is leaked.
    leaked: Option<u64>,
    pages: Vec<Sample>,
    mappings: Vec<MappingBox>,
}

#[derive(Clone, Serialize)]
struct Sample {
    at: u64,
    total: u64,
}

#[derive(Serialize)]
struct MappingBox {
    va: u64,
    len: u64,
    object: Option<u64>,
    /// Address and pages, in words.
    #[serde(rename = "where")]
    place: String,
    pte: String,
    bound: u64,
    by: Option<usize>,
    unbound: Option<u64>,
    leaked: bool,
}

#[derive(Serialize)]
struct GgttBox {
    start: u64,
    len: u64,
    #[serde(rename = "where")]
    place: String,
    what: String,
}

#[derive(Serialize)]
struct Mark {
    at: u64,
    name: String,
    what: String,
}

/// Places of the kept items of a list, by their index in the story.
struct Kept(Vec<Option<usize>>);

impl Kept {
    /// Those of `all` items whose indices are `kept`, in that order.
    fn new(all: usize, kept: &[usize]) -> Kept {
        let mut places = vec![None; all];
        for (place, &index) in kept.iter().enumerate() {
            places[index] = Some(place);
        }
        Kept(places)
    }

    /// Where the item is now. An index from a file may name none.
    fn place(&self, index: Option<usize>) -> Option<usize> {
        *self.0.get(index?)?
    }
}

/// The story, cut.
pub(super) fn drawn(story: &Story) -> Drawn {
    let mut left_out = Vec::new();
    let requests = newest(story.requests.len(), MOST_REQUESTS);
    let contexts = newest(story.contexts.len(), MOST_CONTEXTS);
    let spaces = weightiest(&story.spaces, MOST_SPACES);
    let mut cut = |kept: usize, all: usize, what: &str| {
        if kept < all {
            left_out.push(format!("{} {what} from the drawings", all - kept));
        }
    };
    cut(requests.len(), story.requests.len(), "older requests");
    cut(contexts.len(), story.contexts.len(), "older contexts");
    cut(spaces.len(), story.spaces.len(), "address spaces with fewer pages");
    cut(story.ggtt.len().min(MOST_RANGES), story.ggtt.len(), "ranges of the GGTT");
    cut(story.moments.len().min(MOST_MOMENTS), story.moments.len(), "later moments");
    let maps = weightiest(&story.spaces, MOST_MAPS);
    let mappings = maps.iter().map(|&index| story.spaces[index].mappings.len());
    let unseen = mappings.map(|all| all.saturating_sub(MOST_MAPPINGS)).sum();
    cut(0, unseen, "mappings");
    let kept = References {
        requests: Kept::new(story.requests.len(), &requests),
        contexts: Kept::new(story.contexts.len(), &contexts),
        spaces: Kept::new(story.spaces.len(), &spaces),
    };
    let is_hinted = story.is_hinted();
    let space = |&index: &usize| {
        let mut area = kept.space(&story.spaces[index], story.end_ns, maps.contains(&index));
        if !is_hinted && area.leaked.is_none() {
            area.used = Some(uses(story, index));
        }
        area
    };
    let data = Data {
        begin: story.begin_ns,
        end: story.end_ns.max(story.begin_ns),
        engines: story.engines.iter().map(|engine| kept.engine(engine)).collect(),
        contexts: contexts.iter().map(|&index| kept.context(&story.contexts[index])).collect(),
        requests: requests.iter().map(|&index| kept.request(&story.requests[index])).collect(),
        spaces: spaces.iter().map(space).collect(),
        ggtt: story.ggtt.iter().take(MOST_RANGES).map(ggtt).collect(),
        moments: story.moments.iter().take(MOST_MOMENTS).map(mark).collect(),
    };
    Drawn { data, left_out, told: is_hinted }
}

/// Indices of the last `most` items.
fn newest(all: usize, most: usize) -> Vec<usize> {
    (all.saturating_sub(most)..all).collect()
}

/// Indices of the `most` address spaces that are worth the most, in the story's order.
fn weightiest(spaces: &[SpaceStory], most: usize) -> Vec<usize> {
    let weight = |index: &usize| {
        let space = &spaces[*index];
        let peak = space.pages.iter().map(|sample| pages(&sample.tables)).max();
        (space.leaked, peak)
    };
    let mut indices: Vec<usize> = (0..spaces.len()).collect();
    indices.sort_by_cached_key(|index| Reverse(weight(index)));
    indices.truncate(most);
    indices.sort_unstable();
    indices
}

/// What the story's indices mean in the cut lists.
struct References {
    requests: Kept,
    contexts: Kept,
    spaces: Kept,
}

impl References {
    fn engine(&self, engine: &EngineStory) -> EngineLane {
        let each = engine.spans.len().div_ceil(MOST_SPANS).max(1);
        let spans = engine.spans.chunks(each).filter_map(|spans| self.spans(spans)).collect();
        EngineLane { name: engine.name.clone(), spans }
    }

    /// Neighbouring spans as one; None of none.
    fn spans(&self, spans: &[Span]) -> Option<SpanBox> {
        let (first, last) = (spans.first()?, spans.last()?);
        let all = |same: fn(&Span) -> Option<usize>| {
            same(first).filter(|value| spans.iter().all(|span| same(span) == Some(*value)))
        };
        Some(SpanBox {
            begin: first.begin_ns,
            end: last.end_ns.max(first.begin_ns),
            context: self.contexts.place(all(|span| span.context)),
            space: self.spaces.place(all(|span| span.space)),
            request: self.requests.place(all(|span| span.request)),
            joined: spans.len(),
        })
    }

    fn context(&self, context: &observe::story::ContextStory) -> ContextLane {
        ContextLane {
            id: context.id,
            name: context.name.clone(),
            image: context.image.map(|image| format!("{image:#x}")),
            space: self.spaces.place(context.space),
            created: context.created_ns,
            freed: context.freed_ns,
            seen: context.seen_ns,
        }
    }

    fn request(&self, request: &observe::story::RequestStory) -> RequestBar {
        RequestBar {
            number: request.number,
            engine: request.engine,
            context: self.contexts.place(request.context),
            seqno: request.seqno,
            submitted: request.submitted_ns,
            began: request.began_ns,
            ended: request.ended_ns,
        }
    }

    fn space(&self, space: &SpaceStory, end_ns: u64, mapped: bool) -> SpaceArea {
        let mut mappings: Vec<&MappingStory> = space.mappings.iter().collect();
        mappings.sort_by_key(|mapping| !mapping.leaked);
        mappings.truncate(if mapped { MOST_MAPPINGS } else { 0 });
        SpaceArea {
            name: space.name.clone(),
            state: space.state,
            why: space.why.clone(),
            levels: space.levels,
            first: space.first_ns,
            used: None,
            released: space.released_ns,
            mapped,
            leaked: space.leaked.then(|| space.orphaned_ns.unwrap_or(end_ns)),
            pages: samples(&space.pages),
            mappings: mappings.into_iter().map(|mapping| self.mapping(mapping)).collect(),
        }
    }

    fn mapping(&self, mapping: &MappingStory) -> MappingBox {
        let pte = tables::pte(mapping).map(|pte| format!("PTE {pte}"));
        MappingBox {
            va: mapping.va,
            len: mapping.len,
            object: mapping.object,
            place: format!("{:#x} to pages {}", mapping.va, tables::reaches(mapping)),
            pte: pte.unwrap_or_default(),
            bound: mapping.bound_ns,
            by: self.requests.place(mapping.bound_by),
            unbound: mapping.unbound_ns,
            leaked: mapping.leaked,
        }
    }
}

/// When contexts used an address space: the times of those that overlap are one.
fn uses(story: &Story, space: usize) -> Vec<(u64, u64)> {
    let users = story.contexts.iter().filter(|context| context.space == Some(space));
    let mut times: Vec<(u64, u64)> = users.filter_map(|context| context.seen_ns).collect();
    times.sort_unstable();
    let mut uses: Vec<(u64, u64)> = Vec::new();
    for (begin, end) in times {
        match uses.last_mut() {
            Some((_, until)) if begin <= *until => *until = end.max(*until),
            _ => uses.push((begin, end)),
        }
    }
    uses
}

/// Neighbouring counts as one, the largest of them: a peak is never lost.
fn samples(all: &[TableSample]) -> Vec<Sample> {
    let each = all.len().div_ceil(MOST_SAMPLES).max(1);
    let sample = |sample: &TableSample| Sample { at: sample.at_ns, total: pages(&sample.tables) };
    let mut samples: Vec<Sample> = all
        .chunks(each)
        .filter_map(|chunk| chunk.iter().map(sample).max_by_key(|sample| sample.total))
        .collect();
    // What is left at the end is what a leak is judged by.
    if each > 1 {
        samples.extend(all.last().map(sample));
    }
    samples
}

fn ggtt(range: &observe::story::GgttRange) -> GgttBox {
    let place = format!("{:#x} to page {:#x}", range.start, range.page);
    GgttBox { start: range.start, len: range.len, place, what: range.what.clone() }
}

fn mark(moment: &observe::story::Moment) -> Mark {
    Mark { at: moment.at_ns, name: moment.name.clone(), what: moment.what.clone() }
}
