//! `cargo xtask linux --suite`: somebody's own tests in the guest, one after the other, and a table of
//! what became of them.
//!
//! `gen8-suite` (crate `suite-runner`) runs them in the guest. A test that takes the guest with it
//! costs that test: the next one gets a new guest.

mod output;
mod plan;
mod record;
mod report;
mod sample;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::plan::Plan;
use self::record::Record;
use self::report::Report;
pub(super) use self::sample::check as check_sample;
use super::boot::Console;
use super::guest::{self, Guest};
use super::kernel::Kernel;
use super::tools::Tools;
use crate::build;

/// Where the runner and its plan lie in the guest.
const RUNNER: &str = "gen8emu/gen8-suite";
const PLAN: &str = "gen8emu/suite.json";
/// Longer than any suite: each test has a limit of its own.
const NO_LIMIT: u64 = 30 * 24 * 3600;

/// Which tests to run, and how.
#[derive(Args, Clone, Debug)]
pub(super) struct SuiteArgs {
    /// Run these programs of the guest as tests (exit status 0: pass, 77: skip, others: fail) and
    /// print a table; @FILE takes the lines of a file here as commands
    #[arg(long, value_name = "PATTERN|@FILE", num_args = 1.., conflicts_with_all = ["exec", "interactive", "drive", "clients", "all"])]
    suite: Vec<String>,
    /// Run each subtest that a program lists (--list-subtests) by itself (--run-subtest NAME)
    #[arg(long, requires = "suite")]
    subtests: bool,
    /// End a test of the suite after this many seconds
    #[arg(long, value_name = "S", default_value = "120", requires = "suite", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    test_timeout: u64,
}

impl SuiteArgs {
    /// Whether there is a suite to run.
    pub(super) fn is_wanted(&self) -> bool {
        !self.suite.is_empty()
    }

    /// Refuses what cannot be, before anything is fetched or built.
    pub(super) fn verify(&self) -> Result<()> {
        self.plan().map(drop)
    }

    fn plan(&self) -> Result<Plan> {
        Plan::new(&self.suite, self.subtests, self.test_timeout)
    }
}

/// Runs all tests; prints what came out.
pub(super) fn run(
    arguments: &SuiteArgs,
    guest: &Guest,
    kernel: &Kernel,
    tools: &Tools,
    json: bool,
) -> Result<ExitCode> {
    let report = boot(arguments.plan()?, guest, kernel, tools, &kernel.name)?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", report.text());
        let outputs = output::place(&guest::logs(&kernel.name));
        eprintln!("what each test printed lies in {}", outputs.display());
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Boots guests until every test has run. `name` is that of their logs.
fn boot(
    mut plan: Plan,
    guest: &Guest,
    kernel: &Kernel,
    tools: &Tools,
    name: &str,
) -> Result<Report> {
    let runner = build::suite_runner()?;
    let logs = guest::logs(name);
    let outputs = output::directory(&logs)?;
    let plan_file = logs.join("suite.json");
    let mut guest = Guest {
        exec: Some(format!("/{RUNNER} /{PLAN}")),
        packed: vec![(RUNNER.into(), runner), (PLAN.into(), plan_file.clone())],
        timeout: guest.timeout.or(Some(NO_LIMIT)),
        ..guest.clone()
    };
    let mut report = Report::default();
    loop {
        fs::write(&plan_file, serde_json::to_string(&plan)?)
            .with_context(|| format!("writing {}", plan_file.display()))?;
        let mut record = Record::new(plan.limit);
        let verdict = guest.boot_watched(kernel, tools, name, Console::Kept, &mut record)?;
        output::split(&logs.join("console.log"), &outputs, &record)?;
        let (next, more) = (record.next(), record.more());
        if record.total().is_none() {
            let why =
                format!("the guest did not begin with the suite: {}", verdict.faults.join("; "));
            // What earlier guests showed is still worth a table.
            ensure!(report.is_begun(), why);
            report.fault(why);
            break;
        }
        report.add(record, &verdict);
        if !more {
            break;
        }
        plan.first = next;
        guest.check = vec!["none".into()]; // Once is enough.
    }
    report.judge();
    Ok(report)
}
