//! Both views in a recording: what the agent said, and when the views were compared, so that a replay compares
//! the same at the same moments.

use gpu_model::Gpu;
use observe::AddressSpaces;
use observe::kernel::KernelSnapshot;
use observe::views::{Comparison, DeviceSnapshot};
use recording::Notes;

use super::{Agent, BothViews};
use crate::control::Held;

/// Kind of the notes that hold what the agent said.
const SAID: &str = "agent";
/// What a recording that lacks some of it is told, in the kernel's words: so nothing that is missing is believed.
const LOSS: &[u8] = b"\nCPU:0 [LOST 1 EVENTS]\n";
/// Kind of the notes that say that the views are compared now.
const COMPARED: &str = "views-compared";
/// Kind of the notes about a settle point that is over, by the last comparison: how many milliseconds it took, and
/// its name.
const SETTLED: &str = "views-settled";

/// What the agent just said is noted; gives device time, as a replay will know it.
pub(super) fn note_said(device: &Held, note: impl FnOnce()) -> u64 {
    device.look(|gpu| {
        note();
        gpu.now_ns()
    })
}

/// The device for a comparison, and its time. It stands still meanwhile, so that a replay finds the same.
pub(super) fn look(device: &Held, spaces: &AddressSpaces, notes: &Notes) -> (DeviceSnapshot, u64) {
    device.look(|gpu| {
        let contents = gpu.note_reads(|memory| spaces.contents(memory));
        notes.note(COMPARED, b"");
        (DeviceSnapshot { contents, ggtt: gpu.ggtt().entries().to_vec() }, gpu.now_ns())
    })
}

/// A settle point is over.
pub(super) fn note_settled(notes: &Notes, name: &str, took_ms: u64) {
    notes.note(SETTLED, format!("{took_ms} {name}").as_bytes());
}

/// What the agent says, on its way into a recording.
pub(super) struct Noted<'a> {
    notes: &'a Notes,
    /// Bytes that were not taken since the last that were.
    lacks: usize,
}

impl Noted<'_> {
    pub(super) fn new(notes: &Notes) -> Noted<'_> {
        Noted { notes, lacks: 0 }
    }

    pub(super) fn note(&mut self, said: &[u8]) {
        if self.lacks > 0 && self.notes.note(SAID, LOSS) {
            log::warn!("the recording lacks {} bytes of what the agent said", self.lacks);
            self.lacks = 0;
        }
        if self.lacks > 0 || !self.notes.note(SAID, said) {
            self.lacks += said.len();
        }
    }
}

/// Both views in a replay.
pub(crate) struct Replayed {
    views: BothViews,
    /// The last comparison.
    last: Option<(KernelSnapshot, Comparison)>,
    /// An agent was there.
    heard: bool,
}

impl Replayed {
    /// Nothing was said yet.
    pub(crate) fn new(views: BothViews) -> Replayed {
        Replayed { views, last: None, heard: false }
    }

    /// Takes a note of a recording; the device is as it was then.
    pub(crate) fn note(&mut self, gpu: &Gpu, kind: &str, content: &[u8]) {
        match kind {
            SAID => {
                self.views.uses.take(content, gpu.now_ns());
                self.heard = true;
            }
            COMPARED => {
                let contents = self.views.spaces.contents(gpu.memory());
                let ggtt = gpu.ggtt().entries().to_vec();
                let device = DeviceSnapshot { contents, ggtt };
                self.last = Some(self.views.compare(&device, gpu.now_ns()));
            }
            SETTLED => self.settled(&String::from_utf8_lossy(content)),
            _ => {}
        }
    }

    fn settled(&self, told: &str) {
        let (took_ms, name) = told.split_once(' ').unwrap_or((told, ""));
        if let (Some((kernel, comparison)), Ok(took_ms)) = (&self.last, took_ms.parse()) {
            self.views.tell(kernel, comparison);
            self.views.settled(name.to_owned(), took_ms, comparison);
        }
    }

