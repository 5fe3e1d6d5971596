//! `cargo xtask linux --drive`: our own driver in i915's place, as a program in the guest (`gen8emu
//! drive`), on the GPU behind vfio-pci and a virtual IOMMU.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::guest::{self, Guest};
use super::tools::Tools;

/// What user space needs to have a PCI function; the IOMMU's own driver is built in.
const MODULES: [&str; 2] = ["vfio_pci", "vfio_iommu_type1"];
/// For the kernel's command line. Debian's kernels leave the IOMMU off for graphics unless told so.
/// They also test the timer by waiting some milliseconds for its interrupts, and panic when an
/// emulated machine is late with them and interrupts are remapped.
const APPEND: &str = "intel_iommu=on no_timer_check";
/// Where the program lies in the guest.
const PROGRAM: &str = "bin/gen8emu";

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
    format!("{}gen8emu drive --vfio \"$gpu\" {words}", include_str!("drive.sh"))
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
    Ok(overlay)
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
