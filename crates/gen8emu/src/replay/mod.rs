//! `gen8emu replay`: the device run from a recording.

pub(crate) mod arguments;
pub(crate) mod until;

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use device_server::TerminationSignals;
use gpu_model::Gpu;
use observe::plain;
use recording::{End, Limits, Replay, Summary};
use serde::Serialize;

use self::arguments::ReplayArgs;
use crate::agent::{BothViews, Replayed};
use crate::control::{self, Held, Subject, Watch};
use crate::table;

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome {
    /// Inputs that were made, and those in the recording.
    inputs: u64,
    of_inputs: u64,
    /// Device time, nanoseconds.
    now_ns: u64,
    /// State hashes that were compared: none if the recording is another build's.
    state_hashes: u64,
    same_build: bool,
    /// Changes of memory in the recording.
    memory_changes: u64,
    /// How the recording ends.
    end: String,
    /// What the replay took, and how many times as fast as the recording it was.
    seconds: f64,
    speed: f64,
    /// Where the device differs from the recorded one, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
    ok: bool,
}

/// Replays; says whether the device was the recorded one all the way.
pub(crate) fn command(arguments: &ReplayArgs) -> Result<bool> {
    // Before any thread exists.
    let signals = arguments.control.is_some().then(TerminationSignals::block).transpose();
    let signals = signals.context("cannot block signals")?;
    let limits = Limits { ram: arguments.ram_limit, partial: arguments.until.partial };
    let file = arguments.file.display();
    let mut replay = Replay::open(&arguments.file, limits).with_context(|| file.to_string())?;
    let watch = Watch::closely(&replay.gpu().config().sku.to_string()).hearing_a_kernel();
    let uses = watch.unbound.clone().unwrap_or_default();
    if arguments.control.is_some() {
        replay.gpu_mut().set_observer(Some(Box::new(watch.observers())));
    }
    let start = Instant::now();
    let views = BothViews::new(uses, watch.spaces.clone(), watch.story());
    let mut replayed = Replayed::new(views);
    let mut note = |gpu: &Gpu, kind: &str, content: &[u8]| {
        if arguments.control.is_some() {
            replayed.note(gpu, kind, content);
        }
        if arguments.notes {
            let line = format!("{kind}: {}", String::from_utf8_lossy(content).trim_end());
            eprintln!("{}", plain(&line));
        }
    };
    let result = replay.run(arguments.until.position(), &mut note);
    let difference = result.err().map(|error| format!("{:#}", anyhow::Error::from(error)));
    let outcome = outcome(&replay, difference, start.elapsed());
    let text =
        if arguments.json { serde_json::to_string(&outcome)? } else { plain(&show(&outcome)) };
    writeln!(io::stdout(), "{text}").context("writing the result")?;
    if let Some(difference) = &outcome.difference {
        eprintln!("error: {file}: {}", plain(difference));
    }
    if let (Some(path), Some(signals)) = (&arguments.control, signals) {
        let gpu = Held::Still(Arc::new(Mutex::new(replay.into_gpu())));
        let agent = replayed.into_agent(gpu.clone());
        answer(path, Subject::new(gpu, watch).with_agent(agent), &signals)?;
    }
    Ok(outcome.ok)
}

fn outcome<R: io::Read>(replay: &Replay<R>, difference: Option<String>, took: Duration) -> Outcome {
    let summary: &Summary = replay.summary();
    let now_ns = replay.gpu().now_ns();
    Outcome {
        inputs: replay.inputs(),
        of_inputs: summary.inputs,
        now_ns,
        state_hashes: replay.state_hashes(),
        same_build: replay.header().is_of_this_build(),
        memory_changes: summary.memory_changes,
        end: match &summary.end {
            End::Complete => "complete".to_owned(),
            End::Lost(why) => format!("early: {why}"),
            End::Cut(offset) => format!("cut off at {offset}"),
            _ => "unknown".to_owned(),
        },
        seconds: took.as_secs_f64(),
        speed: now_ns as f64 / took.as_nanos().max(1) as f64,
        ok: difference.is_none(),
        difference,
    }
}

fn show(outcome: &Outcome) -> String {
    let same = match (outcome.same_build, outcome.ok) {
        (false, _) => "not compared: recorded by another build",
        (true, true) => "all as recorded",
        // A difference of results comes with states that are the same up to there.
        (true, false) => "compared",
    };
    let mut table = table::table(&["replay", ""], 0);
    for (name, value) in [
        ("inputs", format!("{} of {}", outcome.inputs, outcome.of_inputs)),
        ("device time", format!("{:.3} s", outcome.now_ns as f64 / 1e9)),
        ("state hashes", format!("{}, {same}", outcome.state_hashes)),
        ("memory changes", format!("{} in the whole recording", outcome.memory_changes)),
        ("recording", outcome.end.clone()),
        ("took", format!("{:.3} s, {:.1} times as fast", outcome.seconds, outcome.speed)),
    ] {
        table.add_row([name.to_owned(), value]);
    }
    table.to_string()
}

/// Answers questions about the device that stands where the replay stopped.
fn answer(path: &Path, subject: Subject, signals: &TerminationSignals) -> Result<()> {
    // The socket is removed when we end.
    let _control = control::listen(path, subject)?;
    eprintln!("the device stands still; questions are answered at {}", path.display());
    signals.wait().context("waiting for a signal")?;
    Ok(())
}