    /// Answers for `device`, where the replay has stopped; None if there was no agent.
    pub(crate) fn into_agent(self, device: Held) -> Option<Agent> {
        self.heard.then(|| Agent::of(self.views, device))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufRead, BufReader, Cursor, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use gen8_spec::pte::PRESENT;
    use gpu_model::journal::{Input, Journal, Output};
    use gpu_model::{Event, GpuConfig, GuestRam, Observer};
    use observe::UnboundUses;
    use observe::kernel::KernelView;
    use ppgtt::PhysicalMemory;
    use recording::{Limits, Position, Recorder, RecorderHandle, Replay};

    use super::*;

    /// Bytes that a test can read when the recorder is gone.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An address space whose tables map one page, and another one that the engine has loaded since.
    fn loaded(spaces: &AddressSpaces, memory: &GuestRam) {
        for (table, next) in
            [(0x1000, 0x2000), (0x2000, 0x3000), (0x3000, 0x4000), (0x4000, 0x5000)]
        {
            assert!(memory.write_u64(table, next | PRESENT));
        }
        let engine = gen8_spec::engine::EngineId::Rcs;
        for root in [0x1000, 0x8000] {
            let pdps = [root, 0, 0, 0];
            spaces.clone().event(1, &Event::PdpLoaded { engine, levels: 4, pdps, context: 1 });
        }
    }

    fn views(spaces: &AddressSpaces) -> BothViews {
        BothViews::new(UnboundUses::default(), spaces.clone(), None)
    }

    /// What a guest's agent says, and each time what comes back; then the device's recording ends.
    fn live(agent: &Agent, gpu: &Arc<Mutex<Gpu>>, handle: RecorderHandle) -> Vec<String> {
        let path = std::env::temp_dir().join(format!("gen8emu-recorded-{}", std::process::id()));
        let socket = agent.listen(&path).unwrap();
        let stream = UnixStream::connect(&socket.0).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut lines = BufReader::new(&stream).lines();
        let mut settle = |name: &str| {
            let said = format!(" x-9 [000] ..... 2.000001: tracing_mark_write: settle {name}\n");
            (&stream).write_all(said.as_bytes()).unwrap();
            lines.next().unwrap().unwrap()
        };
        (&stream).write_all(b"@agent 1 6.1\n").unwrap();
        let answers = ["one", "two"].map(|name| {
            let answer = settle(name);
            // The CPU unmaps the page, which the device never reads.
            let memory = gpu.lock().unwrap().memory().clone();
            assert!(memory.write_u64(0x4000, 0));
            answer
        });
        gpu.lock().unwrap().set_journal(None);
        handle.finish().unwrap();
        answers.to_vec()
    }

    #[test]
    fn a_replay_has_the_settle_points_as_they_were() {
        let config = GpuConfig::by_device_id(0x1616).unwrap();
        let memory = GuestRam::anonymous(1 << 20).unwrap();
        let spaces = AddressSpaces::new();
        loaded(&spaces, &memory);
        let mut gpu = Gpu::new(config, memory);
        let file = Shared::default();
        let (recorder, handle) = Recorder::to(file.clone(), gpu.config()).unwrap();
        let notes = handle.notes();
        gpu.set_journal(Some(Box::new(recorder)));
        gpu.advance_to(1_000);
        let gpu = Arc::new(Mutex::new(gpu));
        let agent = Agent::of(views(&spaces), Held::Still(Arc::clone(&gpu))).noting(Some(notes));
        let agent = Agent { patience: Duration::from_millis(1), ..agent };
        let answers = live(&agent, &gpu, handle);
        assert_eq!(
            answers,
            ["settled one 2 differences, 2 orphaned", "settled two 1 differences, 1 orphaned"]
        );

        let file = Cursor::new(file.0.lock().unwrap().clone());
        let mut replay = Replay::new(file, Limits::default()).unwrap();
        let mut replayed = Replayed::new(views(&spaces));
        let mut note = |gpu: &Gpu, kind: &str, content: &[u8]| replayed.note(gpu, kind, content);
        replay.run(Position::End, &mut note).unwrap();
        let device = Held::Still(Arc::new(Mutex::new(replay.into_gpu())));
        let again = replayed.into_agent(device).expect("it was heard").report();
        let json = |report| serde_json::to_value(report).unwrap();
        let (live, again) = (json(agent.report()), json(again));
        assert_eq!(live["settled"].as_array().map(Vec::len), Some(2));
        assert_eq!(live["settled"], again["settled"]);
        assert_eq!(live["agent"], again["agent"]);
    }

    const SETTLE: &[u8] = b" x-9 [000] ..... 2.000001: tracing_mark_write: settle here\n";

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
