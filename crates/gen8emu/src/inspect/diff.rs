//! What is different between two moments.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tables::{NONE, elements, hex, ms};
use crate::control::inspect::engines::EngineState;
use crate::control::inspect::registers::Register;
use crate::control::inspect::runs::Range;
use crate::control::inspect::snapshot::{Snapshot, Space};
use crate::table::table;

/// All differences.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    /// Device times of the moments, nanoseconds.
    before_ns: u64,
    after_ns: u64,
    changes: Vec<Change>,
}

/// One difference.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    /// A block, an engine, an address space or the GGTT.
    part: String,
    /// A register, a property, or addresses.
    what: String,
    /// `None`: it was not there.
    before: Option<String>,
    after: Option<String>,
}

/// Compares.
pub(super) fn between(before: &Snapshot, after: &Snapshot) -> Difference {
    let mut changes = Vec::new();
    registers(&before.registers, &after.registers, &mut changes);
    engines(&before.engines, &after.engines, &mut changes);
    spaces(&before.spaces, &after.spaces, &mut changes);
    mappings("GGTT", &before.ggtt.ranges, &after.ggtt.ranges, &mut changes);
    Difference { before_ns: before.now_ns, after_ns: after.now_ns, changes }
}

/// One line a difference, then the sum.
pub(super) fn text(difference: &Difference) -> String {
    let Difference { before_ns, after_ns, changes } = difference;
    let moments = format!("between {} and {}", ms(*before_ns), ms(*after_ns));
    if changes.is_empty() {
        return format!("nothing changed {moments}");
    }
    let mut shown = table(&["part", "what", "before", "after"], 2);
    let told = |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned());
    for Change { part, what, before, after } in changes {
        shown.add_row([part.clone(), what.clone(), told(before), told(after)]);
    }
    format!("{}\n{} changes {moments}", shown.trim_fmt(), changes.len())
}

/// Things of both moments by a key, each with what it was and what it is.
fn pairs<'a, T, K: Ord>(
    before: &'a [T],
    after: &'a [T],
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = (Option<&'a T>, Option<&'a T>)> {
    let mut pairs: BTreeMap<K, (Option<&T>, Option<&T>)> = BTreeMap::new();
    before.iter().for_each(|thing| pairs.entry(key(thing)).or_default().0 = Some(thing));
    after.iter().for_each(|thing| pairs.entry(key(thing)).or_default().1 = Some(thing));
    pairs.into_values()
}

/// Registers that tell the time, which is different at any two moments.
const CLOCKS: [&str; 3] = ["TIMESTAMP", "TIMESTAMP_UDW", "TIMESTAMP_CTR"];

/// A register that a snapshot does not name is 0.
fn registers(before: &[Register], after: &[Register], changes: &mut Vec<Change>) {
    for (old, new) in pairs(before, after, |register| register.offset) {
        let value = |register: Option<&Register>| register.and_then(|one| one.value).unwrap_or(0);
        let (was, is) = (value(old), value(new));
        let Some(register) = old.or(new).filter(|_| was != is) else { continue };
        if CLOCKS.contains(&register.name.as_str()) {
            continue;
        }
        changes.push(Change {
            part: register.block.clone(),
            what: register.name.clone(),
            before: Some(format!("{was:#010x}")),
            after: Some(format!("{is:#010x}")),
        });
    }
}

fn engines(before: &[EngineState], after: &[EngineState], changes: &mut Vec<Change>) {
    for (old, new) in pairs(before, after, |engine| engine.name.clone()) {
        let Some(engine) = old.or(new) else { continue };
        for (what, value) in ENGINE {
            push(&engine.name, what, old.map(value), new.map(value), changes);
        }
    }
}

