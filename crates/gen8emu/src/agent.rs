//! The guest's agent: takes what the kernel says of itself, and compares it with what the device sees.
//!
//! QEMU connects a virtio port of the guest to our socket (`serve --agent`). What comes is the
//! kernel's trace; what goes back is an answer to each program of the guest that waits for both
//! views to agree (docs/agent.md).

mod both;
mod recorded;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use observe::kernel::KernelSnapshot;
use observe::views::{Comparison, DeviceSnapshot};
use recording::Notes;

pub(crate) use both::{BothViews, Report};
use recorded::Noted;
pub(crate) use recorded::Replayed;

use crate::control::Held;
use crate::control::entries::each_entry;
use crate::control::socket::{ControlSocket, bind};

/// How long the views may take to agree at a settle point: i915 frees from workers, after a grace
/// period of RCU, and some of it when the GPU has been idle for a second.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often to look meanwhile, and how long a read may wait.
const PAUSE: Duration = Duration::from_millis(50);
/// Settle points that may wait at a time.
const MOST_WAITING: usize = 16;
/// Before the next agent is accepted when one could not be.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Both views of a device. Clones share them.
#[derive(Clone)]
pub(crate) struct Agent {
    device: Held,
    views: BothViews,
    /// Where what the agent says is noted, if the device is recorded.
    notes: Option<Notes>,
    /// How long the views may take to agree at a settle point.
    patience: Duration,
}

impl Agent {
    /// Of this device.
    pub(crate) fn of(views: BothViews, device: Held) -> Agent {
        Agent { device, views, notes: None, patience: PATIENCE }
    }

    /// The same, which notes what it hears in a recording, so that a replay has both views.
    pub(crate) fn noting(self, notes: Option<Notes>) -> Agent {
        Agent { notes, ..self }
    }

    /// Listens at `path`, which only our user can connect to, in the background until the process ends.
    pub(crate) fn listen(&self, path: &Path) -> Result<ControlSocket> {
        let listener =
            bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
        let socket = ControlSocket(path.to_owned());
        let agent = self.clone();
        thread::Builder::new()
            .name("agent".into())
            .spawn(move || agent.accept(&listener))
            .context("cannot start a thread")?;
        Ok(socket)
    }

    /// What both views say, at the settle points and now.
    pub(crate) fn report(&self) -> Report {
        let (_, now) = self.compare();
        self.views.report(now)
    }

    /// The device is locked for copies only, as tables are memory; but for one that is recorded.
    fn compare(&self) -> (KernelSnapshot, Comparison) {
        let (device, at_ns) = match &self.notes {
            Some(notes) => recorded::look(&self.device, &self.views.spaces, notes),
            None => {
                let memory = self.device.look(|gpu| gpu.memory().clone());
                let contents = self.views.spaces.contents(&memory);
                let mut ggtt = Vec::new();
                each_entry(&self.device, |_, entry| ggtt.push(entry));
                (DeviceSnapshot { contents, ggtt }, self.now_ns())
            }
        };
        self.views.compare(&device, at_ns)
    }

    /// Gives the device's story the kernel's word. What that reads gets into a recording.
    fn tell(&self, kernel: &KernelSnapshot, comparison: &Comparison) {
        let tell = || self.views.tell(kernel, comparison);
        match self.notes {
            Some(_) => self.device.look(|gpu| gpu.note_reads(|_| tell())),
            None => tell(),
        }
    }

    fn now_ns(&self) -> u64 {
        self.device.look(|gpu| gpu.now_ns())
    }

