//! One guest from power-on to its exit status.

use std::time::Duration;

use board::BootInfo;
use vm_memory::{Bytes, GuestAddress};

use super::bus::BoardBus;
use super::error::{KvmError, exit_meaning};
use super::loader;
use super::vcpu::{self, Progress};
use super::vm::Vm;

/// How a guest is booted.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// Bytes of guest RAM.
    pub ram_size: u64,
    /// How much the firmware logs on COM1.
    pub log_level: log::LevelFilter,
    /// A guest that prints no line for so long is ended.
    pub silence_limit: Duration,
}

impl Default for BootOptions {
    fn default() -> Self {
        BootOptions {
            ram_size: board::RAM_SIZE,
            log_level: log::LevelFilter::Warn,
            silence_limit: Duration::from_secs(60),
        }
    }
}

/// Boots `firmware` with `command_line` and runs it to its end; `on_line` gets every line that it
/// prints on COM1. An error status of the firmware is an error here.
pub fn boot(
    firmware: &[u8],
    command_line: &str,
    options: &BootOptions,
    mut on_line: impl FnMut(&str),
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
    let ram_error =
        |error: vm_memory::GuestMemoryError| KvmError::Ram { bytes: 0, reason: error.to_string() };
    vm.memory().write_slice(&bytes, GuestAddress(board::BOOT_INFO)).map_err(ram_error)?;

    let mut last_line = String::new();
    let make_bus = |progress: Progress<String>| BoardBus::new(move |line| progress.send(line));
    let status = vcpu::run(vcpu, make_bus, options.silence_limit, |line| {
        on_line(&line);
        last_line = line;
    })?;
    match status {
        Some(board::EXIT_OK) => Ok(()),
        Some(status) => {
            Err(KvmError::ExitStatus { status, meaning: exit_meaning(status), last_line })
        }
        None => Err(KvmError::TimeLimit { limit: options.silence_limit, last_line }),
    }
}
