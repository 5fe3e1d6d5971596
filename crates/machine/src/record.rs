//! Recordings of machines: one for each, from its power-on to its end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gpu_model::{GpuConfig, Journal};
use recording::{RecordError, Recorder, RecorderHandle, Written};

/// Kind of the note at a recording's beginning: the cases that its machine was to run, one a line.
pub const CASES_NOTE: &str = "cases";

/// The recordings of a run. Clones are of the same run.
#[derive(Clone, Debug)]
pub struct Recordings {
    file: PathBuf,
    made: Arc<Mutex<Vec<Made>>>,
}

/// One of them, on its way to its file.
#[derive(Debug)]
struct Made {
    file: PathBuf,
    cases: String,
    handle: RecorderHandle,
}

/// A machine that was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// Where.
    pub file: PathBuf,
    /// The cases that it was to run, one a line.
    pub cases: String,
    /// What is in the file, or why that is not all.
    pub written: Result<Written, RecordError>,
}

impl Recordings {
    /// To `file`, and of the machines behind the first one to `file` with a number.
    pub fn to(file: &Path) -> Recordings {
        Recordings { file: file.to_owned(), made: Arc::default() }
    }

    /// The journal of the next machine, which has this GPU and is to run `cases`.
    pub(crate) fn begin(
        &self,
        config: &GpuConfig,
        cases: &str,
    ) -> Result<Box<dyn Journal>, RecordError> {
        let mut made = self.made();
        let file = numbered(&self.file, made.len() + 1);
        let (recorder, handle) = Recorder::create(&file, config)?;
        handle.note(CASES_NOTE, cases.as_bytes());
        made.push(Made { file, cases: cases.to_owned(), handle });
        Ok(Box::new(recorder))
    }

    /// Waits until all is written, in the order of the machines, which must be gone.
    pub fn finish(&self) -> Vec<Recorded> {
        let made = std::mem::take(&mut *self.made());
        let finish =
            |Made { file, cases, handle }| Recorded { file, cases, written: handle.finish() };
        made.into_iter().map(finish).collect()
    }

    fn made(&self) -> MutexGuard<'_, Vec<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `out.g8r`, `out-2.g8r`, `out-3.g8r`.
fn numbered(file: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return file.to_owned();
    }
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = file.extension() {
        name.push(".");
        name.push(extension);
    }
    file.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_behind_the_first_have_numbers() {
        for (file, second) in
            [("a/out.g8r", "a/out-2.g8r"), ("out", "out-2"), ("/x/.g8r", "/x/.g8r-2")]
        {
            assert_eq!(numbered(Path::new(file), 1), Path::new(file));
            assert_eq!(numbered(Path::new(file), 2), Path::new(second));
        }
    }
}
