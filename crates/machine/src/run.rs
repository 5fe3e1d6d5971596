//! Running cases on a machine.

use gen8_spec::sku::{self, Sku};
use gpu_model::GpuConfig;
use observe::provenance::Provenance;
use observe::story::{Story, StoryObserver};
use observe::{Census, CensusLog, Findings, Observers, Staleness, UseAfter};
use recording::{RecordError, TableNotes};
use scenarios::Case;

use crate::cpu_ram::CpuWrite;
use crate::in_process::{self, InProcess};
use crate::judge::{CaseResult, DeviceMoment, Observation, judge, label_name};
use crate::kind::MachineKind;
use crate::kvm::{self, BootOptions, GuestResult, KvmError};
use crate::record::Recordings;

/// What a run may vary beside the cases.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The part to emulate.
    pub sku: Sku,
    /// What the driver and the scenarios are told besides. In process only, but for the bug: the guest has its
    /// own.
    pub scenario: scenarios::Options,
    /// Tell a story of each case ([`CaseResult::story`]), which makes it slower.
    pub stories: bool,
    /// Defects of the device.
    pub device_mutations: gpu_model::Mutations,
    /// The guest's image, for KVM.
    pub firmware: Vec<u8>,
    /// Whether uses of what is gone, or out of date, are looked for in process ([`UseAfter`],
    /// [`Staleness`]); without it only the census looks. On KVM uses of what is gone always are.
    pub watch_uses: bool,
    /// What goes into the GPUs is recorded there.
    pub recordings: Option<Recordings>,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            sku: sku::by_device_id(DEFAULT_DEVICE_ID).unwrap_or(sku::SKUS[0]),
            scenario: scenarios::Options::default(),
            stories: false,
            device_mutations: gpu_model::Mutations::default(),
            firmware: Vec::new(),
            watch_uses: true,
            recordings: None,
        }
    }
}

/// A GT2 ULT part: the most common Broadwell.
const DEFAULT_DEVICE_ID: u16 = 0x1616;

