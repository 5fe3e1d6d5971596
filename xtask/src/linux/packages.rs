//! Debian's packages in our cache, each fetched once and usable without root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use crate::apt::{self, PrivateApt};
use crate::{process, workspace};

/// A QEMU with `vfio-user-pci` (since 10.1) and all that it needs.
pub(super) fn qemu() -> Result<PathBuf> {
    unpacked("qemu", "QEMU (38 MB)", &["trixie-backports", "sid"], |apt, mirror, suite| {
        // A backport needs the stable suite that it is for.
        let stable = suite.strip_suffix("-backports");
        let suites: Vec<&str> = stable.into_iter().chain([suite]).collect();
        apt.update(mirror, &suites)?;
        apt.download(&apt.with_dependencies(&["qemu-system-x86"], suite)?)
    })
}

/// A static busybox for the guest.
pub(super) fn busybox() -> Result<PathBuf> {
    let root =
        unpacked("busybox", "busybox (1 MB)", &["trixie", "bookworm"], |apt, mirror, suite| {
            apt.update(mirror, &[suite])?;
            apt.download(&["busybox-static".to_owned()])
        })?;
    let places = ["usr/bin/busybox", "bin/busybox"].map(|place| root.join(place));
    places.into_iter().find(|place| place.is_file()).context("busybox-static holds no busybox")
}

/// Debian's GPU clients (intel-gpu-tools) and every library that they load.
pub(super) fn clients() -> Result<PathBuf> {
    let what = "intel-gpu-tools (18 MB)";
    unpacked("intel-gpu-tools", what, &["bookworm", "trixie"], |apt, mirror, suite| {
        apt.update(mirror, &[suite])?;
        apt.download(&apt.with_dependencies(&["intel-gpu-tools"], suite)?)
    })
}

/// A browser without windows, a font, and all that they need but the C library: the host's loader starts
/// the browser, and fits its own library only.
pub(super) fn browser() -> Result<PathBuf> {
    const PACKAGES: [&str; 2] = ["chromium-headless-shell", "fonts-dejavu-core"];
    let what = "Chromium (170 MB)";
    unpacked("chromium", what, &["bookworm", "trixie"], |apt, mirror, suite| {
        apt.update(mirror, &[suite])?;
        let mut packages = apt.with_dependencies(&PACKAGES, suite)?;
        packages.retain(|package| !package.starts_with("libc6="));
        apt.download(&packages)
    })
}

/// An X server that drives i915 with Mesa, some clients and their fonts, and all that these need.
pub(super) fn user_land_x() -> Result<PathBuf> {
    const PACKAGES: [&str; 9] = [
        "xserver-xorg-core",
        "xterm",
        "x11-apps",
        "xfonts-base",
        "libdrm-tests",
        "libgl1-mesa-dri",
        "libegl1",
        "libgbm1",
        "busybox-static",
    ];
    // Nearly half of it is what Mesa's drivers are linked with: LLVM, ICU, Z3. Later suites have no
    // directories outside /usr, which would take links that nobody makes here.
    unpacked("user-land-x", "the user land (93 MB)", &["bookworm"], |apt, mirror, suite| {
        apt.update(mirror, &[suite])?;
        apt.download(&apt.with_dependencies(&PACKAGES, suite)?)
    })
}

/// The newest kernel of the first suite that can be had, under the name `name`.
pub(super) fn kernel(name: &str, suites: &[&str]) -> Result<PathBuf> {
    let what = format!("Linux {name} (60 to 120 MB)");
    unpacked(&format!("kernel-{name}"), &what, suites, |apt, mirror, suite| {
        // This suite alone: apt would prefer another's older kernel to a backport.
        apt.update(mirror, &[suite])?;
        let images = kernel_packages(&apt.dependencies("linux-image-amd64")?);
        let mut all = images.clone();
        for image in &images {
            // Newer kernels are split; the image is then an empty package.
            all.extend(kernel_packages(&apt.dependencies(image)?));
        }
        apt.download(&all)
    })
}

/// Those of `packages` that carry a kernel's image or modules.
fn kernel_packages(packages: &[String]) -> Vec<String> {
    let kinds = ["linux-image-", "linux-binary-", "linux-modules-"];
    let ours = packages.iter().filter(|name| kinds.iter().any(|kind| name.starts_with(kind)));
    ours.cloned().collect()
}

/// The directory where the packages lie unpacked that `fetch` (given a mirror and a suite)
/// downloads from the first of `suites` that has them.
fn unpacked(
    name: &str,
    what: &str,
    suites: &[&str],
    fetch: impl Fn(&PrivateApt, &str, &str) -> Result<Vec<PathBuf>>,
) -> Result<PathBuf> {
    let cache = workspace::cache().join("linux");
    let root = cache.join(name);
    if root.is_dir() {
        return Ok(root);
    }
    let apt_dir = cache.join(format!("{name}.apt-{}", std::process::id()));
    let apt = PrivateApt::new(&apt_dir).context("only Debian's packages can be fetched")?;
    let mut failure = anyhow!("apt is configured for no archive");
    for mirror in apt::configured_mirrors()? {
        for suite in suites {
            eprintln!("fetching {what} from Debian {suite} into .cache");
            let packages = fetch(&apt, &mirror, suite);
            match packages.and_then(|packages| unpack(&packages, &root)) {
                Ok(()) => {
                    apt.remove();
                    return Ok(root);
                }
                Err(error) => {
                    eprintln!("not from {suite}: {error:#}");
                    failure = error;
                }
            }
        }
    }
    apt.remove();
    Err(failure.context(format!("cannot fetch {what}: is there a network?")))
}

/// Unpacks all `packages` into `root`, whole or not at all.
fn unpack(packages: &[PathBuf], root: &Path) -> Result<()> {
    let mut part = root.as_os_str().to_owned();
    part.push(format!(".part-{}", std::process::id()));
    let part = PathBuf::from(part);
    fs::remove_dir_all(&part).ok(); // what an interrupted run left
    for package in packages {
        process::capture(Command::new("dpkg-deb").arg("-x").arg(package).arg(&part))?;
    }
    match fs::rename(&part, root) {
        // Another run was faster.
        Err(_) if root.is_dir() => Ok(fs::remove_dir_all(&part)?),
        renamed => renamed.with_context(|| format!("moving to {}", root.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_and_modules_are_fetched_and_nothing_else() {
        let depends = [
            "linux-image-7-amd64",
            "linux-binary-7-amd64",
            "linux-modules-7-amd64",
            "linux-base",
            "kmod",
        ]
        .map(str::to_owned);
        assert_eq!(kernel_packages(&depends), depends[..3]);
    }
}
