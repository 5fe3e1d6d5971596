//! The table of kernels and checks, for docs/kernels.md.

use std::collections::BTreeSet;

use super::super::verdict::{self, Verdict, outcome};
use super::{Outcome, Report};

/// The whole page.
pub(super) fn page(report: &Report, date: &str) -> String {
    let checks = checks(report);
    let mut page = format!(
        "# Stock kernels on the GPU\n\n\
         Made by `cargo xtask linux --all` on {date}: {}, {}, {:.0} s in all. Each row is a boot of \
         Debian's\nunmodified kernel with its own i915; see [linux.md](linux.md).\n\n\
         Probe: from i915's first line to its last, in milliseconds of guest time. Warnings: lines \
         of warning\nlevel and above from i915 and DRM, without those about hangs that the check \
         `hang` causes.\nErrors: warnings, oopses and stalls of the kernel. \"–\": not asked for.\n\n",
        report.qemu,
        accelerator(report.accel),
        report.seconds
    );
    let facts = [
        "kernel",
        "GPU and machine",
        "verdict",
        "probe",
        "warnings",
        "errors",
        "taint",
        "engines passed",
    ];
    let head: Vec<String> = facts
        .iter()
        .map(ToString::to_string)
        .chain(checks.iter().cloned())
        .chain(["seconds".into()])
        .collect();
    line(&mut page, &head);
    line(&mut page, &vec!["---".to_owned(); head.len()]);
    for guest in &report.guests {
        line(&mut page, &row(guest, &checks));
    }
    page.push_str(&remarks(report));
    page
}

/// Every check that some guest answered, in the order of the first answers.
fn checks(report: &Report) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let results = report.guests.iter().filter_map(|guest| guest.verdict.as_ref());
    for result in results.flat_map(|verdict| &verdict.checks) {
        if !names.contains(&result.check) {
            names.push(result.check.clone());
        }
    }
    names
}

fn row(guest: &Outcome, checks: &[String]) -> Vec<String> {
    let word = if guest.ok() { "ok" } else { "**NOT OK**" };
    let Some(verdict) = &guest.verdict else {
        let mut cells = vec![guest.kernel.to_owned(), guest.variant.to_owned(), word.to_owned()];
        cells.resize(checks.len() + 8, "?".into());
        cells.push(format!("{:.0}", guest.seconds));
        return cells;
    };
    let unknown = || "?".to_owned();
    let mut cells = vec![
        verdict.kernel.clone().unwrap_or_else(|| guest.kernel.to_owned()),
        guest.variant.to_owned(),
        word.to_owned(),
        verdict.probe_ms.map_or_else(unknown, |probe| format!("{probe:.0}")),
        verdict.i915_warnings.len().to_string(),
        errors(verdict),
        verdict.tainted.map_or_else(unknown, |tainted| tainted.to_string()),
        verdict.engines.join(" "),
    ];
    cells.extend(checks.iter().map(|check| mark(verdict, check).to_owned()));
    cells.push(format!("{:.0}", guest.seconds));
    cells
}

fn errors(verdict: &Verdict) -> String {
    if verdict.oopses.is_empty() {
        verdict.kernel_errors.len().to_string()
    } else {
        let functions: BTreeSet<&String> = verdict.oopses.iter().collect();
        let functions: Vec<String> = functions.iter().map(|name| format!("`{name}`")).collect();
        format!("oops in {}", functions.join(", "))
    }
}

fn mark(verdict: &Verdict, check: &str) -> &'static str {
    match outcome(&verdict.checks, check) {
        verdict::Outcome::Passed => "ok",
        verdict::Outcome::Failed => "**FAILED**",
        verdict::Outcome::Skipped => "skipped",
        verdict::Outcome::Missing => "–",
    }
}

/// What is not as it should be, in words.
fn remarks(report: &Report) -> String {
    let bad = report.guests.iter().filter(|guest| !guest.ok());
    let lines =
        bad.map(|guest| format!("* {}, {}: {}\n", guest.kernel, guest.variant, guest.word()));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

fn accelerator(accel: &str) -> &str {
    match accel {
        "tcg" => "TCG (no KVM)",
        "kvm" => "KVM",
        other => other,
    }
}

fn line(page: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    page.push_str(&format!("| {} |\n", cells.join(" | ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(variant: &'static str, check: &str) -> Outcome {
        let mut verdict = Verdict::default();
        verdict.ok = true;
        verdict.line(&format!(r#"[ 1.0] gen8emu: check {{"check":"{check}","ok":true}}"#));
        Outcome { kernel: "6.1", variant, seconds: 20.0, verdict: Some(verdict), error: None }
    }

    #[test]
    fn all_rows_have_the_columns_of_the_head() {
        let error = Some("no network".to_owned());
        let unbooted = Outcome { verdict: None, error, ..guest("GT3", "x") };
        let report = Report {
            qemu: "QEMU 11.1".into(),
            accel: "tcg",
            seconds: 60.0,
            guests: vec![guest("GT2", "engines"), guest("INTx", "hang"), unbooted],
            ok: false,
        };
        let page = page(&report, "2026-01-01");
        let table: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(table.len(), 5);
        let columns = |line: &str| line.matches('|').count();
        assert!(table.iter().all(|line| columns(line) == columns(table[0])), "{page}");
        assert!(table[0].contains("| engines | hang |"), "{}", table[0]);
        assert!(page.ends_with("* 6.1, GT3: NOT BOOTED: no network\n"), "{page}");
    }
}
