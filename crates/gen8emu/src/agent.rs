//! The guest's agent: takes what the kernel says of itself, and compares it with what the device sees.
//!
//! QEMU connects a virtio port of the guest to our socket (`serve --agent`). What comes is the
//! kernel's trace; what goes back is an answer to each program of the guest that waits for both
//! views to agree (docs/agent.md).

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use observe::kernel::{KernelSnapshot, Stream};
use observe::story::StoryObserver;
use observe::views::{Comparison, DeviceSnapshot, Views};
use observe::{AddressSpaces, UnboundUses, UsesReport};
use recording::Notes;
use serde::Serialize;

use crate::control::Held;
use crate::control::entries::each_entry;
use crate::control::socket::{ControlSocket, bind};

/// How long the views may take to agree at a settle point: i915 frees from workers, after a grace
/// period of RCU, and some of it when the GPU has been idle for a second.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often to look meanwhile, and how long a read may wait.
const PAUSE: Duration = Duration::from_millis(50);
/// Kind of the notes in a recording that hold what the agent said.
pub(crate) const NOTE: &str = "agent";
/// What a recording that lacks some of it is told, in the kernel's words: so nothing that is missing is believed.
const LOSS: &[u8] = b"\nCPU:0 [LOST 1 EVENTS]\n";
/// Settle points that are kept, and that may wait at a time.
const MOST_SETTLED: usize = 1024;
const MOST_WAITING: usize = 16;
/// Orphans of a settle point that are told by number.
const MOST_ORPHANS: usize = 64;
/// Before the next agent is accepted when one could not be.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Both views. Clones share them.
#[derive(Clone)]
pub(crate) struct Agent {
    device: Held,
    spaces: AddressSpaces,
    /// The kernel's view, and uses of what it unbound.
    uses: UnboundUses,
    compared: Arc<Mutex<Compared>>,
    /// Takes the kernel's word at settle points.
    story: Option<StoryObserver>,
    /// Where what the agent says is noted, if the device is recorded.
    notes: Option<Notes>,
    /// How long the views may take to agree at a settle point.
    patience: Duration,
}

#[derive(Default)]
struct Compared {
    views: Views,
    settled: VecDeque<SettlePoint>,
    forgotten: u64,
}

/// A moment at which a program of the guest let things settle.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SettlePoint {
    /// As the program called it.
    name: String,
    /// How long it took until both views agreed, or until we gave up.
    took_ms: u64,
    #[serde(flatten)]
    comparison: Comparison,
}

/// The answer to `views`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What is known of the agent's stream.
    agent: Stream,
    /// The settle points so far.
    settled: Vec<SettlePoint>,
    /// Older ones that were too many.
    forgotten: u64,
    /// Both views now. Where things are under way, differences are no faults.
    now: Comparison,
    /// Uses of what the kernel unbound or destroyed.
    uses: UsesReport,
}

impl Agent {
    /// Of `device`, of the address spaces that it loaded, and of the kernel that `uses` hears of.
    pub(crate) fn new(uses: UnboundUses, device: Held, spaces: AddressSpaces) -> Agent {
        let (compared, story, notes) = Default::default();
        Agent { device, spaces, uses, compared, story, notes, patience: PATIENCE }
    }

    /// The same, which notes what it hears in a recording, so that a replay has both views.
    pub(crate) fn noting(self, notes: Option<Notes>) -> Agent {
        Agent { notes, ..self }
    }

    /// The same, which gives a story of the device the kernel's word for its address spaces.
    pub(crate) fn telling(self, story: Option<StoryObserver>) -> Agent {
        Agent { story, ..self }
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
        let compared = self.compared();
        let settled = compared.settled.iter().cloned().collect();
        let agent = self.uses.kernel().snapshot().stream;
        let uses = self.uses.report();
        Report { agent, settled, forgotten: compared.forgotten, now, uses }
    }

