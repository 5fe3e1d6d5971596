//! `cargo xtask fuzz`: the fuzz targets of the package `fuzz`, under AddressSanitizer.
//!
//! libFuzzer is built from the crate `libfuzzer-sys`, and the flags that it needs are given here, so
//! that neither `cargo-fuzz` nor a nightly compiler has to be installed: the sanitizers are not stable,
//! the compiler is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::{process, workspace};

/// The targets; each is a program of the package `fuzz`.
const TARGETS: [&str; 5] = ["commands", "traffic", "observers", "recording", "agent"];
/// The package's profile.
const PROFILE: &str = "fuzz";
/// What instruments the code: AddressSanitizer, and counters that show libFuzzer where a run came.
/// Comparisons are not traced: inputs are instructions, with no magic values to find, and it halves
/// the speed.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Zsanitizer=address",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cforce-frame-pointers=yes",
];
/// Longest input, in bytes.
const MAX_LEN: u32 = 4096;
/// A run that takes longer hangs, in seconds.
const RUN_LIMIT: u32 = 30;
/// Between two lines of progress.
const STATUS_INTERVAL: Duration = Duration::from_secs(20);
/// Exit status where the fuzzer cannot be built: nothing was found, as nothing was looked for.
const CANNOT: u8 = 2;

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct FuzzArgs {
    /// How long each target runs, all side by side
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    minutes: u32,
    /// Only this target
    #[arg(long, value_name = "NAME", value_parser = TARGETS)]
    target: Option<String>,
}

/// How the run of a target ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    target: String,
    executions: u64,
    per_second: u64,
    /// Edges of the program that inputs reached.
    coverage: u64,
    /// Inputs that are kept, as each reaches something new.
    corpus: u64,
    /// The input that ended it.
    crash: Option<PathBuf>,
    /// It did not even run.
    failure: Option<String>,
}

/// Builds and runs the targets, prints a table.
pub(crate) fn run(arguments: &FuzzArgs) -> Result<ExitCode> {
    let programs = match check_tools().and_then(|()| build()) {
        Ok(programs) => programs,
        Err(why) => {
            eprintln!("error: cannot fuzz here: {why:#}");
            return Ok(ExitCode::from(CANNOT));
        }
    };
    let wanted = |name: &&str| arguments.target.as_deref().is_none_or(|only| only == *name);
    let runs: Vec<Run> = thread::scope(|scope| {
        let threads: Vec<_> = TARGETS
            .into_iter()
            .filter(wanted)
            .map(|target| scope.spawn(|| run_target(&programs, target, arguments.minutes)))
            .collect();
        threads.into_iter().flat_map(thread::ScopedJoinHandle::join).collect()
    });
    print!("\n{}", table(&runs));
    let asked = TARGETS.iter().filter(|name| wanted(name)).count();
    let well = runs.len() == asked && runs.iter().all(Run::is_well);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether there is a sanitizer to link and a compiler for libFuzzer's C++.
fn check_tools() -> Result<()> {
    let libraries = process::capture(process::rustc().args(["--print", "target-libdir"]))?;
    let sanitizer = fs::read_dir(libraries.trim())
        .context("looking for the toolchain's libraries")?
        .flatten()
        .any(|file| file.file_name().to_string_lossy().ends_with("_rt.asan.a"));
    ensure!(
        sanitizer,
        "the toolchain has no AddressSanitizer; use one from rustup (x86_64-unknown-linux-gnu)"
    );
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    process::capture(Command::new(compiler).arg("--version"))
        .context("libFuzzer needs a C++ compiler (Debian: apt install g++)")?;
    Ok(())
}

/// Where all that belongs to fuzzing goes.
fn directory() -> PathBuf {
    workspace::target().join("fuzz")
}

/// Builds the targets; says where they are.
fn build() -> Result<PathBuf> {
    let host = process::host_target()?;
    eprintln!("building the fuzz targets with AddressSanitizer");
    let mut build = process::cargo();
    build.args(["build", "--package", "fuzz", "--bins", "--features", "libfuzzer"]);
    // The target is named so that the flags do not reach build scripts and proc macros.
    build.args(["--profile", PROFILE, "--target", &host, "--target-dir"]).arg(directory());
    build.env("RUSTC_BOOTSTRAP", "1").env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    process::run(&mut build).context("building the fuzz targets")?;
    Ok(directory().join(host).join(PROFILE))
}

fn run_target(programs: &Path, target: &str, minutes: u32) -> Run {
    let mut run = Run { target: target.to_owned(), ..Run::default() };
    let mut progress = Progress { target, shown: None };
    let result = command(programs, target, minutes).and_then(|mut fuzzer| {
        process::run_silent(&mut fuzzer, |line| {
            progress.show(line);
            run.add_line(line);
        })
    });
    if let Err(error) = result
        && run.crash.is_none()
    {
        run.failure = Some(format!("{error:#}"));
    }
    run
}

fn command(programs: &Path, target: &str, minutes: u32) -> Result<Command> {
    // What it finds is kept from run to run, apart from the seeds in the repository.
    let corpus = directory().join("corpus").join(target);
    let crashes = directory().join("crashes").join(target);
    for folder in [&corpus, &crashes] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let mut command = Command::new(programs.join(target));
    command.args([
        &format!("-max_total_time={}", 60 * minutes),
        &format!("-max_len={MAX_LEN}"),
        &format!("-timeout={RUN_LIMIT}"),
        &format!("-artifact_prefix={}/", crashes.display()),
        "-len_control=0",
        "-print_final_stats=1",
    ]);
    command.arg(corpus).arg(workspace::root().join("fuzz/corpus").join(target));
    // Leaks are no matter here, and to look for them takes the rights of a debugger.
    command.env("ASAN_OPTIONS", "detect_leaks=0");
    Ok(command)
}

impl Run {
    /// Whether it looked at inputs, to its end, and found nothing.
    fn is_well(&self) -> bool {
        self.executions > 0 && self.crash.is_none() && self.failure.is_none()
    }

    /// Takes in a line of libFuzzer's.
    fn add_line(&mut self, line: &str) {
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.crash = Some(path.trim().into());
        } else if let Some(statistic) = line.strip_prefix("stat::") {
            let Some((name, value)) = statistic.split_once(':') else { return };
            let Ok(value) = value.trim().parse() else { return };
            match name {
                "number_of_executed_units" => self.executions = value,
                "average_exec_per_sec" => self.per_second = value,
                _ => {}
            }
        } else if line.starts_with('#') {
            self.add_status(line);
        }
    }

    /// Takes in a line such as `#7667 NEW cov: 3593 ft: 5493 corp: 281/1448b lim: 8 exec/s: 333`.
    fn add_status(&mut self, line: &str) {
        let words = || line.split_whitespace();
        for (name, value) in words().zip(words().skip(1)) {
            let number = value.split('/').next().and_then(|digits| digits.parse().ok());
            match (name, number) {
                ("cov:", Some(number)) => self.coverage = number,
                ("corp:", Some(number)) => self.corpus = number,
                _ => {}
            }
        }
    }
}

