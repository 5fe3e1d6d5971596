//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use driver::{Bug, Policy};
use gen8_spec::pci;
use gen8_spec::registers::outputs::{PIPE_COUNT, PORT_COUNT};
use gen8_spec::sku::{SKUS, Sku};
use gpu_model::display::{Output, Port};
use machine::MachineKind;
use scenarios::{Levels, ScenarioId, SubmissionMode};

use crate::inject::Defect;
use crate::inspect::arguments::InspectArgs;
use crate::replay::arguments::ReplayArgs;
use crate::report::arguments::{ExportArgs, ReportArgs};
use crate::top::TopArgs;
use crate::{bench, output};

/// An emulated Intel Gen8 GPU, an i915-style driver for it, and the address-space leak that the
/// driver had until Linux 4.4.
///
/// Exit status: 0 all as expected, 1 a difference or a failure, 2 wrong use. RUST_LOG=debug shows
/// what driver and device do.
#[derive(Parser, Debug)]
#[command(name = "gen8emu", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run scenarios and show what is left over, and why
    ///
    /// Without options: flink-and-exit without the fix (policy none) and with the merged one (v4),
    /// with 3 and 4 levels of page tables, in a guest under KVM.
    Run(RunArgs),
    /// Run every scenario under every policy and compare with what is expected
    ///
    /// Without options: all of it in process. With --machine kvm and no --scenario: A, C, D, F, F2,
    /// G and H.
    Matrix(CaseArgs),
    /// Measure the hot paths, each against a limit measured in the same run
    Bench(BenchArgs),
    /// Give the GPU to QEMU (10.1 or newer) as a PCI device, over vfio-user
    ///
    /// Serves one QEMU after the other until SIGTERM or SIGINT.
    Serve(ServeArgs),
    /// Write what the monitor of a served GPU shows to a PNG file
    Screenshot(ScreenshotArgs),
    /// Connect a monitor to a served GPU while it runs
    Plug(PlugArgs),
    /// Take a monitor away from a served GPU while it runs
    Unplug(UnplugArgs),
    /// Look at a served GPU: registers, engines, page tables, GGTT, TLBs (docs/inspect.md)
    Inspect(InspectArgs),
    /// Draw what happened as one page: timeline, page-table pages, maps, findings (docs/report.md)
    Report(ReportArgs),
    /// Write what happened in another tool's format (docs/report.md)
    Export(ExportArgs),
    /// Watch a served GPU: engines' work, address spaces and their pages, faults, register accesses
    Top(TopArgs),
    /// Run the device from a recording, without a guest, and compare (docs/recording.md)
    Replay(ReplayArgs),
    /// Run scenarios on a GPU that is bound to vfio-pci, real or emulated
    ///
    /// Without options: the cases of `run`. The GPU must have no display in use; docs/vfio.md tells
    /// how to take it from i915.
    Drive(DriveArgs),
    /// Say whether /dev/kvm really runs a guest here
    Probe,
}

/// Restarts of an X server in a scenario; without the fix each costs some pages of memory.
const MOST_RESTARTS: i64 = 1000;

/// Which cases to run. Each list takes commas or the option again.
#[derive(Args, Debug, Default)]
pub(crate) struct CaseLists {
    /// Scenario, by name or letter
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) scenario: Vec<ScenarioId>,
    /// Cleanup policy of the driver
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = scenarios::parse_policy)]
    pub(crate) policy: Vec<Policy>,
    /// Levels of the page tables: 3 or 4
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) levels: Vec<Levels>,
    /// Submission mode: execlists or legacy
    #[arg(long, value_name = "MODE", value_delimiter = ',')]
    pub(crate) submission: Vec<SubmissionMode>,
}

/// Which cases to run, and where.
#[derive(Args, Debug, Default)]
pub(crate) struct CaseArgs {
    #[command(flatten)]
    pub(crate) lists: CaseLists,
    /// Machine: kvm or in-process
    #[arg(long, value_name = "MACHINE", value_parser = machine_kind)]
    pub(crate) machine: Option<MachineKind>,
    /// How often the X server of xserver-restart is started and ended (in process; default: 10)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_RESTARTS))]
    pub(crate) count: Option<u32>,
    /// Bug of the real driver to plant, in the case in which it bites (docs/bugs.md); in process
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = bug_name,
          conflicts_with_all = ["scenario", "policy", "levels", "submission", "machine", "count"])]
    pub(crate) bug: Vec<Bug>,
    /// All of them, one after the other
    #[arg(long, conflicts_with_all = ["bug", "scenario", "policy", "levels", "submission", "machine",
                                      "count"])]
    pub(crate) bugs: bool,
    /// One JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// The guest's image; else $GEN8EMU_FIRMWARE
    #[arg(long, value_name = "FILE")]
    pub(crate) firmware: Option<PathBuf>,
}

