//! The standard library's source from Debian's package `rust-src`, unpacked into our cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Compiler, has_library};
use crate::apt::{self, PrivateApt};
use crate::{process, workspace};

/// Suites that carry compilers newer than the stable release, best first.
const SUITES: [&str; 2] = ["trixie-backports", "sid"];

/// Gives a directory with the source for `compiler`: installed, cached, or fetched now.
pub(super) fn library_source(compiler: &Compiler) -> Result<PathBuf> {
    let inside = format!("usr/src/rustc-{}/library", compiler.release);
    let installed = Path::new("/").join(&inside);
    if has_library(&installed) {
        return Ok(installed);
    }
    let home = workspace::cache().join(format!("rust-{}", compiler.release));
    let cached = home.join("library");
    if has_library(&cached) {
        return Ok(cached);
    }
    let apt = PrivateApt::new(&home.join("apt"))?;
    let package = fetch(&apt, &compiler.release)?;
    unpack(&package, &inside, &home, &cached)?;
    apt.remove(); // 45 MB that nobody needs again
    eprintln!("unpacked the standard library's source into {}", cached.display());
    Ok(cached)
}

/// Takes `inside` out of the package and puts it at `to`, whole or not at all.
fn unpack(package: &Path, inside: &str, home: &Path, to: &Path) -> Result<()> {
    let unpacked = home.join("unpacked");
    fs::remove_dir_all(&unpacked).ok(); // what an interrupted run left
    fs::create_dir_all(&unpacked)?;
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start dpkg-deb")?;
    let stream = archive.stdout.take().context("dpkg-deb gave no output")?;
    let mut tar = Command::new("tar");
    tar.args(["-x", "-C"]).arg(&unpacked).arg(format!("./{inside}")).stdin(stream);
    let extracted = process::run(&mut tar);
    archive.wait().context("waiting for dpkg-deb")?;
    extracted?;
    let library = unpacked.join(inside);
    if !has_library(&library) {
        bail!("{} holds no {inside}", package.display());
    }
    fs::rename(&library, to).with_context(|| format!("moving to {}", to.display()))?;
    fs::remove_dir_all(&unpacked).ok();
    Ok(())
}

/// Downloads `rust-src` of exactly `release` from the first mirror and suite that has it.
fn fetch(apt: &PrivateApt, release: &str) -> Result<PathBuf> {
    for mirror in apt::configured_mirrors()? {
        for suite in SUITES {
            let Some(version) = look_up(apt, &mirror, suite, release) else { continue };
            eprintln!("fetching Debian's rust-src {version} from {suite} (45 MB, into .cache)");
            let packages = apt.download(&[format!("rust-src={version}")])?;
            return packages.into_iter().next().context("apt downloaded no package");
        }
    }
    bail!("no configured mirror has rust-src {release} in {}", SUITES.join(" or "))
}

/// The package's version for `release` in that suite, if it is there.
fn look_up(apt: &PrivateApt, mirror: &str, suite: &str, release: &str) -> Option<String> {
    apt.update(mirror, &[suite]).ok()?;
    version_of(&apt.versions("rust-src").ok()?, release)
}

/// Picks from apt's table (`name | version | source`) the version of that release of Rust.
fn version_of(table: &str, release: &str) -> Option<String> {
    table
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(str::trim)
        .find(|version| {
            // 1.95.0+dfsg1-2 and 1.95.0-1, not 1.95.01.
            version.strip_prefix(release).is_some_and(|rest| rest.starts_with(['+', '-', '~']))
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exactly_this_release_is_taken() {
        let table = " rust-src | 1.96.1+dfsg1-2 | x\n rust-src | 1.95.0+dfsg1-2~bpo13+1 | x\n";
        assert_eq!(version_of(table, "1.95.0").as_deref(), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(version_of(table, "1.95.1"), None);
        assert_eq!(version_of("rust-src | 1.95.01-1 | x", "1.95.0"), None);
    }
}
