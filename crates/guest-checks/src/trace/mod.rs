//! The kernel's own account of address spaces: i915's tracepoints, in a trace of our own.

mod event;
mod ledger;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use self::event::Line;
pub(crate) use self::ledger::{Balance, Balances, Ledger, Vm};
use crate::error::{Error, Result};
use crate::{agent, files};

/// tracefs, and our instance in it.
const TRACEFS: &str = "/sys/kernel/tracing";
const INSTANCE: &str = "/sys/kernel/tracing/instances/gen8-checks";
/// The events that count, of the group `i915`.
const EVENTS: [&str; 6] = [
    "i915_ppgtt_create",
    "i915_ppgtt_release",
    "i915_vma_bind",
    "i915_vma_unbind",
    "i915_context_create",
    "i915_context_free",
];
/// KiB for each CPU: some 40000 events.
const BUFFER_KIB: &str = "4096";

/// Why the kernel's account cannot be had; `None` if it can.
pub(crate) fn unavailable() -> Option<String> {
    let events = Path::new(TRACEFS).join("events/i915");
    let missing = EVENTS.iter().find(|event| !events.join(event).exists())?;
    Some(format!("{} has no {missing}: no tracefs, or a kernel without it", events.display()))
}

/// A running trace; ends with this value.
pub(crate) struct Trace {
    pipe: File,
    /// The end of what was read, if it is no whole line.
    rest: Vec<u8>,
    pub(crate) ledger: Ledger,
    /// Events that were overwritten before they were read.
    lost: u64,
    /// Events that could not be understood.
    garbled: u64,
}

impl Trace {
    /// Begins a trace in an instance of our own.
    pub(crate) fn start() -> Result<Trace> {
        let instance = Path::new(INSTANCE);
        fs::remove_dir(instance).ok(); // of a run that was cut short
        fs::create_dir(instance).map_err(|error| Error::file(instance, error))?;
        files::write(&in_instance("buffer_size_kb"), BUFFER_KIB)?;
        // One clock for all CPUs.
        files::write(&in_instance("trace_clock"), "global")?;
        // Kernels before 5.12 have no such option; there pointers are hashed, which does as well
        // once the kernel has random numbers.
        files::write(&in_instance("trace_options"), "nohash-ptr").ok();
        for event in EVENTS {
            files::write(&in_instance("events/i915").join(event).join("enable"), "1")?;
        }
        let path = in_instance("trace_pipe");
        let pipe = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)
            .map_err(|error| Error::file(&path, error))?;
        let (rest, ledger) = (Vec::new(), Ledger::default());
        Ok(Trace { pipe, rest, ledger, lost: 0, garbled: 0 })
    }

    /// Takes in what has happened since.
    pub(crate) fn read(&mut self) -> Result<()> {
        let mut chunk = [0; 16 << 10];
        loop {
            match self.pipe.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => self.take(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::file(&in_instance("trace_pipe"), error)),
            }
        }
    }

    /// Fails unless all that happened was seen and understood.
    pub(crate) fn expect_complete(&self) -> Result<()> {
        match (self.lost, self.garbled) {
            (0, 0) => Ok(()),
            (0, garbled) => Err(Error::Wrong(format!(
                "{garbled} events cannot be read: does the kernel hide its pointers?"
            ))),
            (lost, _) => Err(Error::Wrong(format!("the trace lost {lost} events"))),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else { return };
        let lines: Vec<u8> = self.rest.drain(..=end).collect();
        for line in String::from_utf8_lossy(&lines).lines() {
            match event::parse(line) {
                Line::Event(event) => self.ledger.take(event),
                Line::Lost(count) => self.lost += count,
                Line::Garbled => self.garbled += 1,
                Line::Other => {}
            }
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        for event in EVENTS {
            files::write(&in_instance("events/i915").join(event).join("enable"), "0").ok();
        }
        // The pipe is still open, so the instance itself goes with the next trace.
    }
}

/// Says into the trace that the next context that this thread makes is going to mark its address
/// space with `mark`.
pub(crate) fn announce(mark: u32) -> Result<()> {
    announce_to_agent(mark)?;
    let path = in_instance("trace_marker");
    let mut marker =
        OpenOptions::new().write(true).open(&path).map_err(|error| Error::file(&path, error))?;
    // The kernel takes one write as one event.
    let text = format!("{}{mark}\n", ledger::ANNOUNCEMENT);
    marker.write_all(text.as_bytes()).map_err(|error| Error::file(&path, error))
}

/// The same to the agent, where there is one.
pub(crate) fn announce_to_agent(mark: u32) -> Result<()> {
    agent::say(&format!("{}{mark}\n", ledger::ANNOUNCEMENT))
}

fn in_instance(name: &str) -> PathBuf {
    Path::new(INSTANCE).join(name)
}
