//! What a story is made of: plain values. Times are device time in nanoseconds; what refers to an
//! engine, a context, a request or an address space is its index in the story's lists.

use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::snapshot::TableTotals;

/// What happened on a device between two moments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// What it is about, such as `flink-and-exit, policy none, 4 levels, execlists`.
    pub title: String,
    /// The part, such as `Broadwell GT2 (8086:1616)`.
    pub device: String,
    /// Where it begins.
    pub begin_ns: u64,
    /// Where it ends: the moment of which the states below tell.
    pub end_ns: u64,
    /// The engines that did something, in index order.
    pub engines: Vec<EngineStory>,
    /// Contexts, in order of creation (or of the first load, for guests that tell nothing).
    pub contexts: Vec<ContextStory>,
    /// Requests, in order of submission.
    pub requests: Vec<RequestStory>,
    /// Address spaces, in order of creation (or of the first load).
    pub spaces: Vec<SpaceStory>,
    /// What the GGTT maps at the end, by address.
    pub ggtt: Vec<GgttRange>,
    /// What is worth a mark on the time line, in order.
    pub moments: Vec<Moment>,
    /// What is wrong, leaks first.
    pub findings: Vec<Finding>,
    /// What had no room.
    pub left_out: LeftOut,
}

impl Story {
    /// Items of its lists: what its memory goes by.
    pub(super) fn items(&self) -> usize {
        let spans = self.engines.iter().map(|engine| engine.spans.len());
        let spaces = self.spaces.iter().map(|space| space.mappings.len() + space.pages.len());
        let lists = [
            self.contexts.len(),
            self.requests.len(),
            self.spaces.len(),
            self.ggtt.len(),
            self.moments.len(),
        ];
        spans.chain(spaces).chain(lists).sum()
    }
}

/// What a story would also tell, were its lists not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Spans of engines, the oldest ones.
    pub spans: u64,
    /// Requests, the oldest ones.
    pub requests: u64,
    /// Contexts, those freed first.
    pub contexts: u64,
    /// Address spaces, those released first.
    pub spaces: u64,
    /// Mappings, those unbound first.
    pub mappings: u64,
    /// Counts of table pages over time: every second one, again and again.
    pub samples: u64,
    /// Moments, the newest ones.
    pub moments: u64,
}

/// One engine over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineStory {
    /// Its name, such as `rcs0`.
    pub name: String,
    /// When it had which context, in order, none overlapping.
    pub spans: Vec<Span>,
}

/// A time for which an engine ran a context. The end may be the beginning: a machine whose time is
/// a number runs a whole batch at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// When the engine began to run it.
    pub begin_ns: u64,
    /// When it left, or the story ended.
    pub end_ns: u64,
    /// The context, if it is known.
    pub context: Option<usize>,
    /// The address space, if it is known.
    pub space: Option<usize>,
    /// The request, if the span is known to be one's.
    pub request: Option<usize>,
}

/// A context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextStory {
    /// The number by which hardware knows it: of the context descriptor, or CCID.
    pub id: u32,
    /// Its name for people, such as `context 3 of client 2`.
    pub name: String,
    /// GGTT address of its image (LRCA), once an engine loaded it.
    pub image: Option<u64>,
    /// Its address space; `None` for the driver's own, or an unknown one.
    pub space: Option<usize>,
    /// When the driver created it, if that is known.
    pub created_ns: Option<u64>,
    /// When the driver freed it.
    pub freed_ns: Option<u64>,
    /// When an engine loaded it first, and when one loaded or saved it last: all that is known of the life of one
    /// whose driver tells nothing.
    #[serde(default)]
    pub seen_ns: Option<(u64, u64)>,
}

/// A request: one piece of work that was submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestStory {
    /// Counts from 1 in order of submission.
    pub number: u64,
    /// The engine.
    pub engine: usize,
    /// The context.
    pub context: Option<usize>,
    /// What the engine writes when it is done.
    pub seqno: u32,
    /// When it was submitted.
    pub submitted_ns: u64,
    /// When an engine began with it.
    pub began_ns: Option<u64>,
    /// When its seqno was written.
    pub ended_ns: Option<u64>,
}

/// Where in its life an address space is when the story ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpaceState {
    /// An engine has it loaded and works.
    Live,
    /// It is there for the next batch.
    #[default]
    Idle,
    /// It is there, and nothing that the driver has can use it again: a leak.
    Orphaned,
    /// The driver gave it back, or its root became another one's.
    Released,
}

impl SpaceState {
    /// As written in reports.
    pub const fn name(self) -> &'static str {
        match self {
            SpaceState::Live => "live",
            SpaceState::Idle => "idle",
            SpaceState::Orphaned => "orphaned",
            SpaceState::Released => "released",
        }
    }
}

/// An address space (a PPGTT).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceStory {
    /// The owner's number where an owner tells one (VM id), else a count of roots that were loaded.
    pub number: u64,
    /// Its name for people, such as `VM 3`.
    pub name: String,
    /// 3 or 4; 0 if nobody told yet.
    pub levels: u32,
    /// PML4, or the page directories as far as they are known (0 = unused).
    pub root: Vec<u64>,
    /// When it was created, or loaded first.
    pub first_ns: u64,
    /// When an engine loaded it last.
    pub last_ns: Option<u64>,
    /// When it was released, or its root was loaded as another one's.
    pub released_ns: Option<u64>,
    /// Its state at the end.
    pub state: SpaceState,
    /// The moment after which nobody could free it: when the last context that could reach it ended
    /// although something held it. Of one released, only if it was leaked until then.
    pub orphaned_ns: Option<u64>,
    /// Whether it is orphaned although everything had settled, or for a second of device time.
    pub leaked: bool,
    /// Why it is in this state, in words.
    pub why: String,
    /// Its page-table pages over time.
    pub pages: Vec<TableSample>,
    /// What it maps and mapped, by time of binding.
    pub mappings: Vec<MappingStory>,
}

/// Page-table pages at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSample {
    /// When they were counted. They stay as they are until the next sample.
    pub at_ns: u64,
    /// Pages by level.
    pub tables: TableTotals,
}

/// A range of an address space that leads to memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingStory {
    /// First address.
    pub va: u64,
    /// Bytes.
    pub len: u64,
    /// The object that it maps, if an owner tells.
    pub object: Option<u64>,
    /// The object pages that it reaches, joined where they are neighbours; at most 16 pieces.
    pub reaches: Vec<PageRange>,
    /// Physical address of its first PTE; 0 if no walk ever met it.
    pub pte_address: u64,
    /// That PTE, as it was when it was last present.
    pub pte: u64,
    /// When it was bound; without an owner, when a walk met it first.
    pub bound_ns: u64,
    /// The request for which it was bound: the first one submitted with it.
    pub bound_by: Option<usize>,
    /// By whom and when the PTE was written, in words.
    pub written_by: Option<String>,
    /// When it was unbound; without an owner, when a walk did not meet it any more.
    pub unbound_ns: Option<u64>,
    /// Whether the last look met it in the tables.
    pub present: bool,
    /// Still there in an address space that nobody can free.
    pub leaked: bool,
}

/// Neighbouring pages of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRange {
    /// Physical address of the first.
    pub page: u64,
    /// Bytes.
    pub len: u64,
}

/// A range of the GGTT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GgttRange {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// Physical address of the first page. The pages need not be neighbours.
    pub page: u64,
    /// What lies there, such as `ring` or `context image 3`; empty if nobody tells.
    pub what: String,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at_ns: u64,
    /// In a word or two, for a label.
    pub name: String,
    /// In a sentence.
    pub what: String,
}
