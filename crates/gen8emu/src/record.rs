//! Recordings that are being made.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gpu_model::Gpu;
use recording::{Notes, Recorder, RecorderHandle};

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
        let file = self.file.display();
        let written = self.handle.finish().with_context(|| format!("recording to {file}"))?;
        eprintln!("recorded {} inputs in {} bytes to {file}", written.inputs, written.bytes);
        Ok(())
    }
}
