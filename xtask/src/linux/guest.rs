//! One guest: what it is made of.

mod booting;
mod command_lines;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::checks::name_of;
use super::scratch::Scratch;
use super::screen::{self, Reading};
use super::tools::Tools;
use super::userland::UserLand;
use crate::{WrongUse, workspace};

/// What `--check` takes for no check at all.
const NO_CHECK: &str = "none";

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
