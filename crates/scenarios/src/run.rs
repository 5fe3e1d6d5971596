//! Running one case.

use alloc::format;

use driver::{Bug, Config, Driver, Mutations, Platform};

use crate::case::Case;
use crate::programs;
use crate::report::CaseReport;
use crate::world::World;

/// What a run may vary beside the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Seed of the scenarios with random choices.
    pub seed: u64,
    /// How often the X server of `xserver-restart` is started and ended.
    pub restarts: u32,
    /// Deliberate defects of the driver, for the tests that test the tests.
    pub mutations: Mutations,
    /// A bug of the real driver that is planted.
    pub bug: Option<Bug>,
    /// Overrides the driver's `open_count` knob: without it, 4.14's look-up tables close a VMA under
    /// the file's other handle.
    pub open_count: Option<bool>,
}

/// The seed that is used unless another is asked for.
pub const DEFAULT_SEED: u64 = 1;

/// How often the X server restarts unless told otherwise.
pub const DEFAULT_RESTARTS: u32 = 10;

impl Default for Options {
    fn default() -> Self {
        Options {
            seed: DEFAULT_SEED,
            restarts: DEFAULT_RESTARTS,
            mutations: Mutations::default(),
            bug: None,
            open_count: None,
        }
    }
}

/// The knobs under which `case` runs: those of the policy's kernel, and what the case and its
/// scenario ask for.
pub fn config(case: &Case, options: &Options) -> Config {
    let mut config = Config {
        submission: case.submission.driver(case.policy),
        levels: case.levels.driver(),
        mutations: options.mutations,
        bug: options.bug,
        ..Config::for_policy(case.policy)
    };
    config.open_count = options.open_count.unwrap_or(config.open_count);
    programs::adjust(case.scenario, &mut config);
    config
}

/// Runs `case` on `platform` from probe to shutdown. What went wrong is in the report.
pub fn run<P: Platform>(platform: &mut P, case: &Case, options: &Options) -> CaseReport {
    let mut report = CaseReport::new(*case);
    match Driver::new(platform, config(case, options)) {
        Err(error) => {
            report.error = Some(format!("probe: {error}"));
            report
        }
        Ok(driver) => {
            let mut world = World { driver, report };
            if let Err(error) = programs::program(case.scenario, options, &mut world) {
                let taken = world.report.checkpoints.len();
                world.report.error = Some(format!("{error} (after {taken} checkpoints)"));
            }
            world.collect_findings();
            let World { driver, report, .. } = world;
            driver.shutdown();
            report
        }
    }
}
