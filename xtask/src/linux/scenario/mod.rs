//! `cargo xtask linux --scenario`: a scenario of our driver's, done by stock software, beside our
//! driver's own account of it (docs/xserver-restart.md).

mod client_starts;
mod ours;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;

use self::ours::Case;
use super::boot::Console;
use super::guest::Guest;
use super::kernel::Kernel;
use super::tools::Tools;
use super::userland::UserLand;
use super::verdict::Verdict;

/// The check that starts and ends X in the guest.
const CHECK: &str = "xserver-restart";
/// The monitor, unless the user says otherwise.
const OUTPUT: &str = "hdmi=1024x768";
/// Seconds that a guest may take to boot, and for each start of X, under TCG on a busy host.
const BOOT: u64 = 120;
const START: u64 = 60;

/// Which scenario to run, and how often.
#[derive(Args, Clone, Debug)]
pub(super) struct ScenarioArgs {
    /// Do what a scenario of our driver's does with stock software, and print both side by side
    #[arg(long, value_enum, value_name = "NAME", conflicts_with_all = ["check", "exec", "user_land", "overlay", "interactive", "drive", "no_gpu", "screenshot", "clients", "suite", "all"])]
    scenario: Option<Scenario>,
    /// So many starts: of the X server, or of clients
    #[arg(long, value_name = "N", default_value = "10", requires = "scenario", value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
}

/// A scenario that stock software can do.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Scenario {
    /// X starts on the console's picture and ends, again and again
    XserverRestart,
    /// Clients start, share, work and exit; the kernel's view and the device's must stay equal
    ClientStarts,
}

/// What came out, in the shape of `--json`.
#[derive(Debug, Serialize)]
struct Report {
    scenario: &'static str,
    count: u32,
    /// The stock kernel's side.
    verdict: Verdict,
    /// Our driver's, without the fix and with it.
    ours: Vec<Case>,
    /// What is not as it should be, beside the verdict's faults.
    faults: Vec<String>,
    /// Nothing is left of the stock kernel's X servers, and our driver leaks what it should.
    ok: bool,
}

impl ScenarioArgs {
    /// Whether there is one to run.
    pub(super) fn is_wanted(&self) -> bool {
        self.scenario.is_some()
    }

    /// Whether it takes the agent.
    pub(super) fn wants_agent(&self) -> bool {
        self.scenario == Some(Scenario::ClientStarts)
    }

    /// What the guest is, for a guest with these options.
    fn guest(&self, guest: &Guest) -> Guest {
        let output = match &guest.output[..] {
            [] => vec![OUTPUT.to_owned()],
            _ => guest.output.clone(),
        };
        let limit = BOOT + START * u64::from(self.count);
        Guest {
            check: vec![format!("{CHECK}={}", self.count)],
            user_land: Some(UserLand::X),
            timeout: guest.timeout.or(Some(limit)),
            output,
            ..guest.clone()
        }
    }
}

/// Boots the guest, runs our driver, prints both.
pub(super) fn run(
    arguments: &ScenarioArgs,
    guest: &Guest,
    kernel: &Kernel,
    tools: &Tools,
    json: bool,
) -> Result<ExitCode> {
    if arguments.wants_agent() {
        return client_starts::run(arguments.count, guest, kernel, tools, json);
    }
    let program = tools.program.as_deref().context("there is no GPU to serve")?;
    let ours = ours::run(program, arguments.count)?;
    let guest = arguments.guest(guest);
    let console = if json { Console::Stderr } else { Console::Stdout };
    let verdict = guest.boot(kernel, tools, &kernel.name, console)?;
    let report = Report::new(arguments.count, verdict, ours);
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", report.text());
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report {
    fn new(count: u32, verdict: Verdict, ours: Vec<Case>) -> Report {
        let seen = verdict.restarts.cycles(CHECK);
        let mut faults: Vec<String> = ours.iter().filter_map(Case::fault).collect();
        if seen != count as usize {
            faults.push(format!("{seen} of {count} starts of X came to their end"));
        }
        let ok = verdict.ok && faults.is_empty();
        Report { scenario: CHECK, count, verdict, ours, faults, ok }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Verdict {
        let mut verdict = Verdict::default();
        verdict.restarts.console(r#"{"check":"xserver-restart"}"#);
        verdict.ok = true;
        verdict
    }

    #[test]
    fn fewer_starts_than_asked_for_are_a_fault() {
        let report = Report::new(2, good(), Vec::new());
        assert!(!report.ok);
        assert_eq!(report.faults, ["0 of 2 starts of X came to their end"]);
        assert!(Report::new(0, good(), Vec::new()).ok);
        assert!(!Report::new(0, Verdict::default(), Vec::new()).ok, "a verdict that is not ok");
    }

    #[test]
    fn the_guest_has_x_a_monitor_and_time_and_keeps_what_the_user_asked_for() {
        let arguments = ScenarioArgs { scenario: Some(Scenario::XserverRestart), count: 10 };
        let guest = arguments.guest(&Guest::default());
        assert_eq!(
            (&guest.check[..], guest.user_land),
            (&["xserver-restart=10".into()][..], Some(UserLand::X))
        );
        assert_eq!((&guest.output[..], guest.timeout), (&["hdmi=1024x768".into()][..], Some(720)));
        let output = vec!["hdmi=640x480".to_owned()];
        let asked = Guest { timeout: Some(9), output: output.clone(), ..Guest::default() };
        let guest = arguments.guest(&asked);
        assert_eq!((guest.output, guest.timeout), (output, Some(9)));
    }
}
