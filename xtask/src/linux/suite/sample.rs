//! A suite of our own with a test for every end, to see that each is told as what it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::boot;
use super::plan::Plan;
use super::record::{Outcome, Test};
use crate::linux::guest::{self, Guest};
use crate::linux::kernel;
use crate::linux::tools::Tools;

/// The kernel to run it on.
const KERNEL: &str = "6.1";
/// Seconds for a test.
const LIMIT: u64 = 5;
/// A program that loads shared libraries of this host.
const DYNAMIC: &str = "opt/suite/dynamic";

/// Tests in the order in which they run: their names, what a shell does for them, how they end.
const TESTS: [(&str, &str, Outcome); 9] = [
    ("gem_crash", "kill -SEGV $$", Outcome::Crash),
    ("gem_dies", "echo c >/proc/sysrq-trigger", Outcome::Lost),
    ("gem_endless", "trap '' TERM; sleep 1000 & sleep 1000 & wait; wait", Outcome::Timeout),
    ("gem_fail", "exit 98", Outcome::Fail),
    ("gem_loads", "exec /opt/suite/dynamic --help", Outcome::Pass),
    ("gem_module", "modprobe vgem && [ -e /dev/dri/card1 ]", Outcome::Pass),
    ("gem_pass", "[ -r /sys/kernel/debug/dri/0/i915_wedged ] && touch /tmp/x", Outcome::Pass),
    ("gem_skip", "echo 'Test requirement not met'; exit 77", Outcome::Skip),
    ("gem_warn", "echo '<4>WARNING: CPU: 0 PID: 1 at x.c:1' >/dev/kmsg", Outcome::Kernel),
];

/// Runs it; gives the number of tests, and what was told wrong.
pub(in crate::linux) fn check(tools: &Tools) -> Result<(u32, Vec<String>)> {
    let overlay = guest::logs("suite-sample-overlay");
    lay(&overlay, tools)?;
    let guest = Guest {
        check: vec!["none".into()],
        overlay: Some(overlay),
        module: vec!["vgem".into()],
        ..Guest::default()
    };
    let plan = Plan::new(&["/opt/suite/gem_*".into()], false, LIMIT)?;
    let report = boot(plan, &guest, &kernel::debian(KERNEL)?, tools, "suite-sample")?;
    let mut wrong = Vec::new();
    for (name, _, expected) in TESTS {
        let found = report.tests.iter().find(|test| test.command == format!("/opt/suite/{name}"));
        let result = found.map(|test| test.result);
        if result != Some(expected) {
            let told = found.map(Test::why).unwrap_or_default();
            wrong.push(format!("{name} is {result:?}, not {expected:?}: {told}"));
        }
    }
    if report.ok {
        wrong.push("a suite with failures counts as well".into());
    }
    Ok((u32::try_from(TESTS.len())? + 1, wrong))
}

fn lay(overlay: &Path, tools: &Tools) -> Result<()> {
    let directory = overlay.join("opt/suite");
    fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
    for (name, script, _) in TESTS {
        let file = directory.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    let program = tools.program.as_deref().context("there is no program to lay in")?;
    fs::copy(program, overlay.join(DYNAMIC)).context("copying gen8emu into the overlay")?;
    Ok(())
}
