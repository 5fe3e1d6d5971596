//! `cargo xtask linux`: a stock Linux, with its own i915, on the emulated GPU in QEMU.
//!
//! QEMU and kernels come from Debian where the user gives none; nothing needs root, and what was
//! fetched once is kept in `.cache/linux`.

mod accel;
mod boot;
mod checks;
mod clients;
mod cpio;
mod elf;
mod guest;
mod initramfs;
mod kernel;
mod modules;
mod packages;
mod qemu;
mod scratch;
mod server;
mod tools;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::guest::Guest;
use self::tools::{Tools, Wanted};

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
    /// How QEMU executes; auto takes KVM where it really does
    #[arg(long, value_enum, default_value = "auto")]
    accel: Accel,
    /// This gen8emu program instead of the one built from here
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// The verdict as one JSON object on standard output, all else on standard error
    #[arg(long)]
    json: bool,
    /// Run Debian's own GPU clients (package intel-gpu-tools) and print a table of them
    #[arg(long, conflicts_with_all = ["exec", "overlay", "interactive", "no_gpu"])]
    clients: bool,
    #[command(flatten)]
    guest: Guest,
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
    let guest = &arguments.guest;
    guest.verify()?;
    let kernel = match &arguments.kernel_image {
        Some(image) => kernel::own(image, arguments.modules.as_deref())?,
        None => kernel::debian(&arguments.kernel)?,
    };
    let tools = Tools::get(&Wanted {
        qemu: arguments.qemu.as_deref(),
        accel: arguments.accel,
        program: arguments.server.as_deref(),
        gpu: !guest.no_gpu,
        checks: guest.wants_checks(),
    })?;
    if arguments.clients {
        return clients::run(guest, &kernel, &tools, arguments.json);
    }
    let verdict = guest.boot(&kernel, &tools, arguments.json)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&verdict)?);
    } else {
        println!("{}", verdict.text());
    }
    Ok(ExitCode::from(verdict.exit_status()))
}