/// A property, and what it is.
type Property<T> = (&'static str, fn(&T) -> String);

/// What is told of engines besides their registers.
const ENGINE: [Property<EngineState>; 6] = [
    ("state", |engine| engine.activity.clone()),
    ("by", |engine| engine.submission.clone()),
    ("context", |engine| hex(engine.context)),
    ("running", |engine| elements(&engine.running)),
    ("pending", |engine| elements(&engine.pending)),
    ("root", |engine| roots(&engine.root)),
];

/// What is told of address spaces besides their mappings.
const SPACE: [Property<Space>; 3] = [
    ("root", |space| roots(&space.root)),
    ("pages", |space| space.pages.to_string()),
    ("PTEs", |space| space.mappings.ptes.to_string()),
];

fn roots(tables: &[u64]) -> String {
    let tables: Vec<String> = tables.iter().copied().map(hex).collect();
    if tables.is_empty() { NONE.to_owned() } else { tables.join(" ") }
}

fn spaces(before: &[Space], after: &[Space], changes: &mut Vec<Change>) {
    for (old, new) in pairs(before, after, |space| space.number) {
        let Some(space) = old.or(new) else { continue };
        let part = format!("space {}", space.number);
        for (what, value) in SPACE {
            push(&part, what, old.map(value), new.map(value), changes);
        }
        let ranges = |space: Option<&Space>| {
            space.map_or_else(Vec::new, |space| space.mappings.ranges.clone())
        };
        mappings(&part, &ranges(old), &ranges(new), changes);
    }
}

fn push(
    part: &str,
    what: &str,
    before: Option<String>,
    after: Option<String>,
    changes: &mut Vec<Change>,
) {
    if before != after {
        changes.push(Change { part: part.to_owned(), what: what.to_owned(), before, after });
    }
}

/// A piece of an address space in which every page is mapped alike.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Piece {
    /// What its first page maps.
    physical: u64,
    one_page: bool,
}

/// Where the mappings differ.
fn mappings(part: &str, before: &[Range], after: &[Range], changes: &mut Vec<Change>) {
    let mut edges: Vec<u64> = before
        .iter()
        .chain(after)
        .flat_map(|range| [range.address, range.address + range.bytes])
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let [before, after] = [before, after].map(sorted);
    for edge in edges.windows(2) {
        let &[start, end] = edge else { continue };
        let [was, is] = [&before, &after].map(|ranges| piece(ranges, start));
        if was != is {
            let what = format!("{start:#x} + {:#x}", end - start);
            let told = |piece: Option<Piece>| {
                let all =
                    if piece.is_some_and(|piece| piece.one_page) { " (one page)" } else { "" };
                piece.map(|piece| format!("{:#x}{all}", piece.physical))
            };
            push(part, &what, told(was), told(is), changes);
        }
    }
}

/// By address: those of larger pages come behind those of smaller ones.
fn sorted(ranges: &[Range]) -> Vec<Range> {
    let mut ranges = ranges.to_vec();
    ranges.sort_by_key(|range| range.address);
    ranges
}

/// How `address` is mapped.
fn piece(ranges: &[Range], address: u64) -> Option<Piece> {
    let behind = ranges.partition_point(|range| range.address <= address);
    let range = ranges.get(behind.checked_sub(1)?)?;
    let offset = address - range.address;
    let Range { bytes, physical, one_page, .. } = *range;
    let here = if one_page { physical } else { physical + offset };
    (offset < bytes).then_some(Piece { physical: here, one_page })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(address: u64, bytes: u64, physical: u64, one_page: bool) -> Range {
        Range { address, bytes, physical, one_page }
    }

    fn told(before: &[Range], after: &[Range]) -> Vec<String> {
        let mut changes = Vec::new();
        mappings("", before, after, &mut changes);
        let value = |value: Option<String>| value.unwrap_or_else(|| NONE.to_owned());
        let told = changes.into_iter();
        told.map(|c| format!("{}: {} → {}", c.what, value(c.before), value(c.after))).collect()
    }

    #[test]
    fn only_what_is_mapped_otherwise_is_told() {
        let ranges = [range(0, 0x4000, 0x1_0000, false), range(0x8000, 0x2000, 0x5000, true)];
        assert!(told(&ranges, &ranges).is_empty());
        // The same mappings in other pieces.
        let cut =
            [range(0, 0x1000, 0x1_0000, false), range(0x1000, 0x3000, 0x1_1000, false), ranges[1]];
        assert!(told(&ranges, &cut).is_empty());
        let other = [range(0, 0x1000, 0x1_0000, false), range(0x2000, 0x2000, 0x1_2000, false)];
        let changes = told(&ranges, &other);
        assert_eq!(
            changes,
            ["0x1000 + 0x1000: 0x11000 → -", "0x8000 + 0x2000: 0x5000 (one page) → -"]
        );
        let moved = [range(0, 0x4000, 0x2_0000, false), range(0x8000, 0x2000, 0x5000, false)];
        let changes = told(&ranges, &moved);
        let linear = "0x8000 + 0x2000: 0x5000 (one page) → 0x5000";
        assert_eq!(changes, ["0x0 + 0x4000: 0x10000 → 0x20000", linear]);
    }
}
