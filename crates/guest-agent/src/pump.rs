//! From the trace to the port, and answers back.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::error::Result;
use crate::port::Port;
use crate::service::Service;
use crate::trace::Trace;

/// The version of what is said.
const VERSION: u32 = 1;
/// How long to rest when nothing happens.
const PAUSE: Duration = Duration::from_millis(20);
/// Bytes that are taken of the trace at a time.
const CHUNK: usize = 32 << 10;

/// All that runs.
pub(crate) struct Pump {
    trace: Trace,
    port: Port,
    service: Service,
}

impl Pump {
    /// Begins the trace, and greets the host.
    pub(crate) fn start(stacks: bool) -> Result<Pump> {
        let mut port = Port::open()?;
        let service = Service::listen()?;
        let trace = Trace::start(stacks)?;
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        port.put(greeting(release.trim(), &trace.lacking).as_bytes());
        Ok(Pump { trace, port, service })
    }

    /// Goes on until a file of the kernel's fails.
    pub(crate) fn run(&mut self) -> Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            for name in self.service.requests() {
                self.trace.say(&format!("settle {name}"))?;
            }
            let mut busy = false;
            if self.port.has_room() {
                let count = self.trace.read(&mut chunk)?;
                self.port.put(chunk.get(..count).unwrap_or_default());
                busy |= count > 0;
            }
            busy |= self.port.flush()?;
            for line in self.port.lines() {
                self.service.answer(&line);
            }
            if !busy {
                thread::sleep(PAUSE);
            }
        }
    }
}

/// The first lines: who speaks, of which kernel, and what that kernel does not trace. They begin with a line's end, as
/// an agent before us may have gone in the middle of one.
fn greeting(release: &str, lacking: &[&str]) -> String {
    let mut text = format!("\n@agent {VERSION} {release}\n");
    for event in lacking {
        text.push_str(&format!("@lacks {event}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_names_the_kernel_and_what_it_lacks() {
        assert_eq!(
            greeting("6.1.0-50-amd64", &["i915_request_in", "i915_request_out"]),
            "\n@agent 1 6.1.0-50-amd64\n@lacks i915_request_in\n@lacks i915_request_out\n"
        );
    }
}
