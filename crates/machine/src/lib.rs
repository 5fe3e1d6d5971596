//! Computers with the GPU in them, and the judge that lays what a scenario must show beside what
//! its run showed.

mod cpu_ram;
mod driver_view;
pub mod in_process;
pub mod judge;
mod kind;
pub mod kvm;
mod planted;
mod record;
mod run;

pub use cpu_ram::{CpuRam, CpuWrite, CpuWrites};
pub use driver_view::{DriverResult, judge_driver};
pub use in_process::InProcess;
pub use judge::{CaseResult, DeviceCounts, DeviceMoment, Moment, Observation};
pub use kind::MachineKind;
pub use planted::{PlantedResult, caught_as, run_planted};
pub use record::{CASES_NOTE, Recorded, Recordings};
pub use run::{MachineError, RunOptions, run_cases, run_in_process};
