//! An instance of the kernel's trace for us alone, with the events of i915 that tell of lifetimes.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::{Error, Result};

const TRACEFS: &str = "/sys/kernel/tracing";
const INSTANCE: &str = "/sys/kernel/tracing/instances/gen8-agent";
/// The events that tell who begins and ends, of the group `i915`. What a kernel lacks is told to
/// the host: no kernel is sold short for an event that it never had.
const EVENTS: [&str; 16] = [
    "i915_ppgtt_create",
    "i915_ppgtt_release",
    "i915_context_create",
    "i915_context_free",
    "i915_vma_bind",
    "i915_vma_unbind",
    "i915_gem_object_create",
    "i915_gem_object_destroy",
    "i915_gem_shrink",
    "i915_gem_evict",
    "i915_gem_evict_node",
    "i915_gem_evict_vm",
    "i915_request_add",
    "i915_request_retire",
    "i915_request_in",
    "i915_request_out",
];
/// KiB for each CPU: some 80000 events wait here when the host is slow.
const BUFFER_KIB: &str = "8192";

/// The running trace.
pub(crate) struct Trace {
    pipe: File,
    marker: File,
    /// Events that this kernel does not have.
    pub(crate) lacking: Vec<&'static str>,
}

impl Trace {
    /// Begins it; with `stacks` each event is followed by the kernel's stack.
    pub(crate) fn start(stacks: bool) -> Result<Trace> {
        let known = Path::new(TRACEFS).join("events/i915");
        let (there, lacking): (Vec<_>, Vec<_>) =
            EVENTS.into_iter().partition(|event| known.join(event).exists());
        if there.is_empty() {
            return Err(Error::NoEvents);
        }
        fs::remove_dir(INSTANCE).ok(); // of an agent before us
        fs::create_dir(INSTANCE).map_err(Error::file(INSTANCE))?;
        write("buffer_size_kb", BUFFER_KIB)?;
        // One clock for all CPUs, and one that programs of the guest can read as well.
        write("trace_clock", "mono")?;
        // Kernels before 5.12 have no such option: there a pointer is a hash, which names as well.
        write("trace_options", "nohash-ptr").ok();
        if stacks {
            write("trace_options", "stacktrace")?;
        }
        let pipe = open("trace_pipe", OpenOptions::new().read(true))?;
        let marker = open("trace_marker", OpenOptions::new().write(true))?;
        for event in there {
            write(&format!("events/i915/{event}/enable"), "1")?;
        }
        Ok(Trace { pipe, marker, lacking })
    }

    /// What has happened since, as far as it fits; 0 bytes if nothing has.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self.pipe.read(buffer) {
            Ok(count) => Ok(count),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(0)
            }
            Err(error) => Err(Error::File { path: path("trace_pipe"), error }),
        }
    }

    /// Puts words of ours between the events. The kernel takes one write as one event.
    pub(crate) fn say(&mut self, words: &str) -> Result<()> {
        self.marker.write_all(words.as_bytes()).map_err(Error::file(path("trace_marker")))
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(INSTANCE).join(name)
}

fn write(name: &str, value: &str) -> Result<()> {
    fs::write(path(name), value).map_err(Error::file(path(name)))
}

/// Opens a file of the instance such that nothing waits.
fn open(name: &str, options: &mut OpenOptions) -> Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    options.custom_flags(flags).open(path(name)).map_err(Error::file(path(name)))
}
