//! `cargo xtask linux`: a stock Linux, with its own i915, on the emulated GPU in QEMU.
//!
//! QEMU and kernels come from Debian where the user gives none; nothing needs root, and what was
//! fetched once is kept in `.cache/linux`.

mod accel;
mod balance;
mod boot;
mod broken;
mod census;
mod checks;
mod clients;
mod columns;
mod control;
mod cpio;
mod drive;
mod elf;
mod figures;
mod finding;
mod grid;
mod guest;
mod host;
mod hosted;
mod initramfs;
mod kernel;
mod libraries;
mod module_index;
mod modules;
mod observed;
mod packages;
mod qemu;
mod replayed;
mod restarts;
mod rules;
mod scenario;
mod scratch;
mod screen;
mod server;
mod soak;
mod suite;
mod tools;
mod userland;
mod uses;
mod verdict;
mod views;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::boot::Console;
pub(crate) use self::figures::measure as figures;
use self::guest::Guest;
pub(crate) use self::hosted::{browser, error_decoder};
use self::qemu::Qemu;
use self::scenario::ScenarioArgs;
pub(crate) use self::soak::{SoakArgs, run as soak};
use self::suite::SuiteArgs;
use self::tools::{Tools, Wanted};
use crate::process;

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
    /// Boot every kernel, and 6.1 in every variant, with all checks; prints a table in Markdown
    #[arg(long, conflicts_with_all = ["Guest", "kernel", "kernel_image", "clients"])]
    all: bool,
    /// Run Debian's own GPU clients (package intel-gpu-tools) and print a table of them
    #[arg(long, conflicts_with_all = ["exec", "overlay", "interactive", "no_gpu", "drive", "user_land"])]
    clients: bool,
    #[command(flatten)]
    suite: SuiteArgs,
    #[command(flatten)]
    scenario: ScenarioArgs,
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
    if arguments.all { run_all(arguments) } else { run_one(arguments) }
}

fn run_one(arguments: &LinuxArgs) -> Result<ExitCode> {
    let guest = &arguments.guest;
    guest.verify()?;
    arguments.suite.verify()?;
    let kernel = match &arguments.kernel_image {
        Some(image) => kernel::own(image, arguments.modules.as_deref())?,
        None => kernel::debian(&arguments.kernel)?,
    };
    let checks = guest.wants_program() || arguments.scenario.is_wanted();
    let tools = arguments.tools(!guest.no_gpu, checks)?;
    if arguments.clients {
        return clients::run(guest, &kernel, &tools, arguments.json);
    }
    if arguments.suite.is_wanted() {
        return suite::run(&arguments.suite, guest, &kernel, &tools, arguments.json);
    }
    if arguments.scenario.is_wanted() {
        return scenario::run(&arguments.scenario, guest, &kernel, &tools, arguments.json);
    }
    let console = if arguments.json { Console::Stderr } else { Console::Stdout };
    let verdict = guest.boot(&kernel, &tools, &kernel.name, console)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&verdict)?);
    } else {
        println!("{}", verdict.text());
    }
    Ok(ExitCode::from(verdict.exit_status()))
}

fn run_all(arguments: &LinuxArgs) -> Result<ExitCode> {
    let tools = arguments.tools(true, true)?;
    let report = grid::run(&grid::all(&kernel::names()), &tools)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        let date = process::capture(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
        print!("{}", report.markdown(date.trim()));
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The boots that `cargo xtask test` has the time for.
pub(crate) enum Boots {
    /// They cannot be done here, and why.
    Unavailable(String),
    Done(Tally),
}

/// How many guests and checks passed, how many failed, and what is wrong with those.
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) faults: Vec<String>,
}

/// The folder of the lists of registers in Debian's package intel-gpu-tools; fetches the package.
pub(crate) fn register_lists() -> Result<PathBuf> {
    Ok(packages::clients()?.join("usr/share/igt-gpu-tools/registers"))
}

/// Boots what `cargo xtask test` has the time for.
pub(crate) fn cheap_boots() -> Result<Boots> {
    if let Some(why) = unavailable() {
        return Ok(Boots::Unavailable(why));
    }
    let tools = own_tools()?;
    let mut tally = grid::run(&grid::cheap(), &tools)?.tally();
    let (tests, wrong) = suite::check_sample(&tools)?;
    tally.passed += tests - u32::try_from(wrong.len())?;
    tally.failed += u32::try_from(wrong.len())?;
    tally.faults.extend(wrong);
    Ok(Boots::Done(tally))
}

/// Boots X, which takes another 93 MB.
pub(crate) fn x_boot() -> Result<Boots> {
    let rows = grid::with_x();
    if let Some(why) = lack(&rows) {
        return Ok(Boots::Unavailable(why));
    }
    Ok(Boots::Done(grid::run(&rows, &own_tools()?)?.tally()))
}

/// Why no kernel can be booted here.
pub(crate) fn unavailable() -> Option<String> {
    lack(&grid::cheap())
}

/// What cannot be had of that which `rows` need and which is not built here.
fn lack(rows: &[grid::Row]) -> Option<String> {
    fetch(rows).err().map(|error| format!("{error:#}"))
}

/// What is built or found here.
fn own_tools() -> Result<Tools> {
    Tools::get(&Wanted {
        qemu: None,
        accel: Accel::Auto,
        program: None,
        gpu: true,
        checks: true,
        agent: true,
    })
}

/// Gets what is not built here.
fn fetch(rows: &[grid::Row]) -> Result<()> {
    Qemu::find(None)?;
    packages::busybox()?;
    rows.iter().try_for_each(|row| {
        kernel::debian(row.kernel)?;
        row.guest.user_land.map_or(Ok(()), |user_land| user_land.disk().map(drop))
    })
}

impl LinuxArgs {
    fn tools(&self, gpu: bool, checks: bool) -> Result<Tools> {
        Tools::get(&Wanted {
            qemu: self.qemu.as_deref(),
            accel: self.accel,
            program: self.server.as_deref(),
            gpu,
            checks,
            agent: self.all || self.guest.agent || self.scenario.wants_agent(),
        })
    }
}
