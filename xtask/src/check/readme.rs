//! Every command that README.md shows is run, so that none of them rots.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::Outcome;
use super::counts::Counts;
use crate::{linux, workspace};

/// The command that is running us; running it again would not end.
const OURSELVES: [&str; 2] = ["cargo xtask test", "cargo xtask ci"];
/// What can be had only with QEMU and a kernel.
const LINUX: &str = "cargo xtask linux";
/// What judges times.
const BENCH: &str = "cargo xtask bench";

/// Runs the commands of the README's `console` blocks from the root of the repository.
pub(super) fn check() -> Result<Outcome> {
    let path = workspace::root().join("README.md");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut counts = Counts::default();
    let mut broken = Vec::new();
    for command in commands(&text).filter(|command| !OURSELVES.contains(command)) {
        eprintln!("$ {command}");
        match run(command)? {
            Ran::Well => counts.passed += 1,
            Ran::Not(why) => {
                println!("skipping `{command}`: {why}");
                counts.skipped += 1;
            }
            Ran::Badly => {
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

/// How a command went.
enum Ran {
    Well,
    Badly,
    /// It cannot be judged here, and why.
    Not(String),
}

fn run(command: &str) -> Result<Ran> {
    if command.starts_with(LINUX)
        && let Some(why) = linux::unavailable()
    {
        return Ok(Ran::Not(why));
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(workspace::root()).stderr(Stdio::inherit());
    let output = shell.output().with_context(|| format!("cannot start `{command}`"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    Ok(match output.status.success() {
        true => Ran::Well,
        false if command == BENCH => too_slow(&said).map_or(Ran::Badly, Ran::Not),
        false => Ran::Badly,
    })
}

/// Which targets the table of `cargo xtask bench` calls missed. How fast a machine is while others
/// use it, too, is no property of the sources; a bench that cannot run is.
fn too_slow(table: &str) -> Option<String> {
    let missed = table.lines().filter(|line| line.contains("MISSED"));
    let names: Vec<&str> = missed.filter_map(|line| line.split_whitespace().next()).collect();
    let say = || format!("on this machine, now, it misses targets: {}", names.join(", "));
    (!names.is_empty()).then(say)
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

    #[test]
    fn a_missed_target_is_told_by_name_and_a_table_without_one_is_no_excuse() {
        let table = " walk4_hot ns 8 6 1.4 met\n blt_fill GB/s 10 13 1.3 MISSED\n";
        assert!(too_slow(table).is_some_and(|why| why.ends_with(": blt_fill")));
        assert_eq!(too_slow(" walk4_hot ns 8 6 1.4 met\n"), None);
    }
}
