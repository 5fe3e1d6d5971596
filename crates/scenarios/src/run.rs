//! Running one case.

use driver::{Config, Driver, Error, Mutations, Platform};
use gen8_spec::debug_page::Hint;

use crate::case::Case;
use crate::report::{CaseReport, Checkpoint, DriverCounts};

/// What a run may vary beside the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Seed of the scenarios with random choices.
    pub seed: u64,
    /// Deliberate defects of the driver, for the tests that test the tests.
    pub mutations: Mutations,
}

impl Default for Options {
    fn default() -> Self {
        Options { seed: 1, mutations: Mutations::default() }
    }
}

/// Runs `case` on `platform` from probe to shutdown. What went wrong is in the report.
pub fn run<P: Platform>(platform: &mut P, case: &Case, options: &Options) -> CaseReport {
    let mut report = CaseReport::new(*case);
    let config = Config {
        submission: case.submission.driver(case.policy),
        levels: case.levels.driver(),
        mutations: options.mutations,
        ..Config::for_policy(case.policy)
    };
    match Driver::new(platform, config) {
        Ok(mut driver) => {
            let _: Result<(), Error> = checkpoint(&mut driver, &mut report, 0);
            driver.shutdown();
        }
        Err(error) => report.error = Some(alloc::format!("probe: {error}")),
    }
    report
}

fn checkpoint<P: Platform>(
    driver: &mut Driver<P>,
    report: &mut CaseReport,
    label: u32,
) -> Result<(), Error> {
    let counters = driver.counters();
    report.checkpoints.push(Checkpoint {
        label,
        counts: DriverCounts {
            vms: counters.vms,
            vmas: counters.vmas,
            vmas_bound: counters.vmas_bound,
            pages: counters.page_table_pages,
            objects: counters.objects,
            contexts: counters.contexts,
            requests: counters.requests,
        },
    });
    driver.hint(Hint::Checkpoint { label });
    Ok(())
}
