//! A story as a trace that Perfetto and Chrome's own viewer open: the Trace Event Format, JSON.
//!
//! Engines, requests, contexts and address spaces are processes, each of their lanes a thread; page-table
//! pages are counters; moments and findings are instants. An arrow leads from where a request was submitted
//! to where it ran.

mod event;
mod rows;

use observe::Severity;
use observe::story::{RequestStory, SpaceStory, Story};
use serde::Serialize;
use serde_json::json;

use self::event::{Event, Lane, Scope};
use crate::pages;

/// Processes of a story in the trace, in the order in which they are shown.
#[derive(Clone, Copy)]
enum Group {
    Engines,
    Requests,
    Contexts,
    Spaces,
    Moments,
}

const GROUPS: [(Group, &str); 5] = [
    (Group::Engines, "engines"),
    (Group::Requests, "requests"),
    (Group::Contexts, "contexts"),
    (Group::Spaces, "address spaces"),
    (Group::Moments, "moments and findings"),
];

/// The trace, as a file holds it.
#[derive(Serialize)]
struct Trace {
    #[serde(rename = "traceEvents")]
    events: Vec<Event>,
    #[serde(rename = "displayTimeUnit")]
    unit: &'static str,
}

/// The stories as one trace, each with processes of its own.
pub fn perfetto(stories: &[Story]) -> String {
    let mut events = Vec::new();
    for (index, story) in stories.iter().enumerate() {
        let title = if stories.len() > 1 { Some(story.title.as_str()) } else { None };
        let mut told = Told { story, first: index * GROUPS.len(), events: &mut events };
        told.all(title);
    }
    // Plain values with names as keys: nothing that JSON could not say.
    serde_json::to_string(&Trace { events, unit: "ns" })
        .unwrap_or_else(|error| unreachable!("{error}"))
}

/// A story on its way into a trace.
struct Told<'a> {
    story: &'a Story,
    /// Processes of the stories before it.
    first: usize,
    events: &'a mut Vec<Event>,
}

