//! The answers as tables.

use crate::serve::control::inspect::engines::{Element, EngineState, Engines};
use crate::serve::control::inspect::ggtt::{Ggtt, Range};
use crate::serve::control::inspect::registers::{Register, Registers};
use crate::serve::control::inspect::tlbs::Tlbs;
use crate::serve::control::inspect::walk::{Page, Walk};
use crate::table::table;

/// What is not there.
const NONE: &str = "-";

/// One line a register.
pub(super) fn registers(answer: &Registers) -> String {
    let mut shown = table(&["block", "register", "offset", "value"], 2);
    for Register { block, name, offset, value } in &answer.registers {
        let value = value.map_or_else(|| NONE.to_owned(), |value| format!("{value:#010x}"));
        shown.add_row([block.clone(), name.clone(), hex(*offset), value]);
    }
    shown.trim_fmt()
}

/// One line an engine.
pub(super) fn engines(answer: &Engines) -> String {
    let head = [
        "engine", "state", "by", "context", "HEAD", "TAIL", "START", "ACTHD", "running", "pending",
        "CSB w/r", "root",
    ];
    let mut shown = table(&head, head.len());
    answer.engines.iter().for_each(|engine| {
        shown.add_row(engine_row(engine));
    });
    shown.trim_fmt()
}

fn engine_row(engine: &EngineState) -> [String; 12] {
    let root: Vec<String> = engine.root.iter().copied().map(hex).collect();
    [
        engine.name.clone(),
        engine.activity.clone(),
        engine.submission.clone(),
        hex(engine.context),
        hex(engine.head),
        hex(engine.tail),
        hex(engine.start),
        hex(engine.acthd),
        elements(&engine.running),
        elements(&engine.pending),
        format!("{}/{}", engine.csb_write, engine.csb_read),
        engine
            .levels
            .map_or_else(|| NONE.to_owned(), |levels| format!("{levels}: {}", root.join(" "))),
    ]
}

/// The contexts of a list; a star behind the one that runs.
fn elements(list: &[Element]) -> String {
    let shown: Vec<String> = list
        .iter()
        .map(|element| format!("{:#x}{}", element.context, if element.current { "*" } else { "" }))
        .collect();
    if shown.is_empty() { NONE.to_owned() } else { shown.join(" ") }
}

/// One line an entry, then the end.
pub(super) fn walk(answer: &Walk) -> String {
    let mut shown = table(&["table", "index", "entry at", "entry"], 1);
    for step in &answer.steps {
        let entry = step.entry.map_or_else(|| "outside RAM".to_owned(), hex);
        let index = step.index.to_string();
        shown.add_row([step.table.clone(), index, hex(step.entry_address), entry]);
    }
    let end = match (&answer.page, &answer.fault) {
        (Some(page), _) => end(page),
        (None, fault) => format!("fault: {}", fault.as_deref().unwrap_or_default()),
    };
    let end = format!("{:#x}: {end}", answer.address);
    if answer.steps.is_empty() { end } else { format!("{}\n{end}", shown.trim_fmt()) }
}

fn end(page: &Page) -> String {
    let size = match page.bytes >> 10 {
        kib @ 0..1024 => format!("{kib} KiB"),
        kib @ 1024..0x10_0000 => format!("{} MiB", kib >> 10),
        kib => format!("{} GiB", kib >> 20),
    };
    let rights = if page.writable { "writable" } else { "read-only" };
    let pat = page.pat_index.map_or_else(String::new, |index| format!(", PAT {index}"));
    let ram = if page.in_ram { "" } else { ", outside RAM" };
    format!("physical {:#x}, page of {size}, {rights}{pat}{ram}", page.physical)
}

/// One line a range, then the sum.
pub(super) fn ggtt(answer: &Ggtt) -> String {
    let mut shown = table(&["maps", "address", "bytes", "physical"], 1);
    for Range { address, bytes, physical, one_page } in &answer.ranges {
        let maps = if *one_page { "one page" } else { "page after page" };
        shown.add_row([maps.to_owned(), hex(*address), hex(*bytes), hex(*physical)]);
    }
    let more = match answer.left_out {
        0 => String::new(),
        ranges => format!("; {ranges} more ranges are left out"),
    };
    format!(
        "{}\n{} PTEs are present, the GGTT has {:#x} bytes{more}",
        shown.trim_fmt(),
        answer.ptes,
        answer.size
    )
}

/// One line a cached translation.
pub(super) fn tlbs(answer: &Tlbs) -> String {
    let mut shown = table(&["engine", "rights", "address", "physical"], 2);
    for tlb in &answer.tlbs {
        for entry in &tlb.entries {
            let rights = if entry.writable { "writable" } else { "read-only" };
            let row = [tlb.engine.clone(), rights.to_owned(), hex(entry.address), hex(entry.page)];
            shown.add_row(row);
        }
    }
    let count: usize = answer.tlbs.iter().map(|tlb| tlb.entries.len()).sum();
    format!("{}\n{count} translations are cached", shown.trim_fmt())
}

fn hex(value: impl Into<u64>) -> String {
    format!("{:#x}", value.into())
}
