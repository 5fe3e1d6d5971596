//! A story made by hand, for tests of those who draw or read one.

use super::model::{
    ContextStory, EngineStory, GgttRange, MappingStory, Moment, PageRange, RequestStory,
    SpaceState, SpaceStory, Span, Story, TableSample,
};
use crate::finding::{Finding, Severity};
use crate::snapshot::TableTotals;

const US: u64 = 1_000;

impl Story {
    /// A buffer of one page is shared by its name; the client that imported it ends, and its address
    /// space stays. Every list has an entry, and every kind of value occurs.
    ///
    /// Made by hand: no device ran.
    pub fn sample() -> Story {
        Story {
            title: "sample: flink-and-exit without the fix".to_owned(),
            device: "Broadwell GT2 (8086:1616)".to_owned(),
            begin_ns: 0,
            end_ns: 900 * US,
            engines: engines(),
            contexts: contexts(),
            requests: requests(),
            spaces: vec![exporter(), importer()],
            ggtt: ggtt(),
            moments: moments(),
            findings: vec![leak()],
            left_out: super::model::LeftOut::default(),
        }
    }
}

fn engines() -> Vec<EngineStory> {
    let span = |begin, end, context, space, request| Span {
        begin_ns: begin * US,
        end_ns: end * US,
        context: Some(context),
        space,
        request,
    };
    let rcs = vec![
        span(120, 180, 1, Some(0), Some(0)),
        span(320, 420, 2, Some(1), Some(1)),
        span(700, 700, 0, None, Some(3)),
    ];
    let bcs = vec![span(360, 380, 2, Some(1), Some(2))];
    vec![
        EngineStory { name: "rcs0".to_owned(), spans: rcs },
        EngineStory { name: "bcs0".to_owned(), spans: bcs },
    ]
}

fn contexts() -> Vec<ContextStory> {
    let context = |id, name: &str, image, space, created: u64, freed: Option<u64>| ContextStory {
        id,
        name: name.to_owned(),
        image,
        space,
        created_ns: Some(created * US),
        freed_ns: freed.map(|freed| freed * US),
        seen_ns: None,
    };
    vec![
        context(0xf_ffff, "the driver's context", Some(0x1_0000), None, 10, None),
        context(1, "context 1 of client 1", Some(0x4_0000), Some(0), 100, None),
        context(2, "context 2 of client 2", Some(0x6_0000), Some(1), 300, Some(500)),
    ]
}

fn requests() -> Vec<RequestStory> {
    let request =
        |number, engine, context, seqno, at: u64, began: u64, ended: Option<u64>| RequestStory {
            number,
            engine,
            context: Some(context),
            seqno,
            submitted_ns: at * US,
            began_ns: Some(began * US),
            ended_ns: ended.map(|ended| ended * US),
        };
    vec![
        request(1, 0, 1, 1, 110, 120, Some(180)),
        request(2, 0, 2, 2, 310, 320, Some(420)),
        request(3, 1, 2, 1, 350, 360, Some(380)),
        request(4, 0, 0, 3, 690, 700, None),
    ]
}

fn sample(at: u64, tables: usize, scratch: usize) -> TableSample {
    let tables = TableTotals {
        pml4: 1,
        pdp: tables,
        pd: tables,
        pt: tables,
        scratch_tables: 3 * scratch,
        scratch_pages: scratch,
    };
    TableSample { at_ns: at * US, tables }
}

fn exporter() -> SpaceStory {
    SpaceStory {
        number: 1,
        name: "VM 1".to_owned(),
        levels: 4,
        root: vec![0x10_0000],
        first_ns: 100 * US,
        last_ns: Some(120 * US),
        state: SpaceState::Idle,
        why: "context 1 uses it".to_owned(),
        pages: vec![sample(100, 0, 1), sample(110, 1, 1)],
        mappings: vec![MappingStory {
            va: 0x4_0000,
            len: 0x1000,
            object: Some(1),
            reaches: vec![PageRange { page: 0x20_0000, len: 0x1000 }],
            pte_address: 0x10_5200,
            pte: 0x20_0083,
            bound_ns: 105 * US,
            bound_by: Some(0),
            written_by: Some("a CPU at 105.000 µs".to_owned()),
            unbound_ns: None,
            present: true,
            leaked: false,
        }],
        ..SpaceStory::default()
    }
}

