//! A guest's boot: its server, what is packed for it, QEMU, and the verdict.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::boot::{self, Console, Options, Places, Watch};
use super::super::drive;
use super::super::host::Host;
use super::super::initramfs::{self, Contents};
use super::super::kernel::Kernel;
use super::super::qemu::Machine;
use super::super::replayed;
use super::super::scratch::Scratch;
use super::super::screen::{self, Screenshot};
use super::super::server::Server;
use super::super::tools::Tools;
use super::super::userland::UserLand;
use super::super::verdict::{Asked, Verdict};
use super::{Guest, Site, logs, name_of};

/// How long a run may take unless the user says so.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The file of a recording among the logs.
const RECORDING: &str = "recording.g8r";

impl Guest {
    /// Boots it with `kernel` and gives the verdict; console and logs are kept where [`logs`]
    /// says.
    pub(in crate::linux) fn boot(
        &self,
        kernel: &Kernel,
        tools: &Tools,
        logs: &str,
        console: Console,
    ) -> Result<Verdict> {
        match &self.drive {
            None => self.boot_watched(kernel, tools, logs, console, &mut ()),
            Some(words) => {
                let guest = drive::prepare(words, self, tools)?;
                guest.boot_watched(kernel, tools, logs, console, &mut ())
            }
        }
    }

    /// As [`Guest::boot`], and `watch` reads along. Not for `--drive`.
    pub(in crate::linux) fn boot_watched(
        &self,
        kernel: &Kernel,
        tools: &Tools,
        logs: &str,
        console: Console,
        watch: &mut dyn Watch,
    ) -> Result<Verdict> {
        let scratch = Scratch::new()?;
        let logs = self::logs(logs);
        fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
        let (socket, control) = (scratch.join("gpu"), scratch.join("control"));
        let agent = self.agent.then(|| scratch.join("agent"));
        let server = match (self.no_gpu, &tools.program) {
            (true, _) | (_, None) => None,
            (false, Some(program)) => {
                let log = logs.join("server.log");
                let mut options = self.server_options();
                options.extend(["--control".into(), control.display().to_string()]);
                if let Some(agent) = &agent {
                    options.extend(["--agent".into(), agent.display().to_string()]);
                }
                if let Some(file) = self.recording(&logs) {
                    options.extend(["--record".into(), file.display().to_string()]);
                }
                let server = Server::start(program, &socket, &options, &log, &scratch)?;
                if self.vnc.is_some() {
                    // It says where viewers connect, and who could.
                    eprint!("{}", fs::read_to_string(&log).unwrap_or_default());
                }
                Some(server)
            }
        };
        let served = |path| server.is_some().then_some(path);
        let (gpu, control) = (served(socket.as_path()), served(control.as_path()));
        let agent = agent.as_deref().and_then(served);
        let site = Site { scratch: &scratch, logs: &logs, gpu, control, agent };
        let mut host = Host::new(watch, control);
        let Some((file, socket)) = self.screenshot.as_deref().zip(control) else {
            let mut verdict = self.boot_at(kernel, tools, &site, console, &mut host)?;
            verdict.add_faults(host.finish());
            self.settle_recording(server, &site, tools, &mut verdict);
            return Ok(verdict);
        };
        let font = self.user_land.zip(self.text_font.as_deref());
        let face = font.map(|(user_land, name)| user_land.face(name)).transpose()?;
        let mut screenshot = Screenshot::new(&mut host, socket, file, &self.expect_text, face)?;
        let mut verdict = self.boot_at(kernel, tools, &site, console, &mut screenshot)?;
        verdict.add_screen(screenshot.finish()?);
        verdict.add_faults(host.finish());
        self.settle_recording(server, &site, tools, &mut verdict);
        Ok(verdict)
    }

    /// Where the GPU is recorded to, if it is.
    fn recording(&self, logs: &Path) -> Option<PathBuf> {
        let kept_if_wrong = || self.record_failure.then(|| logs.join(RECORDING));
        self.record.clone().or_else(kept_if_wrong)
    }

