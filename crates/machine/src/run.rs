//! Running cases on a machine.

use gen8_spec::sku::{self, Sku};
use scenarios::Case;

use crate::judge::CaseResult;

/// Which machine runs the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MachineKind {
    /// A bare-metal guest under KVM; the device in its own thread.
    Kvm,
    /// Driver and device in one thread, with virtual time.
    InProcess,
}

impl MachineKind {
    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            MachineKind::Kvm => "kvm",
            MachineKind::InProcess => "in-process",
        }
    }
}

/// What a run may vary beside the cases.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The part to emulate.
    pub sku: Sku,
    /// Defects and seed for the driver and the scenarios. In process only: the guest has its own.
    pub scenario: scenarios::Options,
    /// Defects of the device.
    pub device_mutations: gpu_model::Mutations,
    /// The guest's image, for KVM.
    pub firmware: Vec<u8>,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            sku: sku::by_device_id(DEFAULT_DEVICE_ID).unwrap_or(sku::SKUS[0]),
            scenario: scenarios::Options::default(),
            device_mutations: gpu_model::Mutations::default(),
            firmware: Vec::new(),
        }
    }
}

/// A GT2 ULT part: the most common Broadwell.
const DEFAULT_DEVICE_ID: u16 = 0x1616;

/// Why cases could not be run. A case that ran and differs is no error but a [`CaseResult`].
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The machine could not be built.
    #[error("cannot build the {machine} machine: {reason}")]
    Build {
        /// Name of the machine.
        machine: &'static str,
        /// What was wrong.
        reason: String,
    },
}

/// Runs `cases` in order and judges each; `progress` hears of every result as it comes.
pub fn run_cases(
    cases: &[Case],
    machine: MachineKind,
    options: &RunOptions,
    progress: &mut dyn FnMut(&CaseResult),
) -> Result<Vec<CaseResult>, MachineError> {
    let _ = (cases, options, progress);
    Err(MachineError::Build { machine: machine.name(), reason: "not assembled yet".into() })
}
