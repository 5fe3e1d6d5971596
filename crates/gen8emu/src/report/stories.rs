//! Stories in files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use observe::story::Story;

use super::origin;

/// The largest file of stories that is read: what it holds takes some times as much memory.
const LARGEST: u64 = 256 << 20;

/// The stories of a file of JSON.
pub(crate) fn read(path: &Path) -> Result<Vec<Story>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut text = Vec::new();
    let told = || format!("reading {}", path.display());
    file.take(LARGEST + 1).read_to_end(&mut text).with_context(told)?;
    if text.len() as u64 > LARGEST {
        bail!("{}: stories of more than {} MiB are not read", path.display(), LARGEST >> 20);
    }
    let told =
        || format!("{} holds no stories, as `run --report FILE.json` writes them", path.display());
    // A list is asked for by its bracket: so the error says where in the list it is.
    let first = text.iter().find(|letter| !letter.is_ascii_whitespace());
    match first {
        Some(b'[') => serde_json::from_slice(&text).with_context(told),
        _ => serde_json::from_slice(&text).map(|story| vec![story]).with_context(told),
    }
}

/// Writes the stories as a page, or as JSON if the name says so.
pub(crate) fn write(path: &Path, stories: &[Story]) -> Result<()> {
    write_recorded(path, stories, None)
}

/// The same of stories that are a recording's: `program` made that.
pub(super) fn write_recorded(
    path: &Path,
    stories: &[Story],
    program: Option<String>,
) -> Result<()> {
    if path.extension() == Some(OsStr::new("json")) {
        return save(path, &serde_json::to_vec(stories)?);
    }
    save(path, report::html(stories, &origin::here(program)).as_bytes())
}

/// Writes a file.
pub(crate) fn save(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}
