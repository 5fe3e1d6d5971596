//! Leaks in words: what is left over, what holds it, and since when nobody can free it.

use super::LEAK;
use super::contexts::Context;
use super::mappings::Mapping;
use super::model::PageRange;
use super::spaces::{Key, Space};
use super::teller::Teller;
use super::words::{size, time};
use crate::finding::{Finding, Severity};

/// Leaked mappings, and objects that pin, that one finding tells.
const TOLD: usize = 8;

/// The finding on an orphaned address space.
pub(super) fn finding(teller: &Teller, serial: u64) -> Option<Finding> {
    let space = teller.spaces.get(serial)?;
    let (since, found_ns) = (space.orphaned_ns?, space.leaked_ns?);
    let name = space.name();
    let what = format!(
        "{name} is orphaned: no context is left that could use it, and since {} nobody could free it",
        time(since)
    );
    let mut finding =
        Finding::new(LEAK, Severity::Error, found_ns, what).fact("address space", describe(space));
    let leaked: Vec<&Mapping> =
        space.mappings.iter().filter(|mapping| mapping.story.leaked).collect();
    for mapping in leaked.iter().take(TOLD) {
        finding = tell_mapping(teller, finding, mapping);
    }
    if leaked.len() > TOLD {
        finding = finding.fact("more", format!("{} more mappings", leaked.len() - TOLD));
    }
    finding = finding.fact("nobody could free it after", last_moment(teller, serial, since));
    Some(finding.fact("why", why_orphaned(teller, space)))
}

fn describe(space: &Space) -> String {
    let levels = space.levels();
    let root = space.root.and_then(|root| root.tables().next()).unwrap_or_default();
    let pages = space.samples.last().map_or(0, |sample| sample.tables.total());
    let plural = if pages == 1 { "" } else { "s" };
    format!("{}, {levels} levels, root {root:#x}, {pages} page-table page{plural}", space.name())
}

fn tell_mapping(teller: &Teller, finding: Finding, mapping: &Mapping) -> Finding {
    let story = &mapping.story;
    let object = story.object.map_or("pages of nobody".to_owned(), |id| format!("object {id}"));
    let reaches: Vec<String> = story
        .reaches
        .iter()
        .map(|&PageRange { page, len }| format!("{} at {page:#x}", size(len)))
        .collect();
    let reaches = if reaches.is_empty() { size(story.len) } else { reaches.join(", ") };
    let leaked = format!("{object} ({reaches}), mapped at {:#x}", story.va);
    let written =
        story.written_by.as_deref().map_or(String::new(), |by| format!(", written by {by}"));
    let pte = format!("{:#x} at {:#x}{written}", story.pte, story.pte_address);
    let bound =
        match mapping.request.and_then(|number| Some((number, teller.requests.get(number)?))) {
            Some((number, request)) => {
                let of = request.context.and_then(|context| teller.contexts.get(context));
                let of = of.map_or(String::new(), |context| format!(" of {}", context.name()));
                format!(
                    "request {number} ({}, seqno {}){of}, at {}",
                    request.engine.name(),
                    request.seqno,
                    time(story.bound_ns)
                )
            }
            None => format!("no request that is known, at {}", time(story.bound_ns)),
        };
    finding.fact("leaked object", leaked).fact("PTE", pte).fact("bound by", bound)
}

/// When the last context that could use the address space ended.
fn last_moment(teller: &Teller, serial: u64, since: u64) -> String {
    if teller.spaces.get(serial).is_some_and(|space| matches!(space.key, Key::Loaded(_))) {
        return format!("{} at the latest, when the kernel's view was compared", time(since));
    }
    let contexts = teller.contexts.iter().map(|(_, context)| context);
    let mut ended =
        contexts.filter(|context| context.space == Some(serial) && context.freed_ns == Some(since));
    match ended.next_back().map(Context::name) {
        Some(name) => format!("{}, when {name} was freed", time(since)),
        None => format!("{}, when its last context was freed", time(since)),
    }
}

/// What holds an address space that nobody can use, in words.
pub(super) fn why_orphaned(teller: &Teller, space: &Space) -> String {
    let name = space.name();
    let Key::Owned(id) = space.key else {
        let told = match space.told {
            Some(_) => "the kernel has released it",
            None => "no address space of the kernel's lives there",
        };
        return format!("{told}, but its tables still map memory, or an engine has them loaded");
    };
    let mut pins = teller.holders.pins(id);
    let told: Vec<String> = pins
        .by_ref()
        .take(TOLD)
        .map(|object| {
            let alive = teller.holders.why_alive(object);
            format!("the VMA of object {object} pins {name}, and the object lives: {alive}")
        })
        .collect();
    match (told.is_empty(), pins.count()) {
        (true, _) => format!("no VMA is left in {name}: a reference to it was lost"),
        (false, 0) => told.join("; "),
        (false, more) => format!("{}; and {more} more VMAs pin it", told.join("; ")),
    }
}
