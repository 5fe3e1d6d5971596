//! What i915 keeps of a hang: `/sys/class/drm/card*/error` (`i915_gpu_error.c`).

mod dump;
mod object;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::files;
use crate::gpu::{Engine, Node};

pub(crate) use dump::{Dump, Stream};

/// How long i915 may take to write it down: it does so in a worker of its own.
const PATIENCE: Duration = Duration::from_secs(40);

/// The state that i915 keeps of the first hang since it was cleared.
pub(crate) struct ErrorState {
    path: PathBuf,
}

impl ErrorState {
    /// Forgets an earlier one; any write does.
    pub(crate) fn cleared() -> Result<ErrorState> {
        let path = Node::Card.sysfs()?.join("error");
        files::write(&path, "1")?;
        Ok(ErrorState { path })
    }

    /// Waits until the state is there and about `engine`. The last one stays for whoever reads it.
    pub(crate) fn must_name(&self, engine: Engine) -> Result<()> {
        let wanted = dump::title(engine);
        files::wait_until(&format!("an error state with `{wanted}`"), PATIENCE, || {
            Ok(self.beginning()?.contains(&wanted))
        })?;
        Ok(())
    }

    /// All of it, once it is there and about `engine`.
    pub(crate) fn about(&self, engine: Engine) -> Result<Dump> {
        self.must_name(engine)?;
        files::read(&self.path).map(Dump::new)
    }

    /// The part ahead of the dumped objects.
    fn beginning(&self) -> Result<String> {
        const ENOUGH: u64 = 64 << 10;
        read_beginning(&self.path, ENOUGH)
    }
}

fn read_beginning(path: &Path, bytes: u64) -> Result<String> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes).read_to_end(&mut text))
        .map_err(|error| Error::file(path, error))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
