//! Planted bugs: each must be caught, by the names that its damage has, and without it nothing.

use driver::Bug;
use observe::story::Story;
use observe::{Finding, Severity};
use scenarios::planted_case;
use serde::Serialize;

use crate::judge::{Observation, judge, label_name};
use crate::kind::MachineKind;
use crate::run::{MachineError, RunOptions, observe_on_kvm, run_telling};

/// What came of a bug's program, with the bug or without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlantedResult {
    /// Name of the bug.
    pub bug: &'static str,
    /// Row of the table of bugs (vma-cleanup §8).
    pub row: u32,
    /// The kernel commits that ended it.
    pub fixed_by: &'static str,
    /// What ran, as text.
    pub case: String,
    /// Whether the bug was in the driver.
    pub planted: bool,
    /// The names of findings that had to appear; none without the bug.
    pub expected: Vec<&'static str>,
    /// All that the device's observers found.
    pub findings: Vec<Finding>,
    /// Whether there is no difference.
    pub ok: bool,
    /// Every difference in words.
    pub differences: Vec<String>,
    /// What happened, with these findings, if somebody asked for it ([`RunOptions::stories`]).
    #[serde(skip)]
    pub story: Option<Story>,
}

/// The findings by which a bug is known: what its damage looks like from the device.
pub const fn caught_as(bug: Bug) -> &'static [&'static str] {
    match bug {
        Bug::NoTlbFlushAtPageRelease => &["StaleTlbAtFree", "StaleTlb", "PageUsedAfterFree"],
        Bug::ContextDestroyRaces => &["ContextFreedWhileRunning", "ContextSavedAfterFree"],
        Bug::UnbindMissesClosedActive => &["PageFreedWhileMapped", "PageUsedAfterFree"],
        Bug::LazyClosePinsVm => &["OrphanVm"],
        Bug::ShrinkerFreesTablesInAllocation => &["TableUsedAfterFree"],
        Bug::PdpChangeNotMarkedDirty => &["StalePageDirectory"],
        Bug::ContextUnpinnedAtBreadcrumb => &["ContextSavedAfterFree"],
    }
}

/// Runs the program of `bug` on `machine`, with the bug if `planted`, and judges: with it, what it is
/// known by must be found; without, the run must be as sound as any.
///
/// # Errors
/// The machine could not be built.
pub fn run_planted(
    bug: Bug,
    planted: bool,
    machine: MachineKind,
    options: &RunOptions,
) -> Result<PlantedResult, MachineError> {
    let mut options = options.clone();
    options.scenario.bug = planted.then_some(bug);
    let case = planted_case(bug);
    let (observation, story) = match machine {
        MachineKind::InProcess => run_telling(&case, &options)?,
        MachineKind::Kvm => {
            let mut observed = None;
            observe_on_kvm(&[case], &options, &mut |observation, story| {
                observed = Some((observation, story));
            })?;
            observed.ok_or(MachineError::NoReport)?
        }
    };
    let expected = if planted { caught_as(bug).to_vec() } else { Vec::new() };
    let findings = findings(&observation);
    let differences = if planted {
        let missing = expected.iter().filter(|&&name| findings.iter().all(|f| f.name != name));
        missing.map(|name| format!("{name}: expected, did not appear")).collect()
    } else {
        judge(machine, &options.scenario, &observation).differences
    };
    Ok(PlantedResult {
        bug: bug.name(),
        row: bug.row(),
        fixed_by: bug.fixed_by(),
        case: case.to_string(),
        planted,
        expected,
        findings,
        ok: differences.is_empty(),
        differences,
        story: story.map(|story| {
            let with = if planted { "with the bug" } else { "without the bug" };
            let mut all = observation.observed;
            all.extend(story.findings);
            Story { title: format!("{case}, {with}"), findings: all, ..story }
        }),
    })
}

/// What the device's side found: the census's findings by checkpoint, and the other observers'.
fn findings(observation: &Observation) -> Vec<Finding> {
    let census = observation.census.iter().flat_map(|moment| {
        moment.findings.iter().zip(&moment.details).map(|(name, what)| {
            Finding::new(name, Severity::Error, 0, what.clone())
                .fact("census", label_name(moment.label))
        })
    });
    census.chain(observation.observed.iter().cloned()).collect()
}
