//! `observers_off`: what observers and journals cost a device that has none.
//!
//! No build has both to compare: `cargo xtask bench` builds `gen8-rig` (crate `rigs`) a second time, with a
//! device that tells nobody, and hands both in. They run as processes of their own, by turns and on one CPU, and
//! measure their own CPU time.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rigs::Workload;

use super::cpu_time::CpuTime;
use super::measure::{Pair, Ratios};
use super::recorded::{Guest, ROUNDS_SERVED, Scratch, WARM_UP};
use super::server::Pinned;
use super::{Bench, Measured, Target, Unit};

/// A bench that needs both builds, and what it has them do.
struct OffBench {
    work: Work,
    bench: Bench,
}

#[derive(Clone, Copy)]
enum Work {
    /// Something that goes on in their process.
    InProcess(Workload),
    /// Batches through their socket, as `record_overhead` has them.
    Served,
}

const ALL: [OffBench; 3] = [
    OffBench {
        work: Work::Served,
        bench: Bench {
            name: "observers_off",
            about: "a batch through the socket of a server that nobody observes or records, from the ELSP writes to the CSB entry",
            limit: "the same with a device that is built without observers and journals",
            unit: Unit::Microseconds,
            target: Target::Ratio(1.01),
            run: needs_both,
        },
    },
    OffBench {
        work: Work::InProcess(Workload::Batch),
        bench: Bench {
            name: "observers_off_in_process",
            about: "a batch through our driver in process, on a device that nobody observes or records",
            limit: "the same on a device that is built without observers and journals",
            unit: Unit::Microseconds,
            // What was reached; it keeps what it costs from growing.
            target: Target::Ratio(1.06),
            run: needs_both,
        },
    },
    OffBench {
        work: Work::InProcess(Workload::Elsp),
        bench: Bench {
            name: "observers_off_elsp",
            about: "an empty batch, from the ELSP write to the CSB entry, on a device that nobody observes or records",
            limit: "the same on a device that is built without observers and journals",
            unit: Unit::Microseconds,
            target: Target::Ratio(1.05),
            run: needs_both,
        },
    },
];

/// How often both programs are started.
const STARTS: usize = 32;
/// Pairs of samples of each.
const PAIRS: usize = 20;
/// Least CPU time of a sample, nanoseconds.
const SAMPLE_NS: u64 = 1_000_000;

fn needs_both() -> Result<Pair> {
    bail!("compares two builds")
}

/// The names of these benches.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|off| off.bench.name)
}

/// Measures those that are `wanted` with `programs`: as ever, and without observers.
pub(super) fn judge(
    programs: Option<&[PathBuf]>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Measured>> {
    let wanted = |off: &&OffBench| wanted(off.bench.name);
    let Some(programs) = programs else {
        for off in ALL.iter().filter(wanted) {
            eprintln!("skipping {}: only `cargo xtask bench` has both builds", off.bench.name);
        }
        return Ok(Vec::new());
    };
    let [with, without] = programs else { bail!("two programs are compared") };
    let judge = |OffBench { work, bench }: &OffBench| {
        eprintln!("{}: {} against {}", bench.name, bench.about, bench.limit);
        let pair = match *work {
            Work::InProcess(workload) => compare(workload, with, without),
            Work::Served => compare_servers(with, without),
        };
        pair.map(|pair| bench.judge(pair)).with_context(|| format!("bench {}", bench.name))
    };
    ALL.iter().filter(wanted).map(judge).collect()
}

fn compare(workload: Workload, with: &Path, without: &Path) -> Result<Pair> {
    let name = [OsStr::new(workload.name())];
    let _pinned = Pinned::new()?;
    let mut ratios = Ratios::default();
    for _ in 0..STARTS {
        let (mut with, mut without) =
            (Process::start(with, &name, true)?, Process::start(without, &name, false)?);
        let rounds = without.calibrate()?;
        with.sample(rounds)?;
        ratios.take(PAIRS, || with.sample(rounds), || without.sample(rounds))?;
        with.end()?;
        without.end()?;
    }
    Ok(ratios.pair())
}

fn compare_servers(with: &Path, without: &Path) -> Result<Pair> {
    let _pinned = Pinned::new()?;
    let mut ratios = Ratios::default();
    for _ in 0..STARTS {
        let (mut with, mut without) = (Server::start(with, true)?, Server::start(without, false)?);
        for _ in 0..WARM_UP {
            with.guest.run()?;
            without.guest.run()?;
        }
        let (of_one, of_other) = (with.process.clock()?, without.process.clock()?);
        ratios.take(
            PAIRS,
            || of_one.of_each(ROUNDS_SERVED, || with.guest.run()),
            || of_other.of_each(ROUNDS_SERVED, || without.guest.run()),
        )?;
        with.end()?;
        without.end()?;
    }
    Ok(ratios.pair())
}

/// A `gen8-rig` that serves a device, and who uses it.
struct Server {
    guest: Guest,
    process: Process,
    _socket: Scratch,
}

impl Server {
    fn start(program: &Path, tells: bool) -> Result<Server> {
        let socket = Scratch::new();
        let arguments = [OsStr::new("serve"), socket.0.as_os_str()];
        let process = Process::start(program, &arguments, tells)?;
        Ok(Server { guest: Guest::connect(&socket.0)?, process, _socket: socket })
    }

    fn end(self) -> Result<()> {
        drop(self.guest);
        self.process.end()
    }
}

/// A `gen8-rig`.
struct Process {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a program whose device tells observers or does not, as `tells` has it.
    fn start(program: &Path, arguments: &[&OsStr], tells: bool) -> Result<Process> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let (asked, answers) = (child.stdin.take(), child.stdout.take());
        let asked = asked.context("no way to ask")?;
        let answers = BufReader::new(answers.context("no way to hear an answer")?);
        let mut process = Process { child, asked, answers };
        let greeting = process.answer()?;
        // Features of packages add up: one that asks for events would give them to both programs.
        ensure!(
            greeting == rigs::greeting(tells),
            "{} says {greeting:?}: it is not the build to compare",
            program.display()
        );
        Ok(process)
    }

    /// CPU time of so many rounds, nanoseconds.
    fn time(&mut self, rounds: u32) -> Result<u64> {
        writeln!(self.asked, "{rounds}").context("asking gen8-rig")?;
        let answer = self.answer()?;
        answer.parse().with_context(|| format!("gen8-rig says {answer:?}"))
    }

    fn answer(&mut self) -> Result<String> {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).context("hearing gen8-rig")?;
        Ok(answer.trim().into())
    }

    /// Nanoseconds of a round.
    fn sample(&mut self, rounds: u32) -> Result<f64> {
        Ok(self.time(rounds)? as f64 / f64::from(rounds))
    }

    /// Rounds that take long enough; also warms the caches.
    fn calibrate(&mut self) -> Result<u32> {
        let mut rounds = 1;
        while self.time(rounds)? < SAMPLE_NS {
            rounds *= 2;
            ensure!(rounds < 1 << 30, "gen8-rig does nothing");
        }
        Ok(rounds)
    }

    /// Of this thread and its own.
    fn clock(&self) -> Result<CpuTime> {
        CpuTime::with_process(self.child.id())
    }

    /// It ends when nobody can ask any more.
    fn end(mut self) -> Result<()> {
        drop(self.asked);
        let status = self.child.wait().context("waiting for gen8-rig")?;
        ensure!(status.success(), "gen8-rig failed: {status}");
        Ok(())
    }
}
