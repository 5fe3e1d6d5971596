//! VMA lifetime scenarios: programs against the driver's client API, and what each must show under
//! each cleanup policy.
//!
//! A [`Case`] is a [`ScenarioId`] under one policy, page-table depth and submission mode. [`run()`]
//! runs it on any [`driver::Platform`] and gives a [`CaseReport`]; [`expected()`] says what must come
//! out. Comparing the two with the device's census is the machine's business.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod batch;
mod case;
mod expected;
mod id;
mod programs;
pub mod report;
mod rng;
mod run;
mod world;

pub use case::{Case, Levels, ParseCaseError, SubmissionMode, parse_policy};
pub use expected::{Excess, Expected, expected};
pub use id::{ScenarioId, UnknownScenario};
pub use programs::planted::case as planted_case;
pub use report::{CaseReport, Checkpoint, DriverCounts, label};
pub use run::{DEFAULT_RESTARTS, DEFAULT_SEED, Options, config, run};
