//! `cargo xtask soak`: one server, whose clients are killed at work, and whose driver is unloaded and
//! loaded again. What the server holds must stay what it was.

mod plan;
mod usage;

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;

use self::plan::{Random, Stage};
use self::usage::{Usage, table};
use super::Accel;
use super::boot::{self, Console, Places};
use super::guest::{self, Guest, Site};
use super::kernel::{self, Kernel};
use super::scratch::Scratch;
use super::server::Server;
use super::tools::{Tools, Wanted};

/// How long a guest may take to get to where it is to be killed.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long the server may take to let a dead client's things go.
const RELEASE: Duration = Duration::from_secs(5);
/// A server that holds the same for so long has begun.
const REST: Duration = Duration::from_secs(1);
/// Seconds for a reload of i915 in the guest.
const RELOAD: u32 = 60;
/// RSS that may have come: pages of code that ran since, and of the allocator.
const SLACK_KIB: u64 = 2048;
/// Mappings that may have come: the kernel counts neighbours that are alike as one, and the
/// allocator's blocks lie now here and now there. One client brings ten.
const SLACK_MAPPINGS: u64 = 2;

/// Kill QEMU again and again while its guest uses the GPU, then unload and load i915.
#[derive(Args)]
pub(crate) struct SoakArgs {
    /// How often QEMU is killed
    #[arg(long, value_name = "N", default_value = "100")]
    kills: u32,
    /// How often i915 is unloaded and loaded again
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(..=10_000))]
    reloads: u32,
    /// Debian's kernel to boot
    #[arg(long, value_name = "VERSION", default_value = "6.1", value_parser = clap::builder::PossibleValuesParser::new(kernel::names()))]
    kernel: String,
    /// The figures as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    kills: u32,
    reloads: u32,
    /// Kills by stage.
    firmware: u32,
    probe: u32,
    work: u32,
    /// The server before its first client.
    before: Usage,
    /// After the first.
    first: Usage,
    /// After the last kill.
    killed: Usage,
    /// At the end.
    end: Usage,
    /// The most of each, ever seen between two clients.
    most: Usage,
    faults: Vec<String>,
    seconds: u64,
    ok: bool,
}

/// Runs it; the exit status is 0 if the server is as it was.
pub(crate) fn run(arguments: &SoakArgs) -> Result<ExitCode> {
    let kernel = kernel::debian(&arguments.kernel)?;
    let wanted = Wanted {
        qemu: None,
        accel: Accel::Auto,
        program: None,
        gpu: true,
        checks: true,
        agent: false,
    };
    let tools = Tools::get(&wanted)?;
    let report = Soak::start(&kernel, &tools)?.run(arguments)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", table(&report));
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A server and what its guests are made of.
struct Soak<'a> {
    kernel: &'a Kernel,
    tools: &'a Tools,
    server: Server,
    scratch: Scratch,
    logs: PathBuf,
}

