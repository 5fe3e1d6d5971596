//! `cargo xtask bench`: the program's own benches, and those that a guest measures.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::{build, linux, workspace};

/// Benches that a guest measures; `gen8emu bench` knows what is well.
const OF_GUEST: [&str; 3] = ["i915_probe", "i915_probe_accesses", "guest_execbuf"];

/// Benches that compare two builds of the device begin with this.
const OF_TWO_BUILDS: &str = "observers_off";

/// Builds and boots first what is needed: nothing else shall run beside the benches.
pub(crate) fn run(asked: &[String]) -> Result<ExitCode> {
    let mut arguments = asked.to_vec();
    if needs(asked, |name| name.starts_with(OF_TWO_BUILDS)) {
        arguments.push("--rigs".into());
        for program in build::rigs()? {
            arguments.push(argument(&program)?);
        }
    }
    if needs(asked, |name| OF_GUEST.contains(&name)) {
        eprintln!("{}: booting a guest", OF_GUEST.join(", "));
        match linux::figures() {
            Ok(figures) => {
                let file = workspace::target().join("guest-figures.json");
                fs::write(&file, serde_json::to_vec(&figures)?)
                    .with_context(|| format!("writing {}", file.display()))?;
                arguments.extend(["--guest-figures".into(), argument(&file)?]);
            }
            Err(error) if names(asked).next().is_none() => {
                eprintln!("skipping {}: {error:#}", OF_GUEST.join(", "));
            }
            Err(error) => return Err(error),
        }
    }
    build::build_and_run("bench", &arguments)
}

fn argument(path: &Path) -> Result<String> {
    Ok(path.to_str().context("the path is not UTF-8")?.to_owned())
}

fn names(arguments: &[String]) -> impl Iterator<Item = &str> {
    arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with('-'))
}

/// Whether any of the benches is asked for of which `is_one` is true; all are unless some are named.
fn needs(arguments: &[String], is_one: impl Fn(&str) -> bool) -> bool {
    let help = arguments.iter().any(|argument| argument == "--help" || argument == "-h");
    let mut names = names(arguments).peekable();
    !help && (names.peek().is_none() || names.any(is_one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_booted_only_for_what_it_measures() {
        let needs = |line: &str| {
            let line: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            needs(&line, |name| OF_GUEST.contains(&name))
        };
        for line in ["", "--json", "guest_execbuf", "walk4_hot i915_probe --json"] {
            assert!(needs(line), "{line}");
        }
        for line in ["walk4_hot", "--help", "-h", "mmio_read_rtt --json"] {
            assert!(!needs(line), "{line}");
        }
    }
}
