//! Clients start, share, work and exit: at every settle point the kernel's view of its address spaces
//! and the device's must be equal (docs/agent.md).

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::super::boot::Console;
use super::super::guest::Guest;
use super::super::kernel::Kernel;
use super::super::tools::Tools;
use super::super::verdict::Verdict;
use super::super::views::Views;

/// The check that starts them in the guest.
const CHECK: &str = "client-starts";
/// Seconds that a guest may take to boot and settle, and for each client, under TCG on a busy host.
const BOOT: u64 = 300;
const CLIENTS_A_SECOND: u64 = 4;

/// What came out, in the shape of `--json`.
#[derive(Debug, Serialize)]
struct Report {
    scenario: &'static str,
    count: u32,
    verdict: Verdict,
    /// Settle points at which both views were equal; none if they were not at all of them.
    equal_at: Option<usize>,
    ok: bool,
}

/// Boots the guest and prints what both views said.
pub(super) fn run(
    count: u32,
    guest: &Guest,
    kernel: &Kernel,
    tools: &Tools,
    json: bool,
) -> Result<ExitCode> {
    let guest = with_clients(guest, count);
    let console = if json { Console::Stderr } else { Console::Stdout };
    let verdict = guest.boot(kernel, tools, &kernel.name, console)?;
    let report = Report::new(count, verdict);
    match json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => println!("{}\n\n{}", report.verdict.text(), report.conclusion()),
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The guest with so many clients.
fn with_clients(guest: &Guest, count: u32) -> Guest {
    let limit = BOOT + u64::from(count) / CLIENTS_A_SECOND;
    Guest {
        check: vec![format!("{CHECK}={count}")],
        agent: true,
        timeout: guest.timeout.or(Some(limit)),
        ..guest.clone()
    }
}

impl Report {
    fn new(count: u32, verdict: Verdict) -> Report {
        let equal_at = verdict.views.as_ref().and_then(Views::equal_at);
        let ok = verdict.ok && equal_at.is_some();
        Report { scenario: CHECK, count, verdict, equal_at, ok }
    }

    fn conclusion(&self) -> String {
        match (self.ok, self.equal_at) {
            (true, Some(points)) => format!(
                "ok: {} clients came and went; both views were equal at all of {points} settle points: 0 orphaned",
                self.count
            ),
            _ => format!("NOT OK: {}", self.verdict.faults.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_has_the_agent_the_clients_and_time() {
        let guest = with_clients(&Guest::default(), 1000);
        assert!(guest.agent);
        assert_eq!(
            (guest.check, guest.timeout),
            (vec!["client-starts=1000".to_owned()], Some(550))
        );
        let asked = Guest { timeout: Some(9), ..Guest::default() };
        assert_eq!(with_clients(&asked, 1).timeout, Some(9));
    }

    fn good() -> Verdict {
        let mut verdict = Verdict::default();
        verdict.ok = true;
        verdict
    }

    #[test]
    fn a_verdict_without_views_is_not_ok() {
        let report = Report::new(1, good());
        assert!(!report.ok && report.conclusion().starts_with("NOT OK"));
    }
}
