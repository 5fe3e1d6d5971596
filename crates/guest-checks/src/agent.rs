//! The host's agent in this guest (`gen8-agent`), where there is one: it streams the kernel's trace to
//! the host, which lays it beside what the device sees.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};

/// Where it listens.
const SOCKET: &str = "/run/gen8-agent";
/// Where words of ours go into its trace.
const MARKER: &str = "/sys/kernel/tracing/instances/gen8-agent/trace_marker";
/// How long an answer may take; the host gives up earlier.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether there is one.
pub(crate) fn is_there() -> bool {
    Path::new(SOCKET).exists()
}

/// Puts `words` into its trace, where it has one.
pub(crate) fn say(words: &str) -> Result<()> {
    let path = Path::new(MARKER);
    if !path.exists() {
        return Ok(());
    }
    let failed = |error| Error::file(path, error);
    let mut marker = OpenOptions::new().write(true).open(path).map_err(failed)?;
    // The kernel takes one write as one event.
    marker.write_all(words.as_bytes()).map_err(failed)
}

/// Waits until the kernel's view and the device's agree; an error if they do not.
pub(crate) fn settle(name: &str) -> Result<()> {
    let failed = |error| Error::file(Path::new(SOCKET), error);
    let mut stream = UnixStream::connect(SOCKET).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    writeln!(stream, "settle {name}").map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(failed)?;
    match answer.trim_end() == format!("settled {name} equal") {
        true => Ok(()),
        false => Err(Error::Wrong(format!("the host says: {}", answer.trim_end()))),
    }
}