impl<'a> Soak<'a> {
    fn start(kernel: &'a Kernel, tools: &'a Tools) -> Result<Soak<'a>> {
        let scratch = Scratch::new()?;
        let logs = guest::logs("soak");
        fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
        let Some(program) = &tools.program else { bail!("there is no server to start") };
        let (socket, log) = (scratch.join("gpu"), logs.join("server.log"));
        let server = Server::start(program, &socket, &[], &log, &scratch)?;
        Ok(Soak { kernel, tools, server, scratch, logs })
    }

    fn run(&self, arguments: &SoakArgs) -> Result<Report> {
        let start = Instant::now();
        let before = self.rested()?;
        let mut report = Report {
            kernel: self.kernel.release.clone(),
            kills: arguments.kills,
            reloads: arguments.reloads,
            firmware: 0,
            probe: 0,
            work: 0,
            before,
            first: before,
            killed: before,
            end: before,
            most: before,
            faults: Vec::new(),
            seconds: 0,
            ok: false,
        };
        let mut random = Random::new();
        for kill in 0..arguments.kills {
            self.kill_one(kill, &mut random, &mut report)?;
        }
        if arguments.kills == 0 && arguments.reloads == 0 {
            report.faults.push("nothing was done: ask for --kills or --reloads".into());
        }
        if arguments.reloads > 0 {
            self.reload(arguments.reloads, &mut report)?;
        }
        report.end = self.settled(before)?;
        report.judge();
        report.seconds = start.elapsed().as_secs();
        Ok(report)
    }

    fn kill_one(&self, kill: u32, random: &mut Random, report: &mut Report) -> Result<()> {
        let stage = Stage::of(kill);
        let delay = stage.length().mul_f64(random.fraction());
        if let Err(error) = self.boot_and_kill(stage, delay) {
            report.faults.push(format!("kill {}: {error:#}", kill + 1));
        }
        *match stage {
            Stage::Firmware => &mut report.firmware,
            Stage::Probe => &mut report.probe,
            Stage::Work => &mut report.work,
        } += 1;
        let usage = self.settled(report.before)?;
        report.most = report.most.most(usage);
        report.killed = usage;
        if kill == 0 {
            report.first = usage;
        }
        let ms = delay.as_millis();
        eprintln!("kill {} in {stage:?} after {ms} ms: {usage}", kill + 1);
        Ok(())
    }

    /// Boots a guest whose batches never end, and kills QEMU `delay` after `stage` began.
    fn boot_and_kill(&self, stage: Stage, delay: Duration) -> Result<()> {
        let guest =
            Guest { check: vec!["engines".into(), "contexts=1000000".into()], ..Guest::default() };
        let socket = self.scratch.join("gpu");
        let site = self.site(&socket);
        let (mut command, places) = guest.command(self.kernel, self.tools, &site)?;
        fs::remove_file(&places.log_socket).ok(); // Of the one before.
        let listener = UnixListener::bind(&places.log_socket).context("listening for the log")?;
        let (lines, log) = boot::read_log(listener, boot::create(&places.kernel_log)?);
        let mut qemu = self.spawn(&mut command, &places)?;
        let reached = wait_for(stage, &mut qemu, &lines);
        std::thread::sleep(delay);
        let alive = qemu.0.try_wait()?.is_none();
        drop(qemu);
        UnixStream::connect(&places.log_socket).ok(); // If QEMU never came, our thread still waits.
        log.join().ok();
        reached?;
        if alive { Ok(()) } else { bail!("QEMU had ended before it was killed") }
    }

    fn spawn(&self, command: &mut Command, places: &Places) -> Result<Killed> {
        let console = boot::create(&places.console)?;
        command.stdin(Stdio::null()).stdout(console);
        let qemu = Killed(command.spawn().context("cannot start QEMU")?);
        self.scratch.ends_with_us(&qemu.0)?;
        Ok(qemu)
    }

    fn reload(&self, reloads: u32, report: &mut Report) -> Result<()> {
        let guest = Guest {
            check: vec![format!("reload={reloads}")],
            timeout: Some((120 + reloads * RELOAD).into()),
            ..Guest::default()
        };
        let socket = self.scratch.join("gpu");
        fs::remove_file(self.scratch.join("log")).ok(); // Of the one before.
        let site = self.site(&socket);
        let verdict = guest.boot_at(self.kernel, self.tools, &site, Console::Stderr, &mut ())?;
        report.faults.extend(verdict.faults.iter().map(|fault| format!("reloads: {fault}")));
        report.most = report.most.most(self.settled(report.before)?);
        Ok(())
    }

    fn site<'s>(&'s self, socket: &'s Path) -> Site<'s> {
        Site {
            scratch: &self.scratch,
            logs: &self.logs,
            gpu: Some(socket),
            control: None,
            agent: None,
        }
    }

    fn usage(&self) -> Result<Usage> {
        Usage::of(self.server.pid())
    }

    /// What the server holds once its threads have begun: until then they lack their part of the
    /// allocator.
    fn rested(&self) -> Result<Usage> {
        let mut usage = self.usage()?;
        loop {
            std::thread::sleep(REST);
            let before = std::mem::replace(&mut usage, self.usage()?);
            if usage == before {
                return Ok(usage);
            }
        }
    }

    /// What the server holds once it has let the last client's fds go.
    fn settled(&self, before: Usage) -> Result<Usage> {
        let deadline = Instant::now() + RELEASE;
        loop {
            let usage = self.usage().context("the server is gone")?;
            if usage.fds <= before.fds || Instant::now() > deadline {
                return Ok(usage);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Report {
    /// Finds what the server kept.
    fn judge(&mut self) {
        let (end, before) = (self.end, self.before);
        for (what, is, was) in [
            ("fds", end.fds, before.fds),
            ("mappings", end.mappings, before.mappings + SLACK_MAPPINGS),
            ("KiB of RSS", end.rss_kib, before.rss_kib + SLACK_KIB),
        ] {
            if is > was {
                self.faults.push(format!("the server has {is} {what}, and had {was}"));
            }
        }
        self.ok = self.faults.is_empty();
    }
}

/// QEMU; killed when this value goes.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok(); // It may have ended already.
        self.0.wait().ok();
    }
}

/// Waits until the guest says that `stage` began.
fn wait_for(stage: Stage, qemu: &mut Killed, lines: &Receiver<String>) -> Result<()> {
    let Some(mark) = stage.mark() else { return Ok(()) };
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(line) if line.contains(mark) => return Ok(()),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if let Some(status) = qemu.0.try_wait()? {
            bail!("QEMU ended with {status} before the guest said `{mark}`");
        }
    }
    bail!("the guest did not say `{mark}` within {} s", PATIENCE.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Usage = Usage { rss_kib: 20_000, mappings: 70, fds: 8 };

    fn report(end: Usage) -> Report {
        let mut report = Report {
            kernel: "6.1".into(),
            kills: 1,
            reloads: 0,
            firmware: 1,
            probe: 0,
            work: 0,
            before: HELD,
            first: HELD,
            killed: HELD,
            end,
            most: HELD,
            faults: Vec::new(),
            seconds: 1,
            ok: false,
        };
        report.judge();
        report
    }

    #[test]
    fn a_server_that_keeps_anything_is_a_fault() {
        assert!(report(HELD).ok);
        let (rss_kib, mappings) = (HELD.rss_kib + SLACK_KIB, HELD.mappings + SLACK_MAPPINGS);
        assert!(report(Usage { rss_kib, mappings, ..HELD }).ok);
        for kept in [
            Usage { fds: 9, ..HELD },
            Usage { mappings: HELD.mappings + SLACK_MAPPINGS + 1, ..HELD },
            Usage { rss_kib: HELD.rss_kib + SLACK_KIB + 1, ..HELD },
        ] {
            let report = report(kept);
            assert!(!report.ok && report.faults.len() == 1, "{:?}", report.faults);
        }
    }

    #[test]
    fn a_guest_that_does_not_get_there_is_told() {
        let (_sender, lines) = std::sync::mpsc::channel();
        let mut ended = Killed(Command::new("true").spawn().unwrap());
        ended.0.wait().unwrap();
        let error = wait_for(Stage::Work, &mut ended, &lines).unwrap_err().to_string();
        assert!(error.contains("before the guest said"), "{error}");
    }
}
