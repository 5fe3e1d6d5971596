//! One guest: what it is made of, and its boot.

mod command_lines;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::boot::{self, Console, Options, Places, Watch};
use super::checks::name_of;
use super::drive;
use super::host::Host;
use super::initramfs::{self, Contents};
use super::kernel::Kernel;
use super::qemu::Machine;
use super::scratch::Scratch;
use super::screen::{self, Reading, Screenshot};
use super::server::Server;
use super::tools::Tools;
use super::userland::UserLand;
use super::verdict::{Asked, Verdict};
use crate::{WrongUse, workspace};

/// How long a run may take unless the user says so.
const TIMEOUT: Duration = Duration::from_secs(300);
/// What `--check` takes for no check at all.
const NO_CHECK: &str = "none";

/// The file of a recording among the logs.
const RECORDING: &str = "recording.g8r";

/// The guest to boot.
#[derive(Args, Clone, Debug)]
pub(super) struct Guest {
    /// Checks to run under i915 before the payload (`none`: no check)
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "engines")]
    pub(super) check: Vec<String>,
    /// Shell command to run in the guest; its exit status becomes ours
    #[arg(long, value_name = "CMD")]
    pub(super) exec: Option<String>,
    /// A directory laid over the guest's root file system
    #[arg(long, value_name = "DIR")]
    pub(super) overlay: Option<PathBuf>,
    /// Further modules to make loadable, with what they need
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) module: Vec<String>,
    /// More arguments for the kernel's command line
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub(super) append: Option<String>,
    /// The guest's memory, as QEMU writes sizes
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = memory_size)]
    pub(super) mem: String,
    /// The guest's CPUs
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) smp: u32,
    /// The GPU, by its PCI device id (`gen8emu serve --help` names the default)
    #[arg(long, value_name = "ID")]
    pub(super) sku: Option<String>,
    /// Let the GPU interrupt by its line, not by messages
    #[arg(long)]
    pub(super) intx: bool,
    /// Memory that the GPU takes from the system, in MiB
    #[arg(long, value_name = "MIB")]
    pub(super) stolen: Option<u32>,
    /// The GPU's display engine
    #[arg(long, value_enum, default_value = "on")]
    pub(super) display: Display,
    /// A monitor at the GPU, such as hdmi=1024x768; up to three
    #[arg(long, value_name = "OUTPUT")]
    pub(super) output: Vec<String>,
    /// Whether the guest waits for its writes to the aperture (default: posted with an output)
    #[arg(long, value_name = "awaited|posted")]
    pub(super) aperture_writes: Option<String>,
    /// Stream the kernel's tracepoints of i915 to the GPU's server, which compares both views (docs/agent.md)
    #[arg(long, conflicts_with_all = ["drive", "no_gpu"])]
    pub(super) agent: bool,
    /// Let the server watch every event: what its observers find is a fault (docs/inspect.md)
    #[arg(long, conflicts_with_all = ["drive", "no_gpu"])]
    pub(super) observe: bool,
    /// A defect of the device that must be found (docs/agent.md), such as pte-lost=0x80000000
    #[arg(long, value_name = "NAME")]
    pub(super) inject: Vec<String>,
    /// A function of i915's, without a result, that returns at once: a driver whose fault must be found
    /// (docs/agent.md), such as gen8_ppgtt_clear
    #[arg(long, value_name = "FUNCTION", conflicts_with_all = ["drive", "no_gpu"])]
    pub(super) disable_in_i915: Option<String>,
    /// Both views must differ, or a use of what is not bound be found, by a finding of this name; checks that see the
    /// same may then fail
    #[arg(long, value_name = "NAME", requires = "agent")]
    pub(super) expect_difference: Option<String>,
    /// With the kernel's stack of every event
    #[arg(long, requires = "agent")]
    pub(super) stacks: bool,
    /// Show its screen to VNC viewers: a port of the loopback address, such as 5900, or IP:PORT
    #[arg(long, value_name = "ADDRESS", requires = "output")]
    pub(super) vnc: Option<String>,
    /// Write what its first monitor shows after the payload to this PNG file
    #[arg(long, value_name = "FILE", requires = "output", conflicts_with_all = ["drive", "interactive"])]
    pub(super) screenshot: Option<PathBuf>,
    /// This text must be on the screenshot, in a row of fbcon's; may be given again
    #[arg(long, value_name = "TEXT", requires = "screenshot", value_parser = screen::expectable)]
    pub(super) expect_text: Vec<String>,
    /// The text is X's, in this font of the user land's (such as 6x13), at any place
    #[arg(long, value_name = "FONT", requires = "expect_text", requires = "user_land")]
    pub(super) text_font: Option<String>,
    /// A disk with Debian's programs, in which the payload runs: x has X server, xterm, xclock, modetest
    #[arg(long, value_enum, value_name = "NAME", conflicts_with = "drive")]
    pub(super) user_land: Option<UserLand>,
    /// Boot without the GPU: are kernel, initramfs and payload all right by themselves?
    #[arg(long, conflicts_with_all = ["sku", "intx", "stolen", "display", "output", "aperture_writes", "check"])]
    pub(super) no_gpu: bool,
    /// Let `gen8emu drive` have the GPU instead of i915, through vfio-pci, with these arguments
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true, num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["check", "exec", "overlay", "no_gpu", "interactive"])]
    pub(super) drive: Option<String>,
    /// The kernel must die in this function, and in no other
    #[arg(long, value_name = "FUNCTION")]
    pub(super) expect_oops: Option<String>,
    /// End the guest after this many seconds (default 300; none with --interactive)
    #[arg(long, value_name = "S")]
    pub(super) timeout: Option<u64>,
    /// A shell in the guest on this terminal (Ctrl-A x ends QEMU)
    #[arg(long, conflicts_with_all = ["exec", "json", "all"])]
    pub(super) interactive: bool,
    /// Record what goes into the GPU to this file, for `gen8emu replay`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_gpu", "drive"])]
    pub(super) record: Option<PathBuf>,
    /// Record into the logs, and keep that if the verdict is not ok.
    #[arg(skip)]
    pub(super) record_failure: bool,
    /// Files of this host that are packed besides, each with its path in the guest.
    #[arg(skip)]
    pub(super) packed: Vec<(String, PathBuf)>,
}

