//! The steps of `cargo xtask test`.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::counts::Counts;
use super::outside::Outside;
use super::{Outcome, one, readme};
use crate::linux::{self, Boots, Tally};
use crate::{build, process, toolchain};

/// Time in which the matrix must be through, on two cores.
const MATRIX_LIMIT: Duration = Duration::from_secs(60);

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) check: fn() -> Result<Outcome>,
}

/// All steps, the quick ones first.
pub(super) fn all() -> [Step; 13] {
    [
        Step { name: "format", check: format },
        Step { name: "lints", check: lints },
        Step { name: "guest image", check: guest_image },
        Step { name: "lints of the guest", check: guest_lints },
        Step { name: "documentation", check: documentation },
        Step { name: "tests", check: tests },
        Step { name: "tests without observers", check: tests_without_observers },
        Step { name: "tests in documentation", check: documentation_tests },
        Step { name: "matrix, in process", check: matrix_in_process },
        Step { name: "matrix, on KVM", check: matrix_on_kvm },
        Step { name: "Linux 6.1 under QEMU", check: stock_linux },
        Step { name: "X under QEMU", check: x },
        Step { name: "commands of README.md", check: readme::check },
    ]
}

fn format() -> Result<Outcome> {
    one(process::run(process::cargo().args(["fmt", "--all", "--check"])))
}

/// The workspace, and the device as it tells nobody.
fn lints() -> Result<Outcome> {
    let mut counts = Counts::default();
    for what in
        [&["--workspace", "--all-targets"][..], &["-p", "gpu-model", "--no-default-features"]]
    {
        let mut clippy = process::cargo();
        process::run(clippy.arg("clippy").args(what).args(["--", "-D", "warnings"]))?;
        counts.passed += 1;
    }
    Ok(Outcome::Passed(counts))
}

fn guest_image() -> Result<Outcome> {
    one(build::firmware().map(drop))
}

fn guest_lints() -> Result<Outcome> {
    let mut clippy = process::cargo();
    clippy.args(["clippy", "--package", "firmware", "--release"]);
    toolchain::find()?.apply(&mut clippy);
    one(process::run(clippy.args(["--", "-D", "warnings"])))
}

fn documentation() -> Result<Outcome> {
    let mut doc = process::cargo();
    doc.args(["doc", "--no-deps", "--workspace", "--document-private-items"]);
    one(process::run(doc.env("RUSTDOCFLAGS", "-D warnings")))
}

/// The workspace's tests, with the guest image for those that boot it. What cannot run here is left
/// out, so that the runner counts it as skipped (by itself it would pass).
fn tests() -> Result<Outcome> {
    let has_nextest = process::capture(process::cargo().args(["nextest", "--version"])).is_ok();
    let outside = Outside::look()?;
    let left_out = outside.left_out();
    let mut runner = process::cargo();
    if has_nextest {
        runner.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
        let filters: Vec<String> =
            left_out.iter().map(|module| format!("not test({module}::)")).collect();
        if !filters.is_empty() {
            runner.args(["-E", &filters.join(" and ")]);
        }
    } else {
        runner.args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]);
        if !left_out.is_empty() {
            runner.arg("--");
        }
        for module in left_out {
            runner.args(["--skip", &format!("{module}::")]);
        }
    }
    runner.env("GEN8EMU_FIRMWARE", build::firmware()?);
    outside.name_to(&mut runner);
    counted(&mut runner)
}

/// A device that tells nobody does its work all the same.
fn tests_without_observers() -> Result<Outcome> {
    counted(process::cargo().args(["test", "-p", "rigs", "--no-default-features"]))
}

fn documentation_tests() -> Result<Outcome> {
    counted(process::cargo().args(["test", "--doc", "--workspace", "--no-fail-fast"]))
}

/// Runs a test runner and counts its tests.
fn counted(runner: &mut Command) -> Result<Outcome> {
    let mut counts = Counts::default();
    let result = process::run_watched(runner, |line| counts.add_line(line));
    Ok(match result {
        Ok(()) => Outcome::Passed(counts),
        Err(error) => {
            // A runner that fails without a failed test (it did not compile) is a failure too.
            counts.failed = counts.failed.max(1);
            Outcome::Failed(counts, format!("{error:#}"))
        }
    })
}

fn matrix_in_process() -> Result<Outcome> {
    let program = build::program()?;
    let start = Instant::now();
    process::run(Command::new(program).arg("matrix"))?;
    let took = start.elapsed();
    if took > MATRIX_LIMIT {
        bail!("took {} s, more than {} s", took.as_secs(), MATRIX_LIMIT.as_secs());
    }
    one(Ok(()))
}

fn matrix_on_kvm() -> Result<Outcome> {
    let mut probe = Command::new(build::program()?);
    if let Err(error) = process::capture(probe.arg("probe")) {
        return Ok(Outcome::Skipped(format!("KVM cannot be used here: {error:#}")));
    }
    let mut matrix = Command::new(build::program()?);
    matrix.args(["matrix", "--machine", "kvm"]).env("GEN8EMU_FIRMWARE", build::firmware()?);
    one(process::run(&mut matrix))
}

/// Debian's kernel with its own i915, on the GPU: through the checks, and into the oops that
/// docs/found.md tells of.
fn stock_linux() -> Result<Outcome> {
    linux::cheap_boots().map(judged)
}

/// X on that kernel, and what its clients write on the screen.
fn x() -> Result<Outcome> {
    linux::x_boot().map(judged)
}

fn judged(boots: Boots) -> Outcome {
    match boots {
        Boots::Unavailable(why) => Outcome::Skipped(why),
        Boots::Done(Tally { passed, failed, faults }) => {
            let counts = Counts { passed, failed, skipped: 0 };
            match faults.is_empty() {
                true => Outcome::Passed(counts),
                false => Outcome::Failed(counts, faults.join("; ")),
            }
        }
    }
}