/// Arguments of `run`.
#[derive(Args, Debug, Default)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) cases: CaseArgs,
    /// Draw what happened in each case up to its last checkpoint as a page (docs/report.md); a name that
    /// ends with .json gets it for programs
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Record what goes into the GPU to a file, for `replay` (docs/recording.md). Each further machine of the
    /// run gets a file with a number: in process each case has one
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

impl CaseArgs {
    /// The bugs to plant, each once; none without `--bug` and `--bugs`.
    pub(crate) fn planted(&self) -> Vec<Bug> {
        Bug::ALL.into_iter().filter(|bug| self.bugs || self.bug.contains(bug)).collect()
    }
}

/// Arguments of `drive`.
#[derive(Args, Debug)]
pub(crate) struct DriveArgs {
    /// The GPU's PCI address, such as 0000:00:02.0
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) vfio: vfio_platform::Address,
    #[command(flatten)]
    pub(crate) lists: CaseLists,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Only these; without any, all
    #[arg(value_name = "NAME", value_parser = bench_name)]
    pub(crate) names: Vec<String>,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Figures that a guest measured, as `cargo xtask bench` hands them in
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) guest_figures: Option<PathBuf>,
    /// `gen8-rig` as ever, and without observers, as `cargo xtask bench` builds them
    #[arg(long, value_names = ["WITH", "WITHOUT"], num_args = 2, hide = true)]
    pub(crate) rigs: Option<Vec<PathBuf>>,
}

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Where QEMU connects
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: PathBuf,
    /// The part, by PCI device id
    #[arg(long, value_name = "ID", value_parser = sku, default_value = "1616")]
    pub(crate) sku: Sku,
    /// Stolen memory: a multiple of 32, up to 512
    #[arg(long, value_name = "MIB", value_parser = stolen_memory, default_value = "0")]
    pub(crate) stolen: u64,
    /// Whether the part has its display or not
    #[arg(long, value_enum, default_value = "on")]
    pub(crate) display: Display,
    /// A port with a monitor of a size (hdmi=1024x768) or of an EDID (hdmi=edid:FILE), or without one for
    /// now (hdmi=none); up to three: ports B, C and D
    #[arg(long, value_name = "OUTPUT", value_parser = output::parse)]
    pub(crate) output: Vec<Output>,
    /// Whether the guest waits for its writes to the aperture; posted ones are faster, but memory may
    /// show them late (default: awaited; posted with an output, as a screen takes many)
    #[arg(long, value_enum)]
    pub(crate) aperture_writes: Option<Writes>,
    /// Where programs ask what the device has seen (docs/control.md)
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,
    /// Where QEMU connects the guest's agent, which tells what the kernel does (docs/agent.md)
    #[arg(long, value_name = "PATH")]
    pub(crate) agent: Option<PathBuf>,
    /// Watch every event, for what `inspect` tells of them; makes the device slower (docs/inspect.md)
    #[arg(long, requires = "control")]
    pub(crate) observe: bool,
    /// A defect of the device, by which those who watch a driver prove that they see it (docs/agent.md)
    #[arg(long, value_name = "NAME")]
    pub(crate) inject: Vec<Defect>,
    /// Show the screen to VNC viewers: a port of the loopback address, such as 5900, or IP:PORT. There is
    /// no password (docs/screen.md)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) vnc: Option<viewer::Address>,
    /// The pipe that viewers see, 0 to 2; without it the first that is on
    #[arg(long, value_name = "N", requires = "vnc", value_parser = pipe)]
    pub(crate) vnc_pipe: Option<usize>,
    /// Record what goes into the device to a file, for `replay` (docs/recording.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Which of the guest's memory gets into the recording
    #[arg(long, value_enum, requires = "record", default_value = "tables")]
    pub(crate) record_memory: RecordedMemory,
    /// Spend a CPU on shorter register accesses: never sleep while QEMU is connected
    #[arg(long)]
    pub(crate) poll: bool,
}

