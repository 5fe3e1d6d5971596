//! What is served: `serve`, and what changes or shows the screen of a running server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gen8_spec::pci;
use gen8_spec::registers::outputs::PIPE_COUNT;
use gen8_spec::sku::{SKUS, Sku};
use gpu_model::display::{Output, Port};

use crate::inject::Defect;
use crate::output;

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
