//! The kernel's small files: sysfs, procfs, debugfs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::gpu::Node;

/// The text of a file without the white space around it.
pub(crate) fn read(path: &Path) -> Result<String> {
    let text = fs::read(path).map_err(|error| Error::file(path, error))?;
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

/// A file that holds one number.
pub(crate) fn read_number(path: &Path) -> Result<u64> {
    let text = read(path)?;
    text.parse().map_err(|_| Error::Wrong(format!("{} holds `{text}`", path.display())))
}

/// Writes a file of the kernel's.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| Error::file(path, error))
}

/// A setting of the kernel's that comes back when this goes.
pub(crate) struct Setting {
    path: PathBuf,
    before: String,
}

impl Setting {
    /// Writes `text` into `path`.
    pub(crate) fn set(path: &Path, text: &str) -> Result<Setting> {
        let before = read(path)?;
        write(path, text)?;
        Ok(Setting { path: path.to_owned(), before })
    }

    /// Sets a parameter of i915 as it runs; none where the kernel has no such parameter.
    pub(crate) fn parameter(name: &str, text: &str) -> Result<Option<Setting>> {
        let path = Node::debugfs()?.join("i915_params").join(name);
        path.exists().then(|| Setting::set(&path, text)).transpose()
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Err(error) = write(&self.path, &self.before) {
            eprintln!("gen8-checks: {error}");
        }
    }
}

/// Asks again and again until `done`; [`Error::Late`] with `what` when that takes longer than
/// `limit`.
pub(crate) fn wait_until(
    what: &str,
    limit: Duration,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<Duration> {
    let start = Instant::now();
    while !done()? {
        if start.elapsed() > limit {
            return Err(Error::Late(what.to_owned()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(start.elapsed())
}