    /// The device is locked for copies only: tables are memory.
    fn compare(&self) -> (KernelSnapshot, Comparison) {
        let kernel = self.uses.kernel().snapshot();
        let memory = self.device.look(|gpu| gpu.memory().clone());
        let contents = self.spaces.contents(&memory);
        let mut ggtt = Vec::new();
        each_entry(&self.device, |_, entry| ggtt.push(entry));
        let device = DeviceSnapshot { contents, ggtt };
        let at_ns = self.now_ns();
        let comparison = self.compared().views.compare(&kernel, &device, at_ns);
        (kernel, comparison)
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
                    if let Some(noted) = &mut noted {
                        noted.note(&chunk[..count]);
                    }
                    let asked = self.uses.take(&chunk[..count], self.now_ns());
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
        if let Some(story) = self.story.as_ref().filter(|_| waiting.front().is_some_and(is_over)) {
            story.kernel_says(comparison.at_ns, &kernel, &comparison);
        }
        while waiting.front().is_some_and(is_over) {
            let Some((name, since)) = waiting.pop_front() else { break };
            writeln!(output, "settled {name} {}", verdict(&comparison))?;
            let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let mut compared = self.compared();
            // Which address spaces there were is for those who ask about now.
            let (spaces, orphans) =
                (Vec::new(), comparison.orphans.iter().copied().take(MOST_ORPHANS));
            let comparison =
                Comparison { spaces, orphans: orphans.collect(), ..comparison.clone() };
            compared.settled.push_back(SettlePoint { name, took_ms, comparison });
            if compared.settled.len() > MOST_SETTLED {
                compared.settled.pop_front();
                compared.forgotten += 1;
            }
        }
        Ok(())
    }

    fn compared(&self) -> MutexGuard<'_, Compared> {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the agent says, on its way into a recording.
struct Noted<'a> {
    notes: &'a Notes,
    /// Bytes that were not taken since the last that were.
    lacks: usize,
}

impl Noted<'_> {
    fn new(notes: &Notes) -> Noted<'_> {
        Noted { notes, lacks: 0 }
    }

    fn note(&mut self, said: &[u8]) {
        if self.lacks > 0 && self.notes.note(NOTE, LOSS) {
            log::warn!("the recording lacks {} bytes of what the agent said", self.lacks);
            self.lacks = 0;
        }
        if self.lacks > 0 || !self.notes.note(NOTE, said) {
            self.lacks += said.len();
        }
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

    use gpu_model::journal::{Input, Journal, Output};
    use gpu_model::{Gpu, GpuConfig, GuestRam};
    use observe::kernel::KernelView;
    use recording::Recorder;

    use super::*;

    /// A guest without memory, and its agent's end of the port.
    fn connected(test: &str) -> (Agent, UnixStream, ControlSocket) {
        let gpu = Gpu::new(GpuConfig::by_device_id(0x1616).unwrap(), GuestRam::empty());
        let device = Held::Still(Arc::new(Mutex::new(gpu)));
        let patience = Duration::from_millis(200);
        let agent = Agent::new(UnboundUses::default(), device, AddressSpaces::new());
        let agent = agent.telling(Some(StoryObserver::new("")));
        let agent = Agent { patience, ..agent };
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
        let story = agent.story.expect("set").story(0);
        assert_eq!(story.findings, report.settled[0].comparison.findings, "the story has them too");
    }

    #[test]
    fn what_a_recording_does_not_take_is_a_loss_in_it() {
        let config = GpuConfig::by_device_id(0x1616).unwrap();
        let (mut recorder, handle) = Recorder::to(io::sink(), &config).unwrap();
        let notes = handle.notes();
        let mut noted = Noted::new(&notes);
        // The device does nothing, so all of it waits.
        (0..200).for_each(|_| noted.note(&[b'x'; 64 << 10]));
        assert!(noted.lacks > 0);
        recorder.begin(&Input::Note);
        recorder.end(Output::None);
        noted.note(b"more");
        assert_eq!(noted.lacks, 0, "the loss is told, and what came behind it");
        let kernel = KernelView::new();
        for said in [&b" x-9 [000] ..... 2.0000"[..], LOSS, SETTLE] {
            kernel.take(said, 0);
        }
        let stream = kernel.snapshot().stream;
        assert_eq!(
            (stream.lost, stream.events),
            (1, 1),
            "what was begun is no part of what follows"
        );
    }
}