/// Why cases could not be run. A case that ran and differs is no error but a [`CaseResult`].
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The host has no memory for the machine.
    #[error("cannot build the in-process machine: {0}")]
    InProcess(#[from] gpu_model::memory::MemoryError),
    /// The KVM machine could not be built, or did not end as it should.
    #[error(transparent)]
    Kvm(#[from] KvmError),
    /// There is no recording to be had.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A guest that was to run a case did not.
    #[error("the guest reported no case")]
    NoReport,
    /// The guest cannot be given defects, seeds or counts.
    #[error("defects, seeds and counts are for the in-process machine only")]
    OptionsOnKvm,
}

/// Runs `cases` in order and judges each; `progress` hears of every result as it comes.
///
/// # Errors
/// A machine could not be built. Cases that ran before are lost.
pub fn run_cases(
    cases: &[Case],
    machine: MachineKind,
    options: &RunOptions,
    progress: &mut dyn FnMut(&CaseResult),
) -> Result<Vec<CaseResult>, MachineError> {
    match machine {
        MachineKind::InProcess => cases
            .iter()
            .map(|case| {
                let (observation, story) = run_telling(case, options)?;
                let result = judge(machine, &options.scenario, &observation).with_story(story);
                progress(&result);
                Ok(result)
            })
            .collect(),
        MachineKind::Kvm => run_on_kvm(cases, options, progress),
    }
}

fn run_on_kvm(
    cases: &[Case],
    options: &RunOptions,
    progress: &mut dyn FnMut(&CaseResult),
) -> Result<Vec<CaseResult>, MachineError> {
    let mut results = Vec::with_capacity(cases.len());
    observe_on_kvm(cases, options, &mut |observation, story| {
        let result = judge(MachineKind::Kvm, &options.scenario, &observation).with_story(story);
        progress(&result);
        results.push(result);
    })?;
    Ok(results)
}

/// Runs `cases` in order in guests; `on_case` hears of every one as it comes.
///
/// # Errors
/// The machine could not be built, or an option is asked for that no guest can be given.
pub(crate) fn observe_on_kvm(
    cases: &[Case],
    options: &RunOptions,
    on_case: &mut dyn FnMut(Observation, Option<Story>),
) -> Result<(), MachineError> {
    let bug = options.scenario.bug;
    if options.scenario != (scenarios::Options { bug, ..scenarios::Options::default() }) {
        return Err(MachineError::OptionsOnKvm);
    }
    let boot = BootOptions {
        log_level: log::max_level().max(log::LevelFilter::Warn),
        stories: options.stories,
        recordings: options.recordings.clone(),
        bug,
        ..BootOptions::new(gpu_config(options))
    };
    kvm::run_cases(
        &options.firmware,
        cases,
        &boot,
        &mut |line| log::info!(target: "guest", "{line}"),
        &mut |GuestResult { report, census, observed, story }| {
            let observation = Observation {
                report: report.clone(),
                census: census.iter().map(DeviceMoment::from).collect(),
                machine_findings: Vec::new(),
                observed: observed.clone(),
            };
            on_case(observation, story.clone());
        },
    )?;
    Ok(())
}

fn gpu_config(options: &RunOptions) -> GpuConfig {
    GpuConfig { mutations: options.device_mutations, ..GpuConfig::new(options.sku) }
}

/// Runs one case on a machine of its own in this thread.
///
/// # Errors
/// The machine could not be built.
pub fn run_in_process(case: &Case, options: &RunOptions) -> Result<Observation, MachineError> {
    run_telling(case, options).map(|(observation, _)| observation)
}

/// The same with the story of the case, if that is asked for.
pub(crate) fn run_telling(
    case: &Case,
    options: &RunOptions,
) -> Result<(Observation, Option<Story>), MachineError> {
    let log = CensusLog::new();
    let provenance = Provenance::new();
    let staleness = Staleness::new(provenance.clone());
    let (mut watching, mut teller) = (None, None);
    let config = gpu_config(options);
    let begin = |recordings: &Recordings| recordings.begin(&config, &case.to_string());
    let journal = options.recordings.as_ref().map(begin).transpose()?;
    let is_recorded = journal.is_some();
    let mut machine = InProcess::with_journal(config, in_process::RAM_SIZE, journal, |memory| {
        let mut observers = Observers::new();
        if options.watch_uses || options.stories {
            observers.push(provenance.clone());
        }
        if options.watch_uses {
            observers.push(staleness.clone());
            observers.push(watching.insert(UseAfter::new(memory.clone())).clone());
        }
        observers.push(Census::new(memory.clone(), log.clone()));
        if options.stories {
            teller = Some(tell_story(&mut observers, options.sku, &provenance));
        }
        if is_recorded {
            observers.push(TableNotes::new());
        }
        Some(Box::new(observers))
    })?;
    if options.watch_uses || options.stories {
        machine.tell_cpu_writes(move |CpuWrite { now_ns, address, len, value }| {
            provenance.note_cpu_write(now_ns, address, len, value);
        });
    }
    let report = scenarios::run(&mut machine, case, &options.scenario);
    let observation = Observation {
        report,
        census: log.take().iter().map(DeviceMoment::from).collect(),
        machine_findings: unreturned(&machine),
        observed: [
            watching.map_or_else(Vec::new, |observer| observer.findings()),
            staleness.findings(),
        ]
        .concat(),
    };
    Ok((observation, teller.and_then(|teller| teller.take().pop())))
}

/// Adds the observer that tells the stories of cases, behind `provenance`.
pub(crate) fn tell_story(
    observers: &mut Observers,
    sku: Sku,
    provenance: &Provenance,
) -> StoryObserver {
    let teller = StoryObserver::new(&sku.to_string())
        .with_labels(label_name)
        .with_provenance(provenance.clone());
    observers.push(teller.clone());
    teller
}

/// What the driver did wrong with the machine's DMA pages.
fn unreturned(machine: &InProcess) -> Vec<String> {
    let mut findings = Vec::new();
    if machine.pages_in_use() != 0 {
        findings.push(format!("{} DMA pages were never freed", machine.pages_in_use()));
    }
    if machine.wrong_frees() != 0 {
        findings.push(format!("{} frees of pages not allocated", machine.wrong_frees()));
    }
    findings
}
