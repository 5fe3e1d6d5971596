//! What recordings tell: the device is run from them with observers.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gpu_model::Gpu;
use observe::StockGuest;
use observe::story::Story;
use recording::{Limits, Position, Replay};
use report::{Aub, Runs};

use super::arguments::Source;
use crate::agent::{BothViews, Replayed};
use crate::control::Watch;

/// Letters with which a file of stories may begin. No recording does.
const JSON: &[u8] = b"{[ \t\r\n";

/// A recording, to be run once.
pub(super) struct Recorded {
    path: PathBuf,
    replay: Replay<BufReader<File>>,
    until: Position,
}

impl Recorded {
    /// Opens the file; None if it is one of stories.
    pub(super) fn open(source: &Source) -> Result<Option<Recorded>> {
        let path = source.input.clone();
        let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        let mut first = Vec::new();
        let told = || format!("reading {}", path.display());
        file.take(1).read_to_end(&mut first).with_context(told)?;
        if first.first().is_none_or(|letter| JSON.contains(letter)) {
            return Ok(None);
        }
        let limits = Limits { partial: source.until.partial, ..Limits::default() };
        let replay = Replay::open(&path, limits).with_context(|| path.display().to_string())?;
        Ok(Some(Recorded { path, replay, until: source.until.position() }))
    }

    /// The program that made it.
    pub(super) fn program(&self) -> String {
        self.replay.header().program.clone()
    }

    /// What the device and its drivers did.
    pub(super) fn stories(mut self) -> Result<Vec<Story>> {
        let watch = Watch::closely(&self.replay.gpu().config().sku.to_string()).hearing_a_kernel();
        let uses = watch.unbound.clone().unwrap_or_default();
        let Some(teller) = watch.story() else { return Ok(Vec::new()) };
        teller.set_title(&name(&self.path));
        self.replay.gpu_mut().set_observer(Some(Box::new(watch.observers())));
        let views = BothViews::new(uses.clone(), watch.spaces.clone(), Some(teller.clone()));
        self.run_listening(Replayed::new(views))?;
        let kernel = uses.kernel().snapshot().stream.kernel;
        let mut stories = teller.take();
        if stories.is_empty() {
            stories.push(teller.story(self.replay.gpu().now_ns()));
        }
        if let Some(last) = stories.last_mut() {
            // Our driver says what it does, a stock i915 does not.
            let stock = StockGuest { kernel: kernel.clone(), checks: Vec::new() };
            let stock = Some(stock).filter(|_| !last.is_hinted());
            last.findings.extend(watch.beside_story(stock.as_ref()));
            last.findings.sort_by_key(|finding| (Reverse(finding.severity), finding.at_ns));
        }
        for (story, release) in stories.iter_mut().zip(kernel.iter().cycle()) {
            story.device = format!("{} under Linux {release}", story.device);
        }
        Ok(stories)
    }

    /// Runs the device, and takes what the guest's agent said, if there was one.
    fn run_listening(&mut self, mut replayed: Replayed) -> Result<()> {
        let mut note = |gpu: &Gpu, kind: &str, content: &[u8]| replayed.note(gpu, kind, content);
        self.replay.run(self.until, &mut note).with_context(|| self.path.display().to_string())?;
        Ok(())
    }

    /// The device as an error state.
    pub(super) fn error_state(mut self) -> Result<String> {
        self.run(self.until)?;
        Ok(report::error_state(self.replay.gpu_mut()))
    }

    /// Writes what was submitted. Of a recording that cannot be run to its end no file is left.
    pub(super) fn aub(self, output: &Path) -> Result<()> {
        let written = self.write_aub(output);
        if written.is_err() {
            // It may be that it could not be made.
            fs::remove_file(output).ok();
        }
        written
    }

    fn write_aub(mut self, output: &Path) -> Result<()> {
        let told = || format!("writing {}", output.display());
        let to = BufWriter::new(File::create(output).with_context(told)?);
        let runs = Runs::default();
        let device_id = self.replay.gpu().config().sku.device_id;
        let mut aub = Aub::new(to, device_id).with_context(told)?;
        self.replay.gpu_mut().set_observer(Some(Box::new(runs.clone())));
        // Step by step: a run is written while memory is as it left it.
        let mut more = true;
        while more {
            let next = Position::Input(self.replay.inputs() + 1);
            more = match self.until {
                Position::Input(last) if self.replay.inputs() >= last => false,
                Position::Time(limit) if self.replay.gpu().now_ns() >= limit => false,
                _ => self.run(next)?,
            };
            let over = if more { runs.take() } else { runs.take_all() };
            for run in over {
                aub.run(self.replay.gpu(), &run).with_context(told)?;
            }
        }
        let (written, left_out) = aub.runs();
        aub.finish().with_context(told)?;
        println!("{}: {written} runs of engines", output.display());
        if left_out > 0 {
            eprintln!(
                "{left_out} runs are left out: without execlists there is no context to write"
            );
        }
        Ok(())
    }

    fn run(&mut self, position: Position) -> Result<bool> {
        self.replay.run_to(position).with_context(|| self.path.display().to_string())
    }
}

/// The file's name, as the title of its stories.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
