//! Who maps the console's frame buffer, asked over the server's control socket.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::control;

/// The name under which the server remembers the console's pages.
const NAME: &str = "console";
/// How long the last pages of an address space may be on their way to being freed: the guest waits
/// longer than this.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long the PTEs may take to be written when the kernel has said that it binds.
const WRITING: Duration = Duration::from_millis(300);
/// Between two questions meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// The answer to `surface-mappings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) surface: Surface,
    pub(super) ggtt: Ggtt,
    /// Whether every address space was looked at.
    pub(super) complete: bool,
    pub(super) spaces: Vec<Space>,
}

/// What showed when the pages were remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Surface {
    pub(super) address: u64,
    pub(super) pages: u64,
}

/// Their mappings in the GGTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ggtt {
    pub(super) ptes: u64,
}

/// An address space that maps some of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Space {
    pub(super) root: Vec<u64>,
    pub(super) ptes: u64,
    pub(super) first: u64,
}

impl Seen {
    /// PTEs of all address spaces but the GGTT.
    pub(super) fn ptes(&self) -> u64 {
        self.spaces.iter().map(|space| space.ptes).sum()
    }
}

/// Who maps what shows now; its pages are remembered.
pub(super) fn remember(socket: &Path) -> Result<Seen> {
    control::execute_with(socket, "surface-mappings", json!({ "remember": NAME }))
}

/// Who maps the remembered pages, once nobody does or time is up.
pub(super) fn ask(socket: &Path) -> Result<Seen> {
    ask_until(socket, PATIENCE, |seen| seen.spaces.is_empty())
}

/// Who maps the remembered pages, once somebody does or time is up.
pub(super) fn ask_while_bound(socket: &Path) -> Result<Seen> {
    ask_until(socket, WRITING, |seen| !seen.spaces.is_empty())
}

fn ask_until(socket: &Path, limit: Duration, done: impl Fn(&Seen) -> bool) -> Result<Seen> {
    let start = Instant::now();
    loop {
        let arguments = json!({ "remembered": NAME });
        let seen: Seen = control::execute_with(socket, "surface-mappings", arguments)?;
        if done(&seen) || start.elapsed() > limit {
            return Ok(seen);
        }
        thread::sleep(PAUSE);
    }
}