    /// Ends the server, with which the recording is whole, plays it, and removes one that nobody needs. (That of a
    /// guest that could not be judged stays, too.)
    fn settle_recording(
        &self,
        server: Option<Server>,
        site: &Site<'_>,
        tools: &Tools,
        verdict: &mut Verdict,
    ) {
        drop(server);
        let Some((file, program)) = self.recording(site.logs).zip(tools.program.as_deref()) else {
            return;
        };
        let faults = replayed::faults(program, &file, verdict.views.as_ref(), site.scratch);
        verdict.add_faults(faults);
        if verdict.ok && self.record.is_none() {
            fs::remove_file(file).ok(); // nobody needs it
        } else {
            eprintln!("what went into the GPU is recorded in {}", file.display());
        }
    }

    /// As [`Guest::boot`], with a GPU that somebody else serves.
    pub(in crate::linux) fn boot_at(
        &self,
        kernel: &Kernel,
        tools: &Tools,
        site: &Site<'_>,
        console: Console,
        watch: &mut dyn Watch,
    ) -> Result<Verdict> {
        let (command, places) = self.command(kernel, tools, site)?;
        let limit = self.timeout.map(Duration::from_secs);
        let options = Options {
            timeout: if self.interactive { limit } else { limit.or(Some(TIMEOUT)) },
            console: if self.interactive { Console::Terminal } else { console },
        };
        let logs = site.logs.display();
        eprintln!("booting Linux {} ({}); logs in {logs}", kernel.name, tools.accel);
        let mut verdict = Verdict::asking(site.control.map(Path::to_owned), self.observe);
        boot::run(command, &places, &options, site.scratch, &mut verdict, watch)?;
        verdict.conclude(&self.asked(&self.checks(tools)?));
        Ok(verdict)
    }

    /// QEMU with this guest, and where its words go. Nothing is started yet.
    pub(in crate::linux) fn command(
        &self,
        kernel: &Kernel,
        tools: &Tools,
        site: &Site<'_>,
    ) -> Result<(Command, Places)> {
        let initramfs = site.scratch.join("initramfs.cpio");
        fs::write(&initramfs, self.pack(kernel, tools, &self.checks(tools)?)?)
            .context("writing the initramfs")?;
        let places = Places {
            log_socket: site.scratch.join("log"),
            console: site.logs.join("console.log"),
            kernel_log: site.logs.join("kernel.log"),
        };
        let disk = self.user_land.map(UserLand::disk).transpose()?;
        let command = tools.qemu.boot(&Machine {
            accel: tools.accel,
            memory: &self.mem,
            cpus: self.smp,
            kernel: &kernel.image,
            initramfs: &initramfs,
            append: &self.command_line(),
            gpu: site.gpu,
            iommu: self.drive.is_some(),
            agent: site.agent,
            disk: disk.as_deref(),
            log: &places.log_socket,
            interactive: self.interactive,
        })?;
        Ok((command, places))
    }

    fn pack(&self, kernel: &Kernel, tools: &Tools, checks: &[String]) -> Result<Vec<u8>> {
        let exec = self.exec.as_deref();
        let still = self.screenshot.as_ref().map(|_| screen::payload(exec, self.reading()));
        initramfs::pack(&Contents {
            busybox: &tools.busybox,
            release: &kernel.release,
            modules: kernel.modules.as_ref(),
            i915: self.has_i915(),
            disabled: self.disable_in_i915.as_deref(),
            more_modules: &self.module,
            user_land: self.user_land.is_some(),
            checks: tools.checks.as_ref().map(|(program, _)| program.as_path()),
            wanted_checks: checks,
            overlay: self.overlay.as_deref(),
            payload: still.as_deref().or(exec),
            interactive: self.interactive,
            agent: self.agent_program(tools),
            more_files: &self.packed,
        })
    }

    /// The agent and its options.
    fn agent_program<'a>(&self, tools: &'a Tools) -> Option<(&'a Path, &'static str)> {
        let options = if self.stacks { "--stacks" } else { "" };
        let program = tools.agent.as_deref().filter(|_| self.agent)?;
        Some((program, options))
    }

    fn asked(&self, checks: &[String]) -> Asked {
        Asked {
            i915: self.has_i915(),
            payload: self.exec.is_some() || self.screenshot.is_some(),
            checks: checks.iter().map(|check| name_of(check).to_owned()).collect(),
            intx: self.intx,
            stolen: self.stolen.is_some_and(|size| size > 0),
            oops: self.expect_oops.clone(),
            changed: self.disable_in_i915.is_some(),
            views: self.agent,
            difference: self.expect_difference.clone(),
        }
    }
}
