//! Building the guest image and the program, and running the program.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::toolchain::{self, TARGET};
use crate::{process, workspace};

/// Builds the guest image; says where it is.
pub(crate) fn firmware() -> Result<PathBuf> {
    let toolchain = toolchain::find()?;
    eprintln!("building the guest for {TARGET} ({})", toolchain.describe());
    let mut build = process::cargo();
    build.args(["build", "--package", "firmware", "--release"]);
    toolchain.apply(&mut build);
    process::run(&mut build).context("building the guest image")?;
    Ok(toolchain::target_dir().join(TARGET).join("release").join("firmware"))
}

/// Builds the program; says where it is.
pub(crate) fn program() -> Result<PathBuf> {
    let mut build = process::cargo();
    build.args(["build", "--package", "gen8emu", "--release"]);
    process::run(&mut build).context("building gen8emu")?;
    Ok(workspace::target().join("release").join("gen8emu"))
}

/// Builds the program that measures a device for `gen8emu bench`, as ever and without observers and journals;
/// says where they are.
pub(crate) fn rigs() -> Result<[PathBuf; 2]> {
    let usual = workspace::target();
    // They have the same name.
    let without = usual.join("no-events");
    for (target_dir, features) in [(&usual, None), (&without, Some("--no-default-features"))] {
        let mut build = process::cargo();
        build.args(["build", "--package", "rigs", "--release"]).args(features);
        build.arg("--target-dir").arg(target_dir);
        process::run(&mut build).context("building gen8-rig")?;
    }
    Ok([usual, without].map(|target_dir| target_dir.join("release").join("gen8-rig")))
}

/// Builds the checks that run in a Linux guest, as one static program; says where it is.
pub(crate) fn guest_checks() -> Result<PathBuf> {
    for_guest("guest-checks", "gen8-checks").context("building the checks for the guest")
}

/// Builds the program that runs a user's tests in a Linux guest; says where it is.
pub(crate) fn suite_runner() -> Result<PathBuf> {
    for_guest("suite-runner", "gen8-suite").context("building the runner of suites for the guest")
}

/// Builds the program that streams the kernel's trace out of a Linux guest; says where it is.
pub(crate) fn guest_agent() -> Result<PathBuf> {
    for_guest("guest-agent", "gen8-agent").context("building the agent for the guest")
}

/// Builds the static program `program` of `package`; says where it is.
fn for_guest(package: &str, program: &str) -> Result<PathBuf> {
    let host = process::host_target()?;
    // A directory of its own: the flag below is no reason to rebuild everything else. The target is
    // named so that the flag does not reach proc macros, which cannot be static.
    let target_dir = workspace::target().join("guest-checks");
    let mut build = process::cargo();
    build.args(["build", "--package", package, "--profile", "guest", "--target", &host]);
    build.arg("--target-dir").arg(&target_dir);
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    build.env("RUSTFLAGS", format!("{flags} -C target-feature=+crt-static"));
    build.env_remove("CARGO_ENCODED_RUSTFLAGS");
    process::run(&mut build)?;
    Ok(target_dir.join(host).join("guest").join(program))
}

/// Whether KVM really runs a guest here.
pub(crate) fn kvm_works() -> Result<bool> {
    Ok(process::capture(Command::new(program()?).arg("probe")).is_ok())
}

/// Builds all that `subcommand` of the program needs and runs it; its exit status is ours.
pub(crate) fn build_and_run(subcommand: &str, arguments: &[String]) -> Result<ExitCode> {
    let program = program()?;
    let mut run = Command::new(&program);
    run.arg(subcommand).args(arguments);
    if needs_firmware(subcommand, arguments) {
        run.env("GEN8EMU_FIRMWARE", firmware()?);
    }
    let status = run.status().with_context(|| format!("cannot start {}", program.display()))?;
    // A signal has no exit status; the shell's 128+n is out of reach here, so call it a failure.
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Whether the guest image can matter: `run` boots it unless told otherwise, `matrix` only when
/// told so, and help needs nothing.
fn needs_firmware(subcommand: &str, arguments: &[String]) -> bool {
    let machine = machine_argument(arguments);
    let help = arguments.iter().any(|argument| argument == "--help" || argument == "-h");
    match subcommand {
        _ if help => false,
        // Planted bugs run in process unless told otherwise.
        "run" if arguments.iter().any(|a| a.starts_with("--bug")) => machine == Some("kvm"),
        "run" => machine != Some("in-process"),
        "matrix" => machine == Some("kvm"),
        _ => false,
    }
}

/// The value of `--machine`, in either spelling.
fn machine_argument(arguments: &[String]) -> Option<&str> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--machine" {
            return rest.next().map(String::as_str);
        }
        if let Some(value) = argument.strip_prefix("--machine=") {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(subcommand: &str, line: &str) -> bool {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        needs_firmware(subcommand, &arguments)
    }

    #[test]
    fn run_builds_the_guest_unless_it_stays_in_process() {
        assert!(needs("run", ""));
        assert!(needs("run", "--machine kvm"));
        assert!(!needs("run", "--machine in-process"));
        assert!(!needs("run", "--machine=in-process --json"));
        assert!(!needs("run", "--bug=lazy-close-pins-vm"));
        assert!(!needs("run", "--bugs"));
        assert!(needs("run", "--bugs --machine kvm"));
        assert!(!needs("run", "--help"));
    }

    #[test]
    fn matrix_builds_the_guest_only_for_kvm() {
        assert!(!needs("matrix", "--json"));
        assert!(needs("matrix", "--machine=kvm"));
        assert!(!needs("bench", ""));
    }
}
