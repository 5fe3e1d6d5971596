//! Many guests, one after another: `--all`, and the boots of `cargo xtask test`.

mod markdown;
mod rows;

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

pub(super) use self::rows::{Row, all, cheap, with_x};
use super::Tally;
use super::boot::Console;
use super::kernel;
use super::tools::Tools;
use super::verdict::Verdict;

/// What came out of one guest.
#[derive(Serialize)]
pub(super) struct Outcome {
    /// What was asked for.
    pub(super) kernel: &'static str,
    pub(super) variant: &'static str,
    /// Seconds from the start to the verdict.
    pub(super) seconds: f64,
    /// The verdict; none if there was no boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<Verdict>,
    /// Why there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// What came out of all, in the shape of `--all --json`.
#[derive(Serialize)]
pub(super) struct Report {
    /// QEMU's version.
    pub(super) qemu: String,
    /// How QEMU executed.
    pub(super) accel: &'static str,
    pub(super) seconds: f64,
    pub(super) guests: Vec<Outcome>,
    /// All is as it should be.
    pub(super) ok: bool,
}

/// Boots every row.
pub(super) fn run(rows: &[Row], tools: &Tools) -> Result<Report> {
    let start = Instant::now();
    let mut guests = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let name = format!("[{}/{}] Linux {}, {}", index + 1, rows.len(), row.kernel, row.variant);
        eprintln!("{name} …");
        let outcome = boot(row, tools);
        eprintln!("{name}: {} ({:.0} s)", outcome.word(), outcome.seconds);
        guests.push(outcome);
    }
    let ok = guests.iter().all(Outcome::ok);
    let qemu = tools.qemu.version()?;
    Ok(Report { qemu, accel: tools.accel, seconds: seconds(start.elapsed()), guests, ok })
}

/// The name of a row's logs.
fn logs(kernel: &str, variant: &str) -> String {
    format!("{kernel}-{}", variant.replace(' ', "-"))
}

fn boot(row: &Row, tools: &Tools) -> Outcome {
    let start = Instant::now();
    let logs = logs(row.kernel, row.variant);
    let result = kernel::debian(row.kernel)
        .and_then(|kernel| row.guest.boot(&kernel, tools, &logs, Console::Kept));
    let (verdict, error) = match result {
        Ok(verdict) => (Some(verdict), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let (kernel, variant) = (row.kernel, row.variant);
    Outcome { kernel, variant, seconds: seconds(start.elapsed()), verdict, error }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

impl Outcome {
    /// Whether it booted and all was as it should be.
    pub(super) fn ok(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.ok)
    }

    /// In words.
    pub(super) fn word(&self) -> String {
        match (&self.verdict, &self.error) {
            (Some(verdict), _) if verdict.ok => "ok".into(),
            (Some(verdict), _) => format!("NOT OK: {}", verdict.faults.join("; ")),
            (None, error) => format!("NOT BOOTED: {}", error.as_deref().unwrap_or_default()),
        }
    }
}

impl Report {
    /// How many passed, and how many failed, of the guests and of what their checks looked at.
    pub(super) fn tally(&self) -> Tally {
        // Where a guest is as it must be, a check that failed had to: the device was broken for it.
        let checks = self.guests.iter().flat_map(|guest| {
            let results = guest.verdict.iter().flat_map(|verdict| &verdict.checks);
            results.filter_map(|result| result.ok).map(|ok| ok || guest.ok())
        });
        let mut tally = Tally { passed: 0, failed: 0, faults: Vec::new() };
        for ok in self.guests.iter().map(Outcome::ok).chain(checks) {
            tally.passed += u32::from(ok);
            tally.failed += u32::from(!ok);
        }
        for guest in self.guests.iter().filter(|guest| !guest.ok()) {
            tally.faults.push(format!("{}, {}: {}", guest.kernel, guest.variant, guest.word()));
        }
        tally
    }

    /// As a page for docs/.
    pub(super) fn markdown(&self, date: &str) -> String {
        markdown::page(self, date)
    }
}