fn importer() -> SpaceStory {
    SpaceStory {
        number: 2,
        name: "VM 2".to_owned(),
        levels: 4,
        root: vec![0x30_0000],
        first_ns: 300 * US,
        last_ns: Some(360 * US),
        released_ns: None,
        state: SpaceState::Orphaned,
        orphaned_ns: Some(500 * US),
        leaked: true,
        why: "the VMA of object 1 pins VM 2, and the object lives: client 1 holds handle 1 of it"
            .to_owned(),
        pages: vec![sample(300, 0, 1), sample(310, 1, 1)],
        mappings: vec![
            MappingStory {
                va: 0x4_0000,
                len: 0x1000,
                object: Some(1),
                reaches: vec![PageRange { page: 0x20_0000, len: 0x1000 }],
                pte_address: 0x30_5200,
                pte: 0x20_0083,
                bound_ns: 305 * US,
                bound_by: Some(1),
                written_by: Some("a CPU at 305.000 µs".to_owned()),
                unbound_ns: None,
                present: true,
                leaked: true,
            },
            MappingStory {
                va: 0x4_1000,
                len: 0x2000,
                object: Some(2),
                reaches: vec![
                    PageRange { page: 0x21_0000, len: 0x1000 },
                    PageRange { page: 0x24_0000, len: 0x1000 },
                ],
                pte_address: 0x30_5208,
                pte: 0x21_0083,
                bound_ns: 306 * US,
                bound_by: Some(1),
                written_by: None,
                unbound_ns: Some(450 * US),
                present: false,
                leaked: false,
            },
        ],
    }
}

fn ggtt() -> Vec<GgttRange> {
    let range =
        |start, len, page, what: &str| GgttRange { start, len, page, what: what.to_owned() };
    vec![
        range(0x1_0000, 0x1_4000, 0x40_0000, "context image of the driver"),
        range(0x4_0000, 0x1_4000, 0x44_0000, "context image of context 1"),
        range(0x8_0000, 0x4000, 0x48_0000, "ring of context 1"),
        range(0x10_0000, 0x40_0000, 0x80_0000, ""),
    ]
}

fn moments() -> Vec<Moment> {
    let moment = |at: u64, name: &str, what: &str| Moment {
        at_ns: at * US,
        name: name.to_owned(),
        what: what.to_owned(),
    };
    vec![
        moment(100, "client 1", "client 1 opens the device"),
        moment(300, "client 2", "client 2 opens the device"),
        moment(500, "context 2 freed", "client 2 ends: from now on nobody can free VM 2"),
        moment(800, "checkpoint", "the guest asks for a census: after"),
    ]
}

fn leak() -> Finding {
    let what = "VM 2 is orphaned: no context is left that could use it, and since 500.000 µs nobody could \
                free it";
    Finding::new(super::LEAK, Severity::Error, 800 * US, what)
        .fact("address space", "VM 2, 4 levels, root 0x300000, 8 page-table pages")
        .fact("leaked object", "object 1 (4 KiB at 0x200000), mapped at 0x40000")
        .fact("PTE", "0x200083 at 0x305200, written by a CPU at 305.000 µs")
        .fact("bound by", "request 2 (rcs0, seqno 2) of context 2 of client 2, at 305.000 µs")
        .fact("nobody could free it after", "500.000 µs, when context 2 of client 2 was freed")
        .fact(
            "why",
            "the VMA of object 1 pins VM 2, and the object lives: client 1 holds handle 1 of it",
        )
}
