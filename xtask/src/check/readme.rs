//! Every command that README.md shows is run, so that none of them rots.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::Outcome;
use super::counts::Counts;
use crate::{process, workspace};

/// The command that is running us; running it again would not end.
const OURSELVES: [&str; 2] = ["cargo xtask test", "cargo xtask ci"];

/// Runs the commands of the README's `console` blocks from the root of the repository.
pub(super) fn check() -> Result<Outcome> {
    let path = workspace::root().join("README.md");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut counts = Counts::default();
    let mut broken = Vec::new();
    for command in commands(&text) {
        if OURSELVES.contains(&command) {
            continue;
        }
        eprintln!("$ {command}");
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(workspace::root());
        match process::run(&mut shell) {
            Ok(()) => counts.passed += 1,
            Err(_) => {
                counts.failed += 1;
                broken.push(command.to_owned());
            }
        }
    }
    Ok(match broken.is_empty() {
        true if counts == Counts::default() => {
            Outcome::Failed(Counts::one_failed(), "README.md shows no command".into())
        }
        true => Outcome::Passed(counts),
        false => Outcome::Failed(counts, broken.join("; ")),
    })
}

/// The lines that start with `$ ` in fenced blocks marked `console`.
fn commands(markdown: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    markdown.lines().filter_map(move |line| {
        if let Some(mark) = line.trim_start().strip_prefix("```") {
            inside = !inside && mark.trim() == "console";
            return None;
        }
        if inside { line.strip_prefix("$ ").map(str::trim) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_console_blocks_hold_commands() {
        let text =
            "$ no\n```console\n$ cargo a\noutput\n$ cargo b\n```\n$ no\n```rust\n$ no\n```\n";
        assert_eq!(commands(text).collect::<Vec<_>>(), ["cargo a", "cargo b"]);
    }
}
