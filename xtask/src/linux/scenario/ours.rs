//! Our driver in the same scenario: `gen8emu run`, in process.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Without the fix, and with the one that was merged.
const POLICIES: [&str; 2] = ["none", "v4"];
/// As i915 drives Broadwell.
const MODE: [&str; 4] = ["--levels", "4", "--submission", "execlists"];

/// What `gen8emu run --json` prints.
#[derive(Deserialize)]
struct Results {
    cases: Vec<Case>,
}

/// Our driver under one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) policy: String,
    /// What the device counts afterwards and not before, in guest memory.
    pub(super) observed: Excess,
    /// As the theory of this policy has it.
    expected: Excess,
    ok: bool,
    differences: Vec<String>,
}

/// More than before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Excess {
    pub(super) vms: i64,
    pub(super) vmas: i64,
    /// Page-table pages.
    pub(super) pages: i64,
}

/// Runs `program` with so many starts.
pub(super) fn run(program: &Path, count: u32) -> Result<Vec<Case>> {
    let mut command = Command::new(program);
    command.args(["run", "--machine", "in-process", "--scenario", "xserver-restart"]);
    command.args(["--policy", &POLICIES.join(",")]).args(MODE);
    command.args(["--count", &count.to_string(), "--json"]);
    // A driver that is not as expected is a result too, with exit status 1.
    let output = command.stdin(Stdio::null()).output().context("running our driver")?;
    read(&String::from_utf8_lossy(&output.stdout)).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{} says: {}", program.display(), said.trim_end())
    })
}

fn read(said: &str) -> Result<Vec<Case>> {
    let results: Results = serde_json::from_str(said).context("reading what our driver did")?;
    Ok(results.cases)
}

impl Case {
    /// What is not as it should be.
    pub(super) fn fault(&self) -> Option<String> {
        let why = self.differences.first().map_or("no reason", String::as_str);
        (!self.ok).then(|| format!("our driver, policy {}: {why}", self.policy))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Ten starts.
    const SAID: &str = r#"{"cases":[
        {"scenario":"xserver-restart","policy":"none","levels":4,"submission":"execlists",
         "machine":"in-process","expected":{"vms":10,"vmas":10,"pages":80},
         "observed":{"vms":10,"vmas":10,"pages":80},"ok":true,"differences":[]},
        {"scenario":"xserver-restart","policy":"v4","levels":4,"submission":"execlists",
         "machine":"in-process","expected":{"vms":0,"vmas":0,"pages":0},
         "observed":{"vms":0,"vmas":1,"pages":0},"ok":false,"differences":["after: 1 VMA"]}],
        "ok":false}"#;

    /// One as it should be, one not.
    pub(in crate::linux::scenario) fn cases() -> Vec<Case> {
        read(SAID).unwrap()
    }

    #[test]
    fn a_case_that_is_not_as_expected_is_a_fault() {
        let cases = cases();
        assert_eq!(cases[0].fault(), None);
        assert_eq!(cases[1].fault().as_deref(), Some("our driver, policy v4: after: 1 VMA"));
        assert!(read("{}").is_err());
    }
}
