//! Bugs that the real driver had, planted one by one: each is caught by name where it bites, and
//! without it nothing is found.

use driver::Bug;
use machine::{PlantedResult, RunOptions, run_planted};

fn run(bug: Bug, planted: bool) -> PlantedResult {
    run_planted(bug, planted, &RunOptions::default()).expect("host memory")
}

#[test]
fn every_planted_bug_is_caught_by_name() {
    for bug in Bug::ALL {
        let result = run(bug, true);
        assert!(result.ok, "{bug}: {:#?}", result.differences);
    }
}

#[test]
fn without_the_bug_its_program_shows_nothing() {
    for bug in Bug::ALL {
        let result = run(bug, false);
        assert!(result.ok, "{bug}: {:#?}", result.differences);
        assert_eq!(result.findings, [], "{bug}");
    }
}
