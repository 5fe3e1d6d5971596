//! The command `bench`: runs, table, JSON.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::{ALL, Measured, guest, off};
use crate::cli::BenchArgs;
use crate::table;

/// What `bench --json` prints.
#[derive(Serialize)]
struct Report<'a> {
    benches: &'a [Measured],
    ok: bool,
}

/// Runs the benches; says whether every target is met.
pub(crate) fn command(arguments: &BenchArgs) -> Result<bool> {
    if cfg!(debug_assertions) {
        eprintln!("note: this is a debug build; the targets are for `cargo xtask bench`");
    }
    let asked = |name: &str| arguments.names.iter().any(|wanted| wanted == name);
    let wanted = |name: &str| arguments.names.is_empty() || asked(name);
    if arguments.guest_figures.is_none()
        && let Some(name) = guest::names().find(|name| asked(name))
    {
        bail!("{name} is measured in a guest: use `cargo xtask bench {name}`");
    }
    if arguments.rigs.is_none()
        && let Some(name) = off::names().find(|name| asked(name))
    {
        bail!("{name} compares two builds: use `cargo xtask bench {name}`");
    }
    let mut results = Vec::new();
    for bench in ALL.iter().filter(|bench| wanted(bench.name)) {
        eprintln!("{}: {} against {}", bench.name, bench.about, bench.limit);
        results.push(bench.measure().with_context(|| format!("bench {}", bench.name))?);
    }
    results.extend(off::judge(arguments.rigs.as_deref(), wanted)?);
    results.extend(guest::judge(arguments.guest_figures.as_deref(), wanted)?);
    let ok = results.iter().all(|result| result.ok);
    let text = match arguments.json {
        true => serde_json::to_string(&Report { benches: &results, ok })?,
        false => show(&results),
    };
    writeln!(io::stdout(), "{text}").context("writing the result")?;
    Ok(ok)
}

fn show(results: &[Measured]) -> String {
    let head = ["bench", "unit", "value", "limit", "× limit", "target", "verdict"];
    let mut table = table::table(&head, 2);
    for result in results {
        let target = match result.target_of {
            "ratio" => format!("≤ {} × limit", result.target),
            _ => format!("≤ {} {}", result.target, result.unit),
        };
        table.add_row([
            result.name.to_owned(),
            result.unit.to_owned(),
            number(result.value),
            result.limit.map_or_else(none, number),
            result.ratio.map_or_else(none, |ratio| show_ratio(ratio, result.between)),
            target,
            if result.ok { "met" } else { "MISSED" }.to_owned(),
        ]);
    }
    table.to_string()
}

/// A ratio; with what is known of its spread, if there is something to know it by.
fn show_ratio(ratio: f64, between: Option<[f64; 2]>) -> String {
    match between {
        None => format!("{ratio:.2}"),
        Some([low, high]) => format!("{ratio:.3} ({low:.3}–{high:.3})"),
    }
}

/// Where there is no figure.
fn none() -> String {
    "–".into()
}

/// Three significant digits or so, without an exponent.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}
