//! What a process holds, from `/proc`.

use std::fmt;
use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

use super::Report;

/// Memory, mappings and open files of a process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Usage {
    /// Resident memory, in KiB.
    pub(super) rss_kib: u64,
    /// Lines of `/proc/PID/maps`.
    pub(super) mappings: u64,
    /// Entries of `/proc/PID/fd`.
    pub(super) fds: u64,
}

impl Usage {
    /// Of the process `pid`, now.
    pub(super) fn of(pid: u32) -> Result<Usage> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_to_string(&path).with_context(|| format!("reading {path}"))
        };
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).context("listing open files")?;
        Ok(Usage {
            rss_kib: rss(&read("status")?).context("no VmRSS")?,
            mappings: read("maps")?.lines().count() as u64,
            fds: fds.count() as u64,
        })
    }

    /// The most of each.
    pub(super) fn most(self, other: Usage) -> Usage {
        Usage {
            rss_kib: self.rss_kib.max(other.rss_kib),
            mappings: self.mappings.max(other.mappings),
            fds: self.fds.max(other.fds),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { rss_kib, mappings, fds } = self;
        write!(f, "RSS {rss_kib} KiB, {mappings} mappings, {fds} fds")
    }
}

/// VmRSS of `/proc/PID/status`.
fn rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The report as a table.
pub(super) fn table(report: &Report) -> String {
    let columns = [
        ("before", report.before),
        ("after 1 kill", report.first),
        ("after all kills", report.killed),
        ("end", report.end),
        ("most", report.most),
    ];
    let row = |name: &str, of: fn(&Usage) -> u64| {
        let cells: String = columns.iter().map(|(_, usage)| format!("{:>17}", of(usage))).collect();
        format!("{name:<12}{cells}\n")
    };
    let heads: String = columns.iter().map(|(head, _)| format!("{head:>17}")).collect();
    let Report { kernel, kills, firmware, probe, work, reloads, seconds, .. } = report;
    let mut text = format!(
        "Linux {kernel}: {kills} kills ({firmware} in firmware, {probe} in the probe, {work} at \
         work), {reloads} reloads, {seconds} s\n{:<12}{heads}\n",
        "the server"
    );
    text += &row("RSS, KiB", |usage| usage.rss_kib);
    text += &row("mappings", |usage| usage.mappings);
    text += &row("open fds", |usage| usage.fds);
    for fault in &report.faults {
        text += &format!("fault: {fault}\n");
    }
    text + if report.ok { "verdict     ok" } else { "verdict     FAILED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_from_proc() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_kib > 100 && usage.mappings > 5 && usage.fds >= 3, "{usage}");
        assert_eq!(rss("VmPeak:\t 9 kB\nVmRSS:\t  1234 kB\n"), Some(1234));
        assert_eq!(rss("VmPeak:\t 9 kB\n"), None);
    }
}
