//! Events of the Trace Event Format ("Trace Event Format", Google, the document that catapult and Perfetto
//! name): one JSON object each, its kind in `ph`, times in microseconds.

use serde::Serialize;
use serde_json::{Value, json};

/// Where an event is drawn.
#[derive(Clone, Copy)]
pub(super) struct Lane {
    pub(super) process: usize,
    pub(super) thread: usize,
}

/// How far an instant reaches over the lanes.
#[derive(Clone, Copy)]
pub(super) enum Scope {
    Thread,
    Global,
}

/// One event.
#[derive(Serialize)]
pub(super) struct Event {
    ph: &'static str,
    name: String,
    pid: usize,
    tid: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    /// Ties the ends of an arrow.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Of an instant: its scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    /// Of an arrow's end: that it leads to the slice around it, not to the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Value>,
}

impl Event {
    fn new(ph: &'static str, lane: Lane, name: &str) -> Event {
        let Lane { process: pid, thread: tid } = lane;
        let name = name.to_owned();
        let (cat, ts, dur, id, s, bp, args) = (None, None, None, None, None, None, None);
        Event { ph, name, pid, tid, cat, ts, dur, id, s, bp, args }
    }

    fn at(mut self, ns: u64) -> Event {
        self.cat = Some("gen8emu");
        self.ts = Some(microseconds(ns));
        self
    }

    /// The same with arguments, which a viewer shows when it is chosen.
    pub(super) fn with(mut self, args: Value) -> Event {
        self.args = Some(args);
        self
    }

    /// The name and the place of a process.
    pub(super) fn process(lane: Lane, name: &str) -> [Event; 2] {
        [
            Event::new("M", lane, "process_name").with(json!({ "name": name })),
            Event::new("M", lane, "process_sort_index").with(json!({ "sort_index": lane.process })),
        ]
    }

    /// The name and the place of a thread.
    pub(super) fn thread(lane: Lane, name: &str) -> [Event; 2] {
        [
            Event::new("M", lane, "thread_name").with(json!({ "name": name })),
            Event::new("M", lane, "thread_sort_index").with(json!({ "sort_index": lane.thread })),
        ]
    }

    /// Something that lasts.
    pub(super) fn slice(lane: Lane, name: &str, begin_ns: u64, end_ns: u64) -> Event {
        let mut event = Event::new("X", lane, name).at(begin_ns);
        event.dur = Some(microseconds(end_ns.saturating_sub(begin_ns)));
        event
    }

    /// A number that stays until the next event of the same name.
    pub(super) fn counter(lane: Lane, name: &str, at_ns: u64, value: u64) -> Event {
        Event::new("C", lane, name).at(at_ns).with(json!({ "pages": value }))
    }

    /// Something that happened.
    pub(super) fn instant(lane: Lane, name: &str, at_ns: u64, scope: Scope) -> Event {
        let mut event = Event::new("i", lane, name).at(at_ns);
        event.s = Some(match scope {
            Scope::Thread => "t",
            Scope::Global => "g",
        });
        event
    }

    /// An arrow from a slice to another.
    pub(super) fn arrow(id: &str, from: (Lane, u64), to: (Lane, u64)) -> [Event; 2] {
        let mut ends = [("s", from), ("f", to)]
            .map(|(kind, (lane, ns))| Event::new(kind, lane, "runs").at(ns));
        for end in &mut ends {
            end.id = Some(id.to_owned());
        }
        ends[1].bp = Some("e");
        ends
    }
}

/// The format's unit; fractions are nanoseconds.
fn microseconds(ns: u64) -> f64 {
    ns as f64 / 1000.0
}
