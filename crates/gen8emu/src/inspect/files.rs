//! Moments in files.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::control::inspect::snapshot::{Snapshot, VERSION};

/// More bytes than any snapshot has: registers, 64 K address spaces, 20 K ranges.
const LARGEST: u64 = 64 << 20;

/// What a file holds, in numbers.
#[derive(Serialize)]
pub(super) struct Saved {
    now_ns: u64,
    registers: usize,
    spaces: usize,
    ggtt_ptes: u64,
}

impl Saved {
    pub(super) fn of(snapshot: &Snapshot) -> Saved {
        Saved {
            now_ns: snapshot.now_ns,
            registers: snapshot.registers.len(),
            spaces: snapshot.spaces.len(),
            ggtt_ptes: snapshot.ggtt.ptes,
        }
    }
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Saved { now_ns, registers, spaces, ggtt_ptes } = self;
        let at = super::tables::ms(*now_ns);
        write!(
            f,
            "{registers} registers, {spaces} address spaces, {ggtt_ptes} PTEs of the GGTT, at {at}"
        )
    }
}

/// Writes a moment.
pub(super) fn save(file: &Path, snapshot: &Snapshot) -> Result<()> {
    let text = serde_json::to_vec(snapshot)?;
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Reads a moment.
pub(super) fn load(file: &Path) -> Result<Snapshot> {
    read(file).with_context(|| format!("{} cannot be compared", file.display()))
}

fn read(file: &Path) -> Result<Snapshot> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= LARGEST, "it is larger than any file of `inspect save`");
    let value: Value = serde_json::from_slice(&bytes).context("it is no file of `inspect save`")?;
    match value.get("gen8emu-snapshot").and_then(Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => Ok(serde_json::from_value(value)?),
        Some(version) => bail!("it has version {version}: expected {VERSION}"),
        None => bail!("it is no file of `inspect save`"),
    }
}