/// What of libFuzzer's words is shown: not every input that it keeps.
struct Progress<'a> {
    target: &'a str,
    shown: Option<Instant>,
}

impl Progress<'_> {
    fn show(&mut self, line: &str) {
        let is_status = line.starts_with('#');
        let is_soon = self.shown.is_some_and(|last| last.elapsed() < STATUS_INTERVAL);
        // Its hints for a dictionary are in quotes and hashes.
        if line.is_empty()
            || line.starts_with('"')
            || line.starts_with("###")
            || is_status && is_soon
        {
            return;
        }
        if is_status {
            self.shown = Some(Instant::now());
        }
        eprintln!("{}: {line}", self.target);
    }
}

fn table(runs: &[Run]) -> String {
    let mut text = format!(
        "{:<10} {:>12} {:>9} {:>9} {:>8}  {}\n",
        "target", "executions", "a second", "edges", "corpus", "crashes"
    );
    for run in runs {
        let end = match (&run.crash, &run.failure) {
            (Some(input), _) => format!("FAILED: {}", input.display()),
            (None, Some(why)) => format!("FAILED: {why}"),
            (None, None) if run.executions == 0 => "FAILED: it looked at no input".to_owned(),
            (None, None) => "none".to_owned(),
        };
        text += &format!(
            "{:<10} {:>12} {:>9} {:>9} {:>8}  {end}\n",
            run.target, run.executions, run.per_second, run.coverage, run.corpus
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_counted() {
        let mut run = Run::default();
        for line in [
            "INFO: Running with entropic power schedule (0xFF, 100).",
            "#8173\tNEW    cov: 3599 ft: 5524 corp: 287/1491b lim: 8 exec/s: 333 rss: 102Mb L: 6/8",
            "#8241\tDONE   cov: 3601 ft: 5525 corp: 288/14Kb lim: 8 exec/s: 316 rss: 102Mb",
            "stat::number_of_executed_units: 8241",
            "stat::average_exec_per_sec:     316",
        ] {
            run.add_line(line);
        }
        let expected = Run {
            executions: 8241,
            per_second: 316,
            coverage: 3601,
            corpus: 288,
            ..Run::default()
        };
        assert_eq!(run, expected);
    }

    #[test]
    fn a_target_that_looked_at_no_input_has_not_done_well() {
        assert!(Run { executions: 1, ..Run::default() }.is_well());
        assert!(!Run::default().is_well());
        assert!(table(&[Run::default()]).contains("FAILED: it looked at no input"));
    }

    #[test]
    fn an_input_that_ends_the_run_is_named_in_the_table() {
        let mut run = Run::default();
        run.add_line("artifact_prefix='x/'; Test unit written to x/crash-12ab");
        assert_eq!(run.crash.as_deref(), Some(Path::new("x/crash-12ab")));
        assert!(table(&[run]).contains("FAILED: x/crash-12ab"));
    }
}
