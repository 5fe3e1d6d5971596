//! What the runner in the guest is told.

use std::fs;

use anyhow::Result;
use serde::Serialize;

use crate::WrongUse;

/// The runner's orders (crate `suite-runner`, `plan.rs`).
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Plan {
    entries: Vec<Entry>,
    subtests: bool,
    /// Seconds for one test.
    pub(super) limit: u64,
    /// The test to begin with.
    pub(super) first: usize,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Entry {
    /// Programs of the guest, as a shell's pattern.
    Pattern(String),
    /// A command, as a shell's line.
    Command(String),
}

impl Plan {
    /// From the words of `--suite`.
    pub(super) fn new(words: &[String], subtests: bool, limit: u64) -> Result<Plan> {
        let mut entries = Vec::new();
        for word in words {
            match word.strip_prefix('@') {
                Some(path) => entries.extend(commands(path)?),
                None => entries.push(Entry::Pattern(word.clone())),
            }
        }
        Ok(Plan { entries, subtests, limit, first: 0 })
    }
}

/// The lines of a file without the empty ones and the comments.
fn commands(path: &str) -> Result<Vec<Entry>> {
    let text = fs::read_to_string(path)
        .map_err(|error| WrongUse(format!("the list of tests {path} (--suite): {error}")))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let commands: Vec<Entry> = lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| Entry::Command(line.to_owned()))
        .collect();
    if commands.is_empty() {
        return Err(WrongUse(format!("the list of tests {path} (--suite) names none")).into());
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_lists_become_one_plan_that_the_runner_reads() {
        let file = std::env::temp_dir().join(format!("xtask-list-{}", std::process::id()));
        fs::write(&file, "# a list\n/opt/a --x\n\n  /opt/b\n").unwrap();
        let words = ["/opt/gem_*".to_owned(), format!("@{}", file.display())];
        let plan = Plan::new(&words, true, 60).unwrap();
        assert_eq!(
            serde_json::to_string(&plan).unwrap(),
            "{\"entries\":[{\"pattern\":\"/opt/gem_*\"},{\"command\":\"/opt/a --x\"},\
             {\"command\":\"/opt/b\"}],\"subtests\":true,\"limit\":60,\"first\":0}"
        );
        fs::write(&file, "# nothing\n").unwrap();
        assert!(Plan::new(&words, true, 60).is_err(), "an empty list would pass unseen");
        fs::remove_file(&file).unwrap();
        assert!(Plan::new(&words, true, 60).is_err());
    }
}