/// Arguments of `screenshot`.
#[derive(Args, Debug)]
pub(crate) struct ScreenshotArgs {
    /// The control socket of the server
    #[arg(long, value_name = "PATH")]
    pub(crate) control: PathBuf,
    /// The pipe, 0 to 2; without it the first that is on
    #[arg(long, value_name = "N")]
    pub(crate) pipe: Option<usize>,
    /// Where the picture goes
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Arguments of `plug`.
#[derive(Args, Debug)]
pub(crate) struct PlugArgs {
    /// The control socket of the server
    #[arg(long, value_name = "PATH")]
    pub(crate) control: PathBuf,
    /// The port: B, C or D, as far as the server was started with outputs
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Port,
    /// The monitor, such as hdmi=1280x720 or hdmi=edid:FILE
    #[arg(value_name = "OUTPUT")]
    pub(crate) output: String,
}

/// Arguments of `unplug`.
#[derive(Args, Debug)]
pub(crate) struct UnplugArgs {
    /// The control socket of the server
    #[arg(long, value_name = "PATH")]
    pub(crate) control: PathBuf,
    /// The port: B, C or D
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Port,
}

/// What a recording knows of the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordedMemory {
    /// What the device reads: enough for a replay of the device
    Reads,
    /// Page tables and context images as well, for questions about the driver
    Tables,
}

/// Whether a guest waits for its writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Writes {
    /// It does.
    Awaited,
    /// It does not.
    Posted,
}

/// What a part's fuses say of its display.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Display {
    /// It is there.
    On,
    /// It is not: stock i915 finds no pipes.
    FusedOff,
}

/// A pipe, by its number.
fn pipe(text: &str) -> Result<usize, String> {
    let pipe = text.parse().ok().filter(|&pipe| pipe < PIPE_COUNT);
    pipe.ok_or_else(|| format!("there is no pipe '{text}': expected 0 to {}", PIPE_COUNT - 1))
}

/// Bytes of stolen memory, from MiB.
fn stolen_memory(text: &str) -> Result<u64, String> {
    let bytes = text.parse::<u64>().ok().and_then(|mib| mib.checked_mul(1 << 20));
    bytes.filter(|&bytes| pci::with_stolen_bytes(0, bytes).is_some()).ok_or_else(|| {
        let (unit, most) = (pci::GMS_UNIT >> 20, pci::STOLEN_MAX >> 20);
        format!(
            "no part has '{text}' MiB of stolen memory: expected a multiple of {unit} up to {most}"
        )
    })
}

fn sku(text: &str) -> Result<Sku, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u16::from_str_radix(digits, 16).ok().and_then(gen8_spec::sku::by_device_id).ok_or_else(|| {
        let ids: Vec<String> = SKUS.iter().map(|sku| format!("{:04x}", sku.device_id)).collect();
        format!("unknown part '{text}': expected one of {}", ids.join(", "))
    })
}

fn bug_name(text: &str) -> Result<Bug, String> {
    text.parse().map_err(|_| {
        let names: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        format!("unknown bug '{text}': expected one of {}", names.join(", "))
    })
}

fn machine_kind(text: &str) -> Result<MachineKind, String> {
    [MachineKind::Kvm, MachineKind::InProcess]
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| format!("unknown machine '{text}': expected kvm or in-process"))
}

fn bench_name(text: &str) -> Result<String, String> {
    let here = bench::ALL.iter().map(|bench| bench.name);
    let names: Vec<&str> = here.chain(bench::handed_in_names()).collect();
    match names.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("unknown bench '{text}': expected one of {}", names.join(", "))),
    }
}

/// Reads the command line. What is wrong with it is told in one line, with exit status 2.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Wrong> {
    let cli = Cli::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Wrong::Help(error),
        _ => Wrong::Use(one_line(&error.to_string())),
    })?;
    match &cli.command {
        Command::Serve(ServeArgs { output, .. }) if output.len() > PORT_COUNT => {
            let most = format!("error: there are ports for {PORT_COUNT} outputs");
            Err(Wrong::Use(format!("{most}, not for {} (--output)", output.len())))
        }
        Command::Run(RunArgs {
            cases: CaseArgs { count: Some(_), machine: Some(MachineKind::Kvm), .. },
            ..
        })
        | Command::Matrix(CaseArgs { count: Some(_), machine: Some(MachineKind::Kvm), .. }) => {
            let told = "error: --count is for --machine in-process: a guest cannot be told of it";
            Err(Wrong::Use(told.to_owned()))
        }
        Command::Inspect(arguments) if arguments.lacks_server() => {
            let told = "error: which server is asked? --control <PATH> is missing";
            Err(Wrong::Use(told.to_owned()))
        }
        _ => Ok(cli),
    }
}