    /// One agent after the other: a machine has one.
    fn accept(&self, listener: &UnixListener) {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => {
                    if let Err(error) = self.serve(&stream) {
                        log::info!("the agent is gone: {error}");
                    }
                }
                Err(error) => {
                    log::warn!("cannot accept an agent: {error}");
                    thread::sleep(AFTER_FAILURE);
                }
            }
        }
    }

    /// Takes what one agent says until it goes.
    fn serve(&self, mut stream: &UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PAUSE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut chunk = vec![0; 64 << 10];
        let mut waiting = VecDeque::new();
        let mut looked = Instant::now();
        let mut noted = self.notes.as_ref().map(Noted::new);
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    let now_ns = recorded::note_said(&self.device, || {
                        if let Some(noted) = &mut noted {
                            noted.note(&chunk[..count]);
                        }
                    });
                    let asked = self.views.uses.take(&chunk[..count], now_ns);
                    let room = MOST_WAITING.saturating_sub(waiting.len());
                    waiting.extend(asked.into_iter().take(room).map(|name| (name, Instant::now())));
                }
                Err(error) if is_nothing_yet(&error) => {}
                Err(error) => return Err(error),
            }
            // While lines still come, things are hardly settled; but a guest never stops them all.
            if !waiting.is_empty() && looked.elapsed() >= PAUSE {
                self.settle(&mut stream, &mut waiting)?;
                looked = Instant::now();
            }
        }
    }

    /// Answers those who wait, if both views agree or they have waited for long enough.
    fn settle(
        &self,
        output: &mut impl Write,
        waiting: &mut VecDeque<(String, Instant)>,
    ) -> io::Result<()> {
        let (kernel, comparison) = self.compare();
        let is_over =
            |(_, since): &(String, Instant)| comparison.equal || since.elapsed() >= self.patience;
        if waiting.front().is_some_and(is_over) {
            self.tell(&kernel, &comparison);
        }
        while waiting.front().is_some_and(is_over) {
            let Some((name, since)) = waiting.pop_front() else { break };
            writeln!(output, "settled {name} {}", verdict(&comparison))?;
            let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            if let Some(notes) = &self.notes {
                recorded::note_settled(notes, &name, took_ms);
            }
            self.views.settled(name, took_ms, &comparison);
        }
        Ok(())
    }
}

/// As the guest's programs read it: the word `equal` alone is good.
fn verdict(comparison: &Comparison) -> String {
    let Comparison { equal, findings, more_findings, orphaned, .. } = comparison;
    match equal {
        true => "equal".into(),
        false => {
            let count = findings.len() + more_findings;
            format!("{count} differences, {orphaned} orphaned")
        }
    }
}

fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    use gpu_model::{Gpu, GpuConfig, GuestRam};
    use observe::story::StoryObserver;
    use observe::{AddressSpaces, UnboundUses};

    use super::*;

    /// A guest without memory, and its agent's end of the port.
    fn connected(test: &str) -> (Agent, UnixStream, ControlSocket) {
        let gpu = Gpu::new(GpuConfig::by_device_id(0x1616).unwrap(), GuestRam::empty());
        let device = Held::Still(Arc::new(Mutex::new(gpu)));
        let patience = Duration::from_millis(200);
        let story = Some(StoryObserver::new(""));
        let views = BothViews::new(UnboundUses::default(), AddressSpaces::new(), story);
        let agent = Agent { patience, ..Agent::of(views, device) };
        let name = format!("gen8emu-agent-{test}-{}", std::process::id());
        let path: PathBuf = std::env::temp_dir().join(name);
        let socket = agent.listen(&path).unwrap();
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        (agent, stream, socket)
    }

    fn answer(stream: &UnixStream) -> String {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }

    const SETTLE: &[u8] = b" x-9 [000] ..... 2.000001: tracing_mark_write: settle here\n";

    #[test]
    fn a_settle_point_is_answered_and_kept() {
        let (agent, mut stream, _socket) = connected("equal");
        stream.write_all(b"@agent 1 6.1\n").unwrap();
        stream.write_all(SETTLE).unwrap();
        assert_eq!(answer(&stream), "settled here equal\n");
        let report = agent.report();
        assert_eq!(report.agent.kernel.as_deref(), Some("6.1"));
        assert_eq!((report.settled.len(), &report.settled[0].name[..]), (1, "here"));
        assert!(report.now.equal);
    }

    #[test]
    fn an_agent_may_come_after_another_whatever_that_one_said() {
        let (agent, mut stream, socket) = connected("again");
        stream.write_all(&[0xff; 100_000]).unwrap();
        drop(stream);
        let mut stream = UnixStream::connect(&socket.0).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(b"\n@agent 1 6.1\n").unwrap();
        stream.write_all(SETTLE).unwrap();
        // What could not be read is not forgotten.
        assert_eq!(answer(&stream), "settled here 1 differences, 0 orphaned\n");
        let report = agent.report();
        assert_eq!((report.agent.errors, report.now.equal), (1, false));
        let story = agent.views.story.expect("set").story(0);
        assert_eq!(story.findings, report.settled[0].comparison.findings, "the story has them too");
    }
}