impl Told<'_> {
    fn all(&mut self, title: Option<&str>) {
        for (group, name) in GROUPS {
            let name = title.map_or(name.to_owned(), |title| format!("{title}: {name}"));
            let lane = self.lane(group, 0);
            self.events.extend(Event::process(lane, &name));
        }
        self.engines();
        self.requests();
        self.contexts();
        for (index, space) in self.story.spaces.iter().enumerate() {
            self.space(index, space);
        }
        self.moments();
    }

    /// Process ids count from 1: viewers take 0 for none.
    fn lane(&self, group: Group, thread: usize) -> Lane {
        Lane { process: self.first + group as usize + 1, thread }
    }

    fn name(&mut self, lane: Lane, name: &str) {
        self.events.extend(Event::thread(lane, name));
    }

    fn engines(&mut self) {
        let story = self.story;
        for (index, engine) in story.engines.iter().enumerate() {
            let lane = self.lane(Group::Engines, index);
            self.name(lane, &engine.name);
            for span in &engine.spans {
                let context = name_of(&story.contexts, span.context, |context| &context.name);
                let space = name_of(&story.spaces, span.space, |space| &space.name);
                let request = span.request.and_then(|request| story.requests.get(request));
                let told = json!({
                    "address space": space,
                    "request": request.map(|request| request.number),
                });
                let name = context.unwrap_or("unknown context");
                self.events.push(Event::slice(lane, name, span.begin_ns, span.end_ns).with(told));
            }
        }
    }

    /// Requests of an engine overlap while they wait; slices of a thread must not.
    fn requests(&mut self) {
        let story = self.story;
        let mut first = 0;
        for (index, engine) in story.engines.iter().enumerate() {
            let of_engine = story.requests.iter().filter(|request| request.engine == index);
            let requests: Vec<&RequestStory> = of_engine.collect();
            let ends = |request: &RequestStory| request.ended_ns.unwrap_or(story.end_ns);
            let rows = rows::pack(requests.iter().map(|r| (r.submitted_ns, ends(r))));
            let used = rows.iter().max().map_or(0, |row| row + 1);
            for row in 0..used {
                let lane = self.lane(Group::Requests, first + row);
                self.name(lane, &format!("{}, {}", engine.name, row + 1));
            }
            for (request, row) in requests.into_iter().zip(rows) {
                let lane = self.lane(Group::Requests, first + row);
                self.request(lane, index, request, ends(request));
            }
            first += used;
        }
    }

    fn request(&mut self, lane: Lane, engine: usize, request: &RequestStory, end_ns: u64) {
        let context = name_of(&self.story.contexts, request.context, |context| &context.name);
        let told = json!({
            "context": context,
            "seqno": request.seqno,
            "ended": request.ended_ns.is_some(),
        });
        let name = format!("request {}", request.number);
        self.events.push(Event::slice(lane, &name, request.submitted_ns, end_ns).with(told));
        if let Some(began_ns) = request.began_ns {
            let ran = self.lane(Group::Engines, engine);
            let id = format!("{}-{}", self.first, request.number);
            self.events.extend(Event::arrow(&id, (lane, request.submitted_ns), (ran, began_ns)));
        }
    }

    fn contexts(&mut self) {
        let story = self.story;
        for (index, context) in story.contexts.iter().enumerate() {
            let lane = self.lane(Group::Contexts, index);
            self.name(lane, &context.name);
            let begin = context.created_ns.unwrap_or(story.begin_ns);
            let end = context.freed_ns.unwrap_or(story.end_ns);
            let told = json!({
                "hardware id": context.id,
                "image": context.image.map(|image| format!("{image:#x}")),
                "freed": context.freed_ns.is_some(),
            });
            self.events.push(Event::slice(lane, &context.name, begin, end).with(told));
        }
    }

    /// Its life, with the time since it is leaked as a slice of its own, and its pages.
    fn space(&mut self, index: usize, space: &SpaceStory) {
        let lane = self.lane(Group::Spaces, index);
        self.name(lane, &space.name);
        let end = space.released_ns.unwrap_or(self.story.end_ns);
        let told = json!({ "state": space.state, "levels": space.levels, "why": space.why });
        self.events.push(Event::slice(lane, &space.name, space.first_ns, end).with(told));
        if space.leaked {
            let since = space.orphaned_ns.unwrap_or(self.story.end_ns);
            let mapping = space.mappings.iter().find(|mapping| mapping.leaked);
            let told = json!({
                "why": space.why,
                "object": mapping.and_then(|mapping| mapping.object),
                "address": mapping.map(|mapping| format!("{:#x}", mapping.va)),
                "PTE": mapping.map(|mapping| format!("{:#x}", mapping.pte)),
                "PTE address": mapping.map(|mapping| format!("{:#x}", mapping.pte_address)),
            });
            self.events.push(Event::slice(lane, "LEAKED", since, end).with(told));
        }
        let counter = format!("pages of {}", space.name);
        for sample in &space.pages {
            let count = pages(&sample.tables);
            self.events.push(Event::counter(lane, &counter, sample.at_ns, count));
        }
        if let Some(released_ns) = space.released_ns {
            self.events.push(Event::counter(lane, &counter, released_ns, 0));
        }
    }

    fn moments(&mut self) {
        let story = self.story;
        let (moments, findings) = (self.lane(Group::Moments, 0), self.lane(Group::Moments, 1));
        self.name(moments, "moments");
        self.name(findings, "findings");
        for moment in &story.moments {
            let told = json!({ "what": moment.what });
            let instant = Event::instant(moments, &moment.name, moment.at_ns, Scope::Thread);
            self.events.push(instant.with(told));
        }
        for finding in &story.findings {
            let facts = finding.facts.iter().map(|fact| (fact.label.clone(), fact.text.as_str()));
            let mut told: serde_json::Map<String, serde_json::Value> =
                facts.map(|(label, text)| (label, text.into())).collect();
            told.insert("what".to_owned(), finding.what.as_str().into());
            // An error is a line over all lanes.
            let scope = match finding.severity {
                Severity::Error => Scope::Global,
                Severity::Warning | Severity::Note => Scope::Thread,
            };
            let instant = Event::instant(findings, &finding.name, finding.at_ns, scope);
            self.events.push(instant.with(told.into()));
        }
    }
}

/// The name of what `index` says, which may say anything in a story from a file.
fn name_of<T>(list: &[T], index: Option<usize>, name: impl Fn(&T) -> &String) -> Option<&str> {
    list.get(index?).map(|item| name(item).as_str())
}
