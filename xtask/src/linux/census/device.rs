//! What the device has seen, asked over the server's control socket (docs/control.md).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The answer to `address-spaces`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Seen {
    pub(super) forgotten: u64,
    pub(super) spaces: Vec<Space>,
}

/// An address space that an engine loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Space {
    pub(super) number: u64,
    pub(super) root: Vec<u64>,
    pub(super) mark: Option<u32>,
    pub(super) engines: Vec<String>,
    pub(super) live_on: Vec<String>,
    pub(super) loads: u64,
    pub(super) replaced_ns: Option<u64>,
    pub(super) walk: Option<Walk>,
}

/// What is at its root now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Walk {
    pub(super) tables: Tables,
    pub(super) ptes: u64,
    pub(super) problems: usize,
}

/// Table pages that are not scratch. i915 shares its scratch between address spaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tables {
    pub(super) pml4: usize,
    pub(super) pdp: usize,
    pub(super) pd: usize,
    pub(super) pt: usize,
}

impl Tables {
    pub(super) fn pages(self) -> usize {
        self.pml4 + self.pdp + self.pd + self.pt
    }
}

/// Asks the server at `socket`.
pub(super) fn ask(socket: &Path) -> Result<Seen> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("connecting to {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&stream).lines();
    let mut next = || -> Result<Value> {
        let line = lines.next().context("the server closed the connection")??;
        Ok(serde_json::from_str(&line)?)
    };
    if next()?.get("gen8emu").is_none() {
        bail!("{} is no control socket of gen8emu", socket.display());
    }
    (&stream).write_all(b"{\"execute\":\"address-spaces\"}\n")?;
    match next()?.get_mut("return").map(Value::take) {
        Some(answer) => Ok(serde_json::from_value(answer)?),
        None => bail!("the server refused to tell"),
    }
}
