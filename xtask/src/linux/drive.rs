//! `cargo xtask linux --drive`: our own driver in i915's place, as a program in the guest (`gen8emu
//! drive`), on the GPU behind vfio-pci and a virtual IOMMU.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::elf;
use super::guest::{self, Guest};
use super::tools::Tools;
use crate::process;

/// What user space needs to have a PCI function; the IOMMU's own driver is built in.
const MODULES: [&str; 2] = ["vfio_pci", "vfio_iommu_type1"];
/// For the kernel's command line. Debian's kernels leave the IOMMU off for graphics unless told so.
/// They also test the timer by waiting some milliseconds for its interrupts, and panic when an
/// emulated machine is late with them and interrupts are remapped.
const APPEND: &str = "intel_iommu=on no_timer_check";
/// Where the program and its libraries lie in the guest.
const PROGRAM: &str = "bin/gen8emu";
const LIBRARIES: &str = "lib/gen8emu";

/// `guest` with all that it takes to run `gen8emu drive` with these `words`.
pub(super) fn prepare(words: &str, guest: &Guest, tools: &Tools) -> Result<Guest> {
    Ok(driving(words, guest, lay_overlay(tools)?))
}

fn driving(words: &str, guest: &Guest, overlay: PathBuf) -> Guest {
    let append = [APPEND].into_iter().chain(guest.append.as_deref());
    let modules = guest.module.iter().cloned().chain(MODULES.map(str::to_owned));
    Guest {
        append: Some(append.collect::<Vec<_>>().join(" ")),
        module: modules.collect(),
        overlay: Some(overlay),
        exec: Some(script(words)),
        ..guest.clone()
    }
}

/// What runs in the guest.
fn script(words: &str) -> String {
    format!(
        "LD_LIBRARY_PATH=/{LIBRARIES}\nexport LD_LIBRARY_PATH\n{}gen8emu drive --vfio \"$gpu\" {words}",
        include_str!("drive.sh")
    )
}

/// Lays the program that serves the GPU here into a directory: it drives it there.
fn lay_overlay(tools: &Tools) -> Result<PathBuf> {
    let program = tools.program.as_deref().context("there is no GPU to drive")?;
    let overlay = guest::logs("drive");
    if overlay.exists() {
        let old = || format!("removing {}", overlay.display());
        fs::remove_dir_all(&overlay).with_context(old)?;
    }
    copy(program, &overlay.join(PROGRAM))?;
    let file = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
    // A static program needs none.
    if !elf::libraries(&file).unwrap_or_default().is_empty() {
        for library in libraries(&process::capture(Command::new("ldd").arg(program))?) {
            copy(library.source, &overlay.join(library.target))?;
        }
    }
    Ok(overlay)
}

/// A file that a program loads.
#[derive(Debug, PartialEq)]
struct Library<'a> {
    source: &'a Path,
    /// In the guest.
    target: PathBuf,
}

/// Lines `NAME => PATH (address)` for libraries and `PATH (address)` for the loader, which programs
/// name with its whole path.
fn libraries(ldd: &str) -> Vec<Library<'_>> {
    ldd.lines().filter_map(library).collect()
}

fn library(line: &str) -> Option<Library<'_>> {
    let line = line.trim().split(" (").next()?;
    match line.split_once(" => ") {
        Some((name, path)) => {
            Some(Library { source: Path::new(path), target: Path::new(LIBRARIES).join(name) })
        }
        None => {
            let target = PathBuf::from(line.strip_prefix('/')?);
            Some(Library { source: Path::new(line), target })
        }
    }
}

fn copy(source: &Path, target: &Path) -> Result<()> {
    let what = || format!("copying {} to {}", source.display(), target.display());
    if let Some(directory) = target.parent() {
        fs::create_dir_all(directory).with_context(what)?;
    }
    fs::copy(source, target).map(drop).with_context(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_go_where_the_guests_loader_is_told_to_look() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                   \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f3e)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007f3f)\n";
        let expected = [
            ("/lib/x86_64-linux-gnu/libc.so.6", "lib/gen8emu/libc.so.6"),
            ("/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"),
        ];
        let expected = expected.map(|(source, target)| Library {
            source: Path::new(source),
            target: PathBuf::from(target),
        });
        assert_eq!(libraries(ldd), expected);
    }

    #[test]
    fn the_guest_has_no_i915_and_no_checks_and_keeps_what_the_user_asked_for() {
        let asked = Guest {
            drive: Some("--scenario A".into()),
            append: Some("quiet".into()),
            module: vec!["msr".into()],
            smp: 2,
            ..Guest::default()
        };
        let guest = driving("--scenario A", &asked, PathBuf::from("x"));
        assert!(guest.drive.is_some() && !guest.wants_checks());
        assert_eq!(guest.append.as_deref(), Some("intel_iommu=on no_timer_check quiet"));
        assert_eq!(guest.module, ["msr", "vfio_pci", "vfio_iommu_type1"]);
        assert_eq!(guest.smp, 2);
        assert!(guest.exec.unwrap().ends_with("gen8emu drive --vfio \"$gpu\" --scenario A"));
    }
}