/// Why there is no command line to follow.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// Help or the version was asked for.
    Help(clap::Error),
    /// The command line is wrong; in one line, how.
    Use(String),
}

/// clap explains over several lines, the last of which only repeat the usage.
fn one_line(message: &str) -> String {
    let end = ["\n\nUsage:", "\n\nFor more information"]
        .iter()
        .filter_map(|mark| message.find(mark))
        .min()
        .unwrap_or(message.len());
    let words: Vec<&str> = message[..end].split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Cli, Wrong> {
        let arguments = std::iter::once("gen8emu").chain(line.split_whitespace());
        parse(arguments.map(OsString::from))
    }

    fn complaint(line: &str) -> String {
        match parse_line(line) {
            Err(Wrong::Use(message)) => message,
            other => panic!("'{line}' gave {other:?}"),
        }
    }

    #[test]
    fn an_unknown_word_is_told_with_the_valid_ones_in_one_line() {
        for (line, wrong, valid) in [
            ("run --scenario flunk", "flunk", vec!["flink-and-exit", "android-churn"]),
            ("matrix --policy v9", "v9", vec!["none", "v4-relaxed", "vm-weak61"]),
            ("run --levels 5", "5", vec!["3", "4"]),
            ("run --submission guc", "guc", vec!["execlists", "legacy"]),
            ("run --machine qemu", "qemu", vec!["kvm", "in-process"]),
            ("bench walk5_hot", "walk5_hot", vec!["walk4_hot", "census_1g"]),
            ("drive --vfio card0", "card0", vec!["0000:00:02.0"]),
            ("drive", "--vfio", vec!["<ADDRESS>"]),
            ("run --jsno", "--jsno", vec!["--json"]),
            ("run --bug flunk", "flunk", vec!["context-destroy-races", "lazy-close-pins-vm"]),
            ("matrix --bugs --policy v4", "--bugs", vec!["--policy"]),
            ("run --count 0", "0", vec!["1..=1000"]),
            ("run --count 2 --machine kvm", "--count", vec!["in-process"]),
            ("serve --socket s --vnc here", "'here'", vec!["127.0.0.1:5900"]),
            ("serve --socket s --vnc 1 --vnc-pipe 3", "'3'", vec!["0 to 2"]),
            ("serve --socket s --vnc-pipe 1", "--vnc", vec!["<ADDRESS>"]),
            ("serve --socket s --output vga=1x1", "vga=1x1", vec!["hdmi=1024x768"]),
            ("serve --socket s --output hdmi=9x9", "9x9", vec!["640 to 2048"]),
            ("serve --socket s --output hdmi=edid:/dev/null", "/dev/null", vec!["no file"]),
            ("serve --socket s --output hdmi=edid:Cargo.toml", "Cargo.toml", vec!["128 bytes"]),
            ("inspect --control c walk 5", "<--space", vec!["--engine", "--root", "--ggtt"]),
            ("inspect --control c walk --ggtt 5z", "'5z'", vec!["0x7000"]),
            ("inspect engines", "--control", vec!["which server"]),
            ("top --control c --every 0", "0", vec!["1..=3600"]),
            ("plug --control c --port E hdmi=640x480", "'E'", vec!["B, C or D"]),
            (
                "serve --socket s --output hdmi=640x480 --output hdmi=640x480 --output hdmi=640x480 \
                 --output hdmi=640x480",
                "--output",
                vec!["3 outputs, not for 4"],
            ),
        ] {
            let message = complaint(line);
            assert!(!message.contains('\n'), "{message}");
            assert!(message.contains(wrong), "{message}");
            for word in valid {
                assert!(message.contains(word), "{message}");
            }
        }
    }

    #[test]
    fn lists_take_commas_and_repetition_and_letters() {
        let cli = parse_line("run --scenario A,f2 --scenario prime --levels 3,4").unwrap();
        let Command::Run(arguments) = cli.command else { panic!("{cli:?}") };
        assert_eq!(
            arguments.cases.lists.scenario,
            [ScenarioId::FlinkAndExit, ScenarioId::BusyElsewhereV2, ScenarioId::Prime]
        );
        assert_eq!(arguments.cases.lists.levels, Levels::ALL);
    }
}
