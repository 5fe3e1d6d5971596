//! The answers as tables.

use crate::control::inspect::contexts::{Contexts, Ring};
use crate::control::inspect::engines::{Element, EngineState, Engines};
use crate::control::inspect::ggtt::Ggtt;
use crate::control::inspect::ranges::Ranges;
use crate::control::inspect::registers::{Register, Registers};
use crate::control::inspect::runs::Range;
use crate::control::inspect::tables::Tables;
use crate::control::inspect::tlbs::Tlbs;
use crate::control::inspect::walk::{Page, Walk};
use crate::table::table;

/// What is not there.
pub(super) const NONE: &str = "-";
/// What is said of a walk that ended early.
const TRUNCATED: &str = "; there is more than is looked at";
/// The levels of page tables, from the root on.
const LEVELS: [&str; 4] = ["PML4", "PDP", "PD", "PT"];

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

/// One line a context of an engine.
pub(super) fn contexts(answer: &Contexts) -> String {
    let head =
        ["engine", "image", "id", "state", "loads", "last load", "space", "HEAD", "TAIL", "START"];
    let mut shown = table(&head, 1);
    for context in &answer.contexts {
        let ring = |value: fn(&Ring) -> u32| {
            context.ring.as_ref().map_or_else(|| NONE.to_owned(), |ring| hex(value(ring)))
        };
        shown.add_row([
            context.engine.clone(),
            hex(context.image),
            hex(context.context),
            context.state.clone().unwrap_or_else(|| NONE.to_owned()),
            context.loads.to_string(),
            ms(context.last_ns),
            context.space.map_or_else(|| NONE.to_owned(), |number| number.to_string()),
            ring(|ring| ring.head),
            ring(|ring| ring.tail),
            ring(|ring| ring.start),
        ]);
    }
    let forgotten = match answer.forgotten {
        0 => String::new(),
        contexts => format!("; {contexts} older ones are forgotten"),
    };
    let sum = format!("{} images of contexts were loaded{forgotten}", answer.contexts.len());
    if answer.contexts.is_empty() { sum } else { format!("{}\n{sum}", shown.trim_fmt()) }
}

/// The contexts of a list; a star behind the one that runs.
pub(super) fn elements(list: &[Element]) -> String {
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
    let more = left_out(answer.left_out);
    let size = answer.size;
    let sum = format!("{} PTEs are present, the GGTT has {size:#x} bytes{more}", answer.ptes);
    format!("{}\n{sum}", mappings(&answer.ranges))
}

/// One line a range, then the sum.
pub(super) fn ranges(answer: &Ranges) -> String {
    let more = left_out(answer.left_out);
    let cut = if answer.truncated { TRUNCATED } else { "" };
    let sum = format!("{} PTEs map {:#x} bytes{more}{cut}", answer.ptes, answer.bytes);
    if answer.ranges.is_empty() { sum } else { format!("{}\n{sum}", mappings(&answer.ranges)) }
}

fn mappings(ranges: &[Range]) -> String {
    let mut shown = table(&["maps", "address", "bytes", "physical"], 1);
    for Range { address, bytes, physical, one_page } in ranges {
        let maps = if *one_page { "one page" } else { "page after page" };
        shown.add_row([maps.to_owned(), hex(*address), hex(*bytes), hex(*physical)]);
    }
    shown.trim_fmt()
}

fn left_out(ranges: u64) -> String {
    match ranges {
        0 => String::new(),
        ranges => format!("; {ranges} more ranges are left out"),
    }
}

/// One line a table, farther in the farther it is from the root; then the sum.
pub(super) fn tables(answer: &Tables) -> String {
    let mut shown = table(&["table", "address", "page", "present"], 1);
    let depth = |level: &str| LEVELS.iter().position(|&name| name == level).unwrap_or(0);
    let first = depth(if answer.levels == 4 { "PML4" } else { "PD" });
    for table in &answer.tables {
        let depth = depth(&table.level).saturating_sub(first);
        let level = match table.scratch {
            true => format!("{} (scratch)", table.level),
            false => format!("{}{}", "· ".repeat(depth), table.level),
        };
        shown.add_row([level, hex(table.address), hex(table.page), table.present.to_string()]);
    }
    let problems = answer.problems.iter().map(|problem| format!("problem: {problem}"));
    let sum = std::iter::once(sum(answer)).chain(problems).collect::<Vec<_>>().join("\n");
    if answer.tables.is_empty() { sum } else { format!("{}\n{sum}", shown.trim_fmt()) }
}

fn sum(answer: &Tables) -> String {
    let totals = &answer.totals;
    let kinds = [
        (totals.pml4, "PML4"),
        (totals.pdp, "PDP"),
        (totals.pd, "PD"),
        (totals.pt, "PT"),
        (totals.scratch_tables, "scratch tables"),
        (totals.scratch_pages, "scratch pages"),
    ];
    let kinds = kinds.iter().filter(|(count, _)| *count > 0);
    let kinds: Vec<String> = kinds.map(|(count, kind)| format!("{count} {kind}")).collect();
    let more = match answer.left_out {
        0 => String::new(),
        tables => format!("; {tables} more tables are left out"),
    };
    let cut = if answer.truncated { TRUNCATED } else { "" };
    let pages = totals.pages();
    format!("{pages} pages ({}), {} PTEs{more}{cut}", kinds.join(", "), answer.ptes)
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

/// A device time.
pub(super) fn ms(ns: u64) -> String {
    format!("{}.{:03} ms", ns / 1_000_000, ns / 1000 % 1000)
}

pub(super) fn hex(value: impl Into<u64>) -> String {
    format!("{:#x}", value.into())
}
