//! How to build for the bare-metal target, on whatever toolchain is there.
//!
//! In this order: the target is installed; the standard library's source is there (in the toolchain
//! or in our cache) and cargo builds `core` and `alloc` itself; Debian's package `rust-src` of
//! exactly this compiler's version is fetched into our cache; `rustup target add`. Nothing is
//! written into the user's toolchain but by rustup, and what is fetched is said.

mod debian;
mod sysroot;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

/// The guest's target.
pub(crate) const TARGET: &str = "x86_64-unknown-none";

/// A way to build for [`TARGET`].
pub(crate) enum Toolchain {
    /// The target's libraries are installed.
    Installed,
    /// Cargo builds `core` and `alloc` from the source in the toolchain.
    LibrarySource,
    /// Cargo builds them from the source in this private sysroot.
    PrivateSysroot(sysroot::PrivateSysroot),
}

/// The compiler that we have.
pub(crate) struct Compiler {
    /// Such as `1.95.0`.
    pub(crate) release: String,
    /// Where its libraries are.
    pub(crate) sysroot: PathBuf,
}

/// Where the guest's build goes: apart from the host's, since both would otherwise rebuild the
/// other's build scripts at every turn.
pub(crate) fn target_dir() -> PathBuf {
    workspace::target().join("firmware")
}

/// Finds a way, fetching what is missing.
pub(crate) fn find() -> Result<Toolchain> {
    if target_is_installed()? {
        return Ok(Toolchain::Installed);
    }
    let compiler = compiler()?;
    if has_library(&compiler.sysroot.join("lib/rustlib/src/rust/library")) {
        return Ok(Toolchain::LibrarySource);
    }
    let fetched = match debian::library_source(&compiler) {
        Ok(library) => return Ok(Toolchain::PrivateSysroot(sysroot::make(&compiler, &library)?)),
        Err(error) => error,
    };
    eprintln!("no source of the standard library from Debian ({fetched:#}); asking rustup");
    let added = match rustup_target_add() {
        Ok(()) => return Ok(Toolchain::Installed),
        Err(error) => error,
    };
    bail!(
        "cannot build for {TARGET}: Debian's rust-src {}: {fetched:#}; rustup: {added:#}. \
         Install the target (`rustup target add {TARGET}`) or the source of the standard library \
         (`rustup component add rust-src`), or run without a guest: --machine in-process",
        compiler.release
    )
}

impl Toolchain {
    /// Makes a cargo command build for the target in this way.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        cargo.args(["--target", TARGET, "--target-dir"]).arg(target_dir());
        if matches!(self, Toolchain::Installed) {
            return;
        }
        // build-std is not stable; the compiler is, so the flag below only opens that door.
        cargo.args(["-Zbuild-std=core,alloc", "-Zbuild-std-features=compiler-builtins-mem"]);
        cargo.env("RUSTC_BOOTSTRAP", "1");
        if let Toolchain::PrivateSysroot(sysroot) = self {
            sysroot.apply(cargo);
        }
    }

    /// One line for the user.
    pub(crate) fn describe(&self) -> String {
        match self {
            Toolchain::Installed => format!("{TARGET} is installed"),
            Toolchain::LibrarySource => "core and alloc from the toolchain's rust-src".into(),
            Toolchain::PrivateSysroot(sysroot) => {
                format!("core and alloc from {}", sysroot.library().display())
            }
        }
    }
}

fn target_is_installed() -> Result<bool> {
    let libdir =
        process::capture(process::rustc().args(["--target", TARGET, "--print", "target-libdir"]))?;
    let Ok(files) = fs::read_dir(libdir.trim()) else { return Ok(false) };
    Ok(files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libcore-")))
}

fn compiler() -> Result<Compiler> {
    let version = process::capture(process::rustc().arg("-vV"))?;
    let release = version
        .lines()
        .find_map(|line| line.strip_prefix("release: "))
        .context("`rustc -vV` names no release")?;
    let sysroot = process::capture(process::rustc().args(["--print", "sysroot"]))?;
    Ok(Compiler { release: release.to_owned(), sysroot: PathBuf::from(sysroot.trim()) })
}

/// Whether `path` holds the source of the standard library as cargo wants it.
fn has_library(path: &Path) -> bool {
    path.join("Cargo.lock").is_file() && path.join("core").is_dir()
}

fn rustup_target_add() -> Result<()> {
    eprintln!("installing {TARGET}: rustup target add {TARGET}");
    process::run(Command::new("rustup").args(["target", "add", TARGET]))?;
    if !target_is_installed()? {
        bail!("rustup added {TARGET} to another toolchain than the one in use");
    }
    Ok(())
}
