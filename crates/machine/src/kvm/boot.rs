//! One guest from power-on to its exit status.

use std::sync::Arc;
use std::time::Duration;

use board::BootInfo;
use driver::Bug;
use gpu_model::{Gpu, GpuConfig, GuestRam};
use gpu_thread::{Device, DeviceThread};
use observe::provenance::Provenance;
use observe::story::Story;
use observe::{Census, CensusLog, CensusSnapshot, Finding, Observers, UseAfter};
use recording::TableNotes;
use vm_memory::{Bytes, GuestAddress};

use super::bus::BoardBus;
use super::error::{KvmError, exit_meaning};
use super::irq::KvmInterrupts;
use super::loader;
use super::pci_bus::PciBus;
use super::vcpu::{self, End, Progress};
use super::vm::Vm;
use crate::record::Recordings;
use crate::run::tell_story;

/// How a guest is booted.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// The GPU at 00:02.0.
    pub gpu: GpuConfig,
    /// Bytes of guest RAM.
    pub ram_size: u64,
    /// How much the firmware logs on COM1.
    pub log_level: log::LevelFilter,
    /// Whether stories are told ([`Line::story`]).
    pub stories: bool,
    /// Who hears of the device's writes, with the CPU's instruction pointers. Stories need one: without it
    /// they have one of their own.
    pub provenance: Option<Provenance>,
    /// What goes into the GPU is recorded there.
    pub recordings: Option<Recordings>,
    /// A bug that is planted in the guest's driver.
    pub bug: Option<Bug>,
    /// A guest that reports no case for so long is ended, whatever it logs.
    pub case_limit: Duration,
}

impl BootOptions {
    /// The board's usual RAM, warnings, and a minute: what a case takes where KVM emulates
    /// every instruction, several times over.
    pub fn new(gpu: GpuConfig) -> Self {
        BootOptions {
            gpu,
            ram_size: board::RAM_SIZE,
            log_level: log::LevelFilter::Warn,
            stories: false,
            provenance: None,
            recordings: None,
            bug: None,
            case_limit: Duration::from_secs(60),
        }
    }
}

/// A line that the guest printed on COM1.
pub struct Line {
    /// The line without its end.
    pub text: String,
    /// The device's censuses since the line before.
    pub census: Vec<CensusSnapshot>,
    /// Uses of what is gone since the line before.
    pub observed: Vec<Finding>,
    /// What the last driver instance did, with a line that looks like a report.
    pub story: Option<Story>,
}

/// Whether a line looks like the report of a case.
fn is_report(text: &str) -> bool {
    text.starts_with('{')
}

/// Boots `firmware` with `command_line` and runs it to its end; `on_line` gets every line that it
/// prints on COM1. An error status of the firmware is an error here.
pub fn boot(
    firmware: &[u8],
    command_line: &str,
    options: &BootOptions,
    mut on_line: impl FnMut(Line),
) -> Result<(), KvmError> {
    let vm = Vm::new(options.ram_size)?;
    let entry = loader::load(firmware, vm.memory(), options.ram_size)?;
    let vcpu = vm.create_vcpu(entry)?;
    let tsc_khz = vcpu.get_tsc_khz().map_err(KvmError::host("read the TSC's frequency"))?;
    let info = BootInfo {
        ram_size: options.ram_size,
        tsc_khz: u64::from(tsc_khz),
        log_level: options.log_level as u64,
        command_line,
    };
    let bytes = info.encode().map_err(|_| KvmError::CommandLine(command_line.len()))?;
    let ram_error = |reason: String| KvmError::Ram { bytes: options.ram_size, reason };
    vm.memory()
        .write_slice(&bytes, GuestAddress(board::BOOT_INFO))
        .map_err(|error| ram_error(error.to_string()))?;

    let census = CensusLog::new();
    let ram = GuestRam::new(vm.memory().clone()).map_err(|error| ram_error(error.to_string()))?;
    let mut gpu = Gpu::new(options.gpu.clone(), ram);
    let begin = |recordings: &Recordings| recordings.begin(gpu.config(), command_line);
    let journal = options.recordings.as_ref().map(begin).transpose()?;
    let is_recorded = journal.is_some();
    gpu.set_journal(journal);
    // What observers read gets into the recording, so that those of a replay can read it.
    let ram = gpu.observed_memory().clone();
    let uses = UseAfter::new(ram.clone());
    let mut observers = Observers::new().with(Census::new(ram, census.clone())).with(uses.clone());
    let wanted = options.stories.then(Provenance::new);
    let provenance = options.provenance.clone().or(wanted);
    if let Some(provenance) = &provenance {
        observers.push(provenance.clone());
    }
    let told = provenance.as_ref().filter(|_| options.stories);
    let teller = told.map(|told| tell_story(&mut observers, options.gpu.sku, told));
    if is_recorded {
        observers.push(TableNotes::new());
    }
    gpu.set_observer(Some(Box::new(observers)));
    let interrupts = KvmInterrupts::new(vm.interrupt_handle());
    let device = Arc::new(Device::new(gpu, Box::new(interrupts)));
    let thread = DeviceThread::start(Arc::clone(&device))?;

    let mut last_line = String::new();
    // One report a case: a guest that prints more of them makes no progress.
    let mut reports_due = command_line.lines().count();
    let make_bus = |progress: Progress<Line>| {
        BoardBus::new(PciBus::new(device), provenance, move |text| {
            let teller = teller.as_ref().filter(|_| is_report(&text));
            let story = teller.and_then(|teller| teller.take().pop());
            progress.send(Line { text, census: census.take(), observed: uses.take(), story });
        })
    };
    let end = vcpu::run(vcpu, make_bus, options.case_limit, |line| {
        let is_report = is_report(&line.text) && reports_due > 0;
        reports_due -= usize::from(is_report);
        last_line.clone_from(&line.text);
        on_line(line);
        is_report
    });
    thread.stop()?;
    match end? {
        End::Exit(board::EXIT_OK) => Ok(()),
        End::Exit(status) => {
            Err(KvmError::ExitStatus { status, meaning: exit_meaning(status), last_line })
        }
        End::Stopped { rip } => {
            Err(KvmError::TimeLimit { limit: options.case_limit, rip, last_line })
        }
    }
}
