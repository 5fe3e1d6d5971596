//! `cargo xtask linux --clients`: Debian's own GPU clients (package intel-gpu-tools) in the guest,
//! each judged by what it says.

mod cases;
mod judge;
mod overlay;
mod record;
mod report;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use serde::Serialize;

use self::cases::{CASES, Case};
use self::report::{Outcome, Row};
use super::boot::Console;
use super::guest::{self, Guest};
use super::kernel::Kernel;
use super::packages;
use super::tools::Tools;
use super::verdict::Verdict;
use crate::{process, workspace};

/// The workload for gem_wsim, where the guest has it.
const WORKLOAD: (&str, &str) = ("gen8emu/engines.wsim", include_str!("engines.wsim"));
/// Where the package's tools (all but the benchmarks) begin their names.
const TOOLS: [&str; 2] = ["intel_", "lsgpu"];
/// For the kernel's command line: what the clients say goes through the kernel's log, and must not
/// push its first lines out before the guest looks for warnings in it.
const APPEND: &str = "log_buf_len=4M";

/// What came out.
#[derive(Debug, Serialize)]
struct Report {
    /// The package's version.
    package: String,
    clients: Vec<Row>,
    verdict: Verdict,
    /// No client fails, and the kernel has nothing to say.
    ok: bool,
}

/// Boots `guest` with the clients, prints what came out.
pub(super) fn run(guest: &Guest, kernel: &Kernel, tools: &Tools, json: bool) -> Result<ExitCode> {
    let package = packages::clients()?;
    let overlay = lay_overlay(&package)?;
    let append = guest.append.iter().map(String::as_str).chain([APPEND]);
    let guest = Guest {
        append: Some(append.collect::<Vec<_>>().join(" ")),
        overlay: Some(overlay),
        exec: Some(script()),
        ..guest.clone()
    };
    // Standard output is for the result.
    let verdict = guest.boot(kernel, tools, &kernel.name, Console::Stderr)?;
    let report = judge(&package, &guest::logs(&kernel.name).join("kernel.log"), verdict)?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", report.page());
    }
    Ok(ExitCode::from(u8::from(!report.ok)))
}

/// Lays all that the clients need into a directory.
fn lay_overlay(package: &Path) -> Result<PathBuf> {
    let overlay = workspace::target().join("linux").join("clients");
    if overlay.exists() {
        let old = || format!("removing {}", overlay.display());
        fs::remove_dir_all(&overlay).with_context(old)?;
    }
    let tools: BTreeSet<&str> = CASES
        .iter()
        .map(Case::client)
        .filter(|client| TOOLS.iter().any(|tool| client.starts_with(tool)))
        .collect();
    overlay::lay(package, &tools, &overlay)?;
    let (name, workload) = WORKLOAD;
    overlay::write(&overlay.join(name), workload)?;
    Ok(overlay)
}

/// What runs in the guest.
fn script() -> String {
    let lines = CASES.iter().enumerate().map(|(number, case)| case.script_line(number));
    let lines: Vec<String> = lines.collect();
    format!("{}{}\n", include_str!("guest.sh"), lines.join("\n"))
}

/// Judges by the kernel's log of the run.
fn judge(package: &Path, kernel_log: &Path, verdict: Verdict) -> Result<Report> {
    let log = fs::read(kernel_log).with_context(|| format!("reading {}", kernel_log.display()))?;
    let clients = report::rows(CASES, &record::runs(&String::from_utf8_lossy(&log)));
    let ok = verdict.ok && clients.iter().all(|row| row.result != Outcome::Fails);
    Ok(Report { package: version(package)?, clients, verdict, ok })
}

impl Report {
    /// A page in Markdown.
    fn page(&self) -> String {
        let kernel = self.verdict.kernel.as_deref().unwrap_or("unknown");
        let count = |wanted| self.clients.iter().filter(|row| row.result == wanted).count();
        format!(
            "# Debian's GPU clients on the GPU\n\n\
             Made by `cargo xtask linux --clients`: package intel-gpu-tools {}, kernel {kernel}, \
             its own i915. Each client is judged by its exit status and by what it says. The \
             benchmarks look at times and not at results: those are for `--check`. Times are \
             microseconds of guest time unless they say otherwise.\n\n\
             {}\n\n\
             {} pass, {} fail, {} do not apply. The kernel's verdict: {}.",
            self.package,
            report::table(&self.clients),
            count(Outcome::Passes),
            count(Outcome::Fails),
            count(Outcome::DoesNotApply),
            if self.verdict.ok { "ok".to_owned() } else { self.verdict.faults.join("; ") },
        )
    }
}

/// The package's version, by the first line of its changelog: `intel-gpu-tools (1.27.1-1) …`.
fn version(package: &Path) -> Result<String> {
    let changelog = package.join("usr/share/doc/intel-gpu-tools/changelog.Debian.gz");
    let text = process::capture(Command::new("gzip").arg("-dc").arg(changelog))?;
    let version = text.split(['(', ')']).nth(1);
    Ok(version.context("the changelog of intel-gpu-tools names no version")?.to_owned())
}