/// Where a guest runs.
pub(super) struct Site<'a> {
    pub(super) scratch: &'a Scratch,
    /// The directory of its logs.
    pub(super) logs: &'a Path,
    /// Where its GPU is served; None for none.
    pub(super) gpu: Option<&'a Path>,
    /// Where the GPU can be asked what it has seen.
    pub(super) control: Option<&'a Path>,
    /// Where the guest's agent is taken in.
    pub(super) agent: Option<&'a Path>,
}

/// The GPU's display engine.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(super) enum Display {
    /// Three pipes without a monitor.
    On,
    /// A part whose display was fused off.
    FusedOff,
}

impl Default for Guest {
    /// What the command line's defaults make.
    fn default() -> Guest {
        Guest {
            check: vec!["engines".into()],
            exec: None,
            overlay: None,
            module: Vec::new(),
            append: None,
            mem: "1G".into(),
            smp: 1,
            sku: None,
            intx: false,
            stolen: None,
            display: Display::On,
            output: Vec::new(),
            aperture_writes: None,
            agent: false,
            observe: false,
            inject: Vec::new(),
            disable_in_i915: None,
            expect_difference: None,
            stacks: false,
            vnc: None,
            screenshot: None,
            expect_text: Vec::new(),
            text_font: None,
            user_land: None,
            no_gpu: false,
            drive: None,
            expect_oops: None,
            timeout: None,
            interactive: false,
            record: None,
            record_failure: false,
            packed: Vec::new(),
        }
    }
}

impl Guest {
    /// Whether i915 takes the GPU.
    fn has_i915(&self) -> bool {
        !self.no_gpu && self.drive.is_none()
    }

    /// Whether it runs checks.
    pub(super) fn wants_checks(&self) -> bool {
        self.has_i915() && self.check.iter().any(|name| name != NO_CHECK)
    }

    /// Whether it has the program of the checks, which also tells the console's font.
    pub(super) fn wants_program(&self) -> bool {
        self.wants_checks() || self.reading() == Reading::Console
    }

