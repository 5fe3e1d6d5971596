//! Recordings that are being made.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gpu_model::Gpu;
use machine::Recorded;
use recording::{Notes, RecordError, Recorder, RecorderHandle, Written};

/// A recording of a device, on its way to a file.
#[derive(Debug)]
pub(crate) struct Recording {
    file: PathBuf,
    handle: RecorderHandle,
}

impl Recording {
    /// Records all that goes into `gpu`, which is as after power-on.
    pub(crate) fn start(file: &Path, gpu: &mut Gpu) -> Result<Recording> {
        let (recorder, handle) = Recorder::create(file, gpu.config())?;
        gpu.set_journal(Some(Box::new(recorder)));
        Ok(Recording { file: file.to_owned(), handle })
    }

    /// For those who note something in it.
    pub(crate) fn notes(&self) -> Notes {
        self.handle.notes()
    }

    /// Waits until the file is written, and says what it holds. The device must have no journal any more.
    pub(crate) fn finish(self) -> Result<()> {
        eprintln!("{}", told(&self.file, self.handle.finish())?);
        Ok(())
    }
}

/// Says what the recordings of a run's machines hold; an error if one is not whole.
pub(crate) fn tell(all: Vec<Recorded>) -> Result<()> {
    for Recorded { file, cases, written } in all {
        let told = told(&file, written)?;
        match cases.lines().count() {
            1 => eprintln!("{told} ({})", cases.trim_end()),
            count => eprintln!("{told} ({count} cases)"),
        }
    }
    Ok(())
}

fn told(file: &Path, written: Result<Written, RecordError>) -> Result<String> {
    let file = file.display();
    let Written { inputs, bytes } = written.with_context(|| format!("recording to {file}"))?;
    Ok(format!("recorded {inputs} inputs in {bytes} bytes to {file}"))
}
