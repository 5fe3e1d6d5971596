//! `cargo xtask linux`: a stock Linux, with its own i915, on the emulated GPU in QEMU.
//!
//! QEMU and kernels come from Debian where the user gives none; nothing needs root, and what was
//! fetched once is kept in `.cache/linux`.

mod accel;
mod boot;
mod cpio;
mod elf;
mod initramfs;
mod kernel;
mod modules;
mod packages;
mod qemu;
mod server;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use self::boot::{Options, Places};
use self::initramfs::Contents;
use self::kernel::Kernel;
use self::qemu::{Machine, Qemu};
use self::server::Server;
use self::verdict::Verdict;
use crate::{build, workspace};

/// How long a run may take unless the user says so.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Boot a stock Linux kernel with its own i915 on the emulated GPU.
#[derive(Args)]
pub(crate) struct LinuxArgs {
    /// Debian's kernel to boot
    #[arg(long, value_name = "VERSION", default_value = "6.1", value_parser = clap::builder::PossibleValuesParser::new(kernel::names()))]
    kernel: String,
    /// Boot this bzImage instead
    #[arg(long, value_name = "FILE", conflicts_with = "kernel")]
    kernel_image: Option<PathBuf>,
    /// Its modules (a directory like lib/modules/VERSION); leave out if i915 is built in
    #[arg(long, value_name = "DIR", requires = "kernel_image")]
    modules: Option<PathBuf>,
    /// This QEMU (10.1 or newer) instead of the host's or Debian's
    #[arg(long, value_name = "PATH")]
    qemu: Option<PathBuf>,
    /// A directory laid over the guest's root file system
    #[arg(long, value_name = "DIR")]
    overlay: Option<PathBuf>,
    /// Shell command to run in the guest; its exit status becomes ours
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// More arguments for the kernel's command line
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    append: Option<String>,
    /// The guest's memory, as QEMU writes sizes
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = memory_size)]
    mem: String,
    /// The guest's CPUs
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=64))]
    smp: u32,
    /// How QEMU executes; auto takes KVM where it really does
    #[arg(long, value_enum, default_value = "auto")]
    accel: Accel,
    /// End the guest after this many seconds (default 300; none with --interactive)
    #[arg(long, value_name = "S")]
    timeout: Option<u64>,
    /// A shell in the guest on this terminal (Ctrl-A x ends QEMU)
    #[arg(long, conflicts_with_all = ["exec", "json"])]
    interactive: bool,
    /// The GPU, by its PCI device id (`gen8emu serve --help` names the default)
    #[arg(long, value_name = "ID")]
    sku: Option<String>,
    /// Boot without the GPU: are kernel, initramfs and payload all right by themselves?
    #[arg(long, conflicts_with = "sku")]
    no_gpu: bool,
    /// This gen8emu program instead of the one built from here
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// The verdict as one JSON object on standard output, all else on standard error
    #[arg(long)]
    json: bool,
}

/// How QEMU executes guest code.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Accel {
    Auto,
    Kvm,
    Tcg,
}

/// Boots as told, prints the verdict; the exit status is the payload's or the verdict's.
pub(crate) fn run(arguments: &LinuxArgs) -> Result<ExitCode> {
    if let Some(overlay) = &arguments.overlay
        && !overlay.is_dir()
    {
        bail!("there is no directory {} to lay over", overlay.display());
    }
    let program = match (&arguments.server, arguments.no_gpu) {
        (_, true) => None,
        (Some(program), false) => Some(program.clone()),
        (None, false) => Some(build::program()?),
    };
    let kernel = match &arguments.kernel_image {
        Some(image) => kernel::own(image, arguments.modules.as_deref())?,
        None => kernel::debian(&arguments.kernel)?,
    };
    let qemu = Qemu::find(arguments.qemu.as_deref())?;
    let verdict = boot(arguments, &kernel, &qemu, program.as_deref())?;
    if arguments.json {
        println!("{}", serde_json::to_string(&verdict)?);
    } else {
        println!("{}", verdict.text());
    }
    Ok(ExitCode::from(verdict.exit_status()))
}

fn boot(
    arguments: &LinuxArgs,
    kernel: &Kernel,
    qemu: &Qemu,
    program: Option<&Path>,
) -> Result<Verdict> {
    let scratch = Scratch::new()?;
    let logs = workspace::target().join("linux").join(&kernel.name);
    fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
    let accel = accel::choose(arguments.accel, qemu, &scratch.0)?;
    let initramfs = scratch.0.join("initramfs.cpio");
    fs::write(&initramfs, pack(arguments, kernel)?).context("writing the initramfs")?;

    let socket = scratch.0.join("gpu");
    let server = program
        .map(|program| {
            Server::start(program, &socket, arguments.sku.as_deref(), &logs.join("server.log"))
        })
        .transpose()?;
    let places = Places {
        log_socket: scratch.0.join("log"),
        console: logs.join("console.log"),
        kernel_log: logs.join("kernel.log"),
    };
    let command = qemu.boot(&Machine {
        accel,
        memory: &arguments.mem,
        cpus: arguments.smp,
        kernel: &kernel.image,
        initramfs: &initramfs,
        append: &command_line(arguments.append.as_deref()),
        gpu: server.is_some().then_some(socket.as_path()),
        log: &places.log_socket,
        interactive: arguments.interactive,
    })?;
    let limit = arguments.timeout.map(Duration::from_secs);
    let options = Options {
        timeout: if arguments.interactive { limit } else { limit.or(Some(TIMEOUT)) },
        interactive: arguments.interactive,
        console_aside: arguments.json,
    };
    eprintln!("booting Linux {} ({accel}); logs in {}", kernel.name, logs.display());
    let mut verdict = Verdict::default();
    boot::run(command, &places, &options, &mut verdict)?;
    verdict.conclude(server.is_some(), arguments.exec.is_some());
    Ok(verdict)
}

fn pack(arguments: &LinuxArgs, kernel: &Kernel) -> Result<Vec<u8>> {
    initramfs::pack(&Contents {
        busybox: &packages::busybox()?,
        release: &kernel.release,
        modules: kernel.modules.as_ref(),
        gpu: !arguments.no_gpu,
        overlay: arguments.overlay.as_deref(),
        payload: arguments.exec.as_deref(),
        interactive: arguments.interactive,
    })
}

/// The kernel's command line: the console is the first serial port, and the kernel's log goes to
/// the second as well. Linux takes one `console=` of a kind only, but an early console, which
/// writes to the port itself, can be kept beside it.
fn command_line(more: Option<&str>) -> String {
    let fixed = "console=ttyS0 earlycon=uart8250,io,0x2f8,115200n8 keep_bootcon \
                 printk.devkmsg=on panic=-1";
    match more {
        Some(more) => format!("{fixed} {more}"),
        None => fixed.to_owned(),
    }
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

/// A directory of this run's that goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch> {
        let dir = qemu::socket_directory();
        fs::remove_dir_all(&dir).ok(); // of an earlier process of our number
        fs::create_dir(&dir).with_context(|| format!("creating {}", dir.display()))?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok(); // What stays costs only space.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_sizes_hold_no_further_options() {
        assert_eq!(memory_size("5G").as_deref(), Ok("5G"));
        for bad in ["1G,x=y", "", "G", "0M", "1", "1GG", "-1G", "1g"] {
            assert!(memory_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_user_appends_comes_last() {
        let line = command_line(Some("i915.enable_hangcheck=0"));
        assert!(line.starts_with("console=ttyS0 earlycon="));
        assert!(line.ends_with(" i915.enable_hangcheck=0"));
    }
}
