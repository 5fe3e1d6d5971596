//! Which cases to run, and where: `run`, `matrix` and `drive`.

use std::path::PathBuf;

use clap::Args;
use driver::{Bug, Policy};
use machine::MachineKind;
use scenarios::{Levels, ScenarioId, SubmissionMode};

/// Restarts of an X server in a scenario; without the fix each costs some pages of memory.
const MOST_RESTARTS: i64 = 1000;

/// Which cases to run. Each list takes commas or the option again.
#[derive(Args, Debug, Default)]
pub(crate) struct CaseLists {
    /// Scenario, by name or letter
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) scenario: Vec<ScenarioId>,
    /// Cleanup policy of the driver
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = scenarios::parse_policy)]
    pub(crate) policy: Vec<Policy>,
    /// Levels of the page tables: 3 or 4
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) levels: Vec<Levels>,
    /// Submission mode: execlists or legacy
    #[arg(long, value_name = "MODE", value_delimiter = ',')]
    pub(crate) submission: Vec<SubmissionMode>,
}

/// Which cases to run, and where.
#[derive(Args, Debug, Default)]
pub(crate) struct CaseArgs {
    #[command(flatten)]
    pub(crate) lists: CaseLists,
    /// Machine: kvm or in-process
    #[arg(long, value_name = "MACHINE", value_parser = machine_kind)]
    pub(crate) machine: Option<MachineKind>,
    /// How often the X server of xserver-restart is started and ended (in process; default: 10)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_RESTARTS))]
    pub(crate) count: Option<u32>,
    /// Bug of the real driver to plant, in the case in which it bites (docs/bugs.md); in process unless told
    /// otherwise
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = bug_name,
          conflicts_with_all = ["scenario", "policy", "levels", "submission", "count"])]
    pub(crate) bug: Vec<Bug>,
    /// All of them, one after the other
    #[arg(long, conflicts_with_all = ["bug", "scenario", "policy", "levels", "submission", "count"])]
    pub(crate) bugs: bool,
    /// One JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// The guest's image; else $GEN8EMU_FIRMWARE
    #[arg(long, value_name = "FILE")]
    pub(crate) firmware: Option<PathBuf>,
}

/// Arguments of `run`.
#[derive(Args, Debug, Default)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) cases: CaseArgs,
    /// Draw what happened in each case up to its last checkpoint as a page (docs/report.md); a name that
    /// ends with .json gets it for programs
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Record what goes into the GPU to a file, for `replay` (docs/recording.md). Each further machine of the
    /// run gets a file with a number: in process each case has one
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

impl CaseArgs {
    /// The bugs to plant, each once; none without `--bug` and `--bugs`.
    pub(crate) fn planted(&self) -> Vec<Bug> {
        Bug::ALL.into_iter().filter(|bug| self.bugs || self.bug.contains(bug)).collect()
    }
}

/// Arguments of `drive`.
#[derive(Args, Debug)]
pub(crate) struct DriveArgs {
    /// The GPU's PCI address, such as 0000:00:02.0
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) vfio: vfio_platform::Address,
    #[command(flatten)]
    pub(crate) lists: CaseLists,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

fn bug_name(text: &str) -> Result<Bug, String> {
    text.parse().map_err(|_| {
        let names: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        format!("unknown bug '{text}': expected one of {}", names.join(", "))
    })
}

fn machine_kind(text: &str) -> Result<MachineKind, String> {
    [MachineKind::Kvm, MachineKind::InProcess]
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| format!("unknown machine '{text}': expected kvm or in-process"))
}