    /// How its screen is read.
    fn reading(&self) -> Reading {
        match (&self.expect_text[..], &self.text_font) {
            ([], _) => Reading::Nothing,
            (_, None) => Reading::Console,
            (_, Some(_)) => Reading::X,
        }
    }

    /// The checks to run.
    fn checks(&self, tools: &Tools) -> Result<Vec<String>> {
        let wanted: Vec<String> =
            self.check.iter().filter(|name| *name != NO_CHECK).cloned().collect();
        match &tools.checks {
            Some((_, catalogue)) if self.wants_checks() => catalogue.expand(&wanted),
            _ => Ok(Vec::new()),
        }
    }

    /// Boots it with `kernel` and gives the verdict; console and logs are kept where [`logs`]
    /// says.
    pub(super) fn boot(
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
    pub(super) fn boot_watched(
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
            self.settle_recording(server, &logs, &verdict);
            return Ok(verdict);
        };
        let font = self.user_land.zip(self.text_font.as_deref());
        let face = font.map(|(user_land, name)| user_land.face(name)).transpose()?;
        let mut screenshot = Screenshot::new(&mut host, socket, file, &self.expect_text, face)?;
        let mut verdict = self.boot_at(kernel, tools, &site, console, &mut screenshot)?;
        verdict.add_screen(screenshot.finish()?);
        verdict.add_faults(host.finish());
        self.settle_recording(server, &logs, &verdict);
        Ok(verdict)
    }

    /// Where the GPU is recorded to, if it is.
    fn recording(&self, logs: &Path) -> Option<PathBuf> {
        let kept_if_wrong = || self.record_failure.then(|| logs.join(RECORDING));
        self.record.clone().or_else(kept_if_wrong)
    }

    /// Ends the server, with which the recording is whole, and removes one that nobody needs. (That of a guest
    /// that could not be judged stays, too.)
    fn settle_recording(&self, server: Option<Server>, logs: &Path, verdict: &Verdict) {
        drop(server);
        match self.recording(logs) {
            Some(file) if verdict.ok && self.record.is_none() => drop(fs::remove_file(file)),
            Some(file) => eprintln!("what went into the GPU is recorded in {}", file.display()),
            None => {}
        }
    }

    /// As [`Guest::boot`], with a GPU that somebody else serves.
    pub(super) fn boot_at(
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
    pub(super) fn command(
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

    /// Refuses what cannot be, before anything is fetched or built.
    pub(super) fn verify(&self) -> Result<()> {
        if let Some(overlay) = &self.overlay
            && !overlay.is_dir()
        {
            let what =
                format!("there is no directory {} to lay over (--overlay)", overlay.display());
            return Err(WrongUse(what).into());
        }
        Ok(())
    }
}

/// Where the logs of a boot lie under this name.
pub(super) fn logs(name: &str) -> PathBuf {
    workspace::target().join("linux").join(name)
}

/// A number and a unit, since the value goes into lists of options.
fn memory_size(text: &str) -> Result<String, String> {
    let digits = text.trim_end_matches(['M', 'G']);
    let one_unit = text.len() - digits.len() == 1;
    match digits.parse::<u32>() {
        Ok(1..) if one_unit => Ok(text.to_owned()),
        _ => Err("write a size like 512M or 5G".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        guest: Guest,
        #[arg(long)]
        json: bool,
        #[arg(long)]
        all: bool,
    }

    #[test]
    fn the_default_guest_is_that_of_the_command_line() {
        let line = Line::parse_from(["x"]);
        assert_eq!(format!("{:?}", line.guest), format!("{:?}", Guest::default()));
        assert!(!line.json && !line.all);
    }

    #[test]
    fn memory_sizes_hold_no_further_options() {
        assert_eq!(memory_size("5G").as_deref(), Ok("5G"));
        for bad in ["1G,x=y", "", "G", "0M", "1", "1GG", "-1G", "1g"] {
            assert!(memory_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_check_runs_without_a_gpu_or_when_none_is_wanted() {
        assert!(Guest::default().wants_checks());
        assert!(!Guest { no_gpu: true, ..Guest::default() }.wants_checks());
        assert!(!Guest { check: vec!["none".into()], ..Guest::default() }.wants_checks());
    }
}
