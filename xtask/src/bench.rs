//! `cargo xtask bench`: the program's own benches, and those that a guest measures.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::{build, linux, workspace};

/// Benches that a guest measures; `gen8emu bench` knows what is well.
const OF_GUEST: [&str; 3] = ["i915_probe", "i915_probe_accesses", "guest_execbuf"];

/// Boots a guest first if one is needed: nothing else shall run beside the other benches.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut arguments = arguments.to_vec();
    if needs_guest(&arguments) {
        eprintln!("{}: booting a guest", OF_GUEST.join(", "));
        match linux::figures() {
            Ok(figures) => {
                let file = workspace::target().join("guest-figures.json");
                fs::write(&file, serde_json::to_vec(&figures)?)
                    .with_context(|| format!("writing {}", file.display()))?;
                arguments.push("--guest-figures".into());
                arguments.push(file.to_str().context("the path is not UTF-8")?.to_owned());
            }
            Err(error) if names(&arguments).next().is_none() => {
                eprintln!("skipping {}: {error:#}", OF_GUEST.join(", "));
            }
            Err(error) => return Err(error),
        }
    }
    build::build_and_run("bench", &arguments)
}

fn names(arguments: &[String]) -> impl Iterator<Item = &String> {
    arguments.iter().filter(|argument| !argument.starts_with('-'))
}

fn needs_guest(arguments: &[String]) -> bool {
    let help = arguments.iter().any(|argument| argument == "--help" || argument == "-h");
    let mut names = names(arguments).peekable();
    !help && (names.peek().is_none() || names.any(|name| OF_GUEST.contains(&name.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_booted_only_for_what_it_measures() {
        let needs = |line: &str| {
            needs_guest(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        for line in ["", "--json", "guest_execbuf", "walk4_hot i915_probe --json"] {
            assert!(needs(line), "{line}");
        }
        for line in ["walk4_hot", "--help", "-h", "mmio_read_rtt --json"] {
            assert!(!needs(line), "{line}");
        }
    }
}
