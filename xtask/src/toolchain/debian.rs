//! The standard library's source from Debian's package `rust-src`, unpacked into our cache.
//!
//! The system's package state stays as it is: apt gets a private state and cache directory and a
//! private source list that names the mirror that it is configured for already. apt checks the
//! archive's signature as always.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Compiler, has_library};
use crate::{process, workspace};

/// Suites that carry compilers newer than the stable release, best first.
const SUITES: [&str; 2] = ["trixie-backports", "sid"];
/// Signs every suite above.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

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
    if !Path::new(KEYRING).is_file() {
        bail!("not a Debian system ({KEYRING} is missing)");
    }
    let apt = PrivateApt::new(&home.join("apt"))?;
    let package = apt.fetch(&compiler.release)?;
    unpack(&package, &inside, &home, &cached)?;
    fs::remove_dir_all(&apt.dir).ok(); // 45 MB that nobody needs again
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

/// apt with its state in a directory of ours.
struct PrivateApt {
    dir: PathBuf,
}

impl PrivateApt {
    fn new(dir: &Path) -> Result<PrivateApt> {
        for sub in ["lists/partial", "cache/archives/partial", "parts"] {
            fs::create_dir_all(dir.join(sub))
                .with_context(|| format!("creating {}", dir.display()))?;
        }
        Ok(PrivateApt { dir: dir.to_owned() })
    }

    /// Downloads `rust-src` of exactly `release` from the first mirror and suite that has it.
    fn fetch(&self, release: &str) -> Result<PathBuf> {
        for mirror in configured_mirrors()? {
            for suite in SUITES {
                let Some(version) = self.look_up(&mirror, suite, release) else { continue };
                eprintln!("fetching Debian's rust-src {version} from {suite} (45 MB, into .cache)");
                return self.download(&version);
            }
        }
        bail!("no configured mirror has rust-src {release} in {}", SUITES.join(" or "))
    }

    /// The package's version for `release` in that suite, if it is there.
    fn look_up(&self, mirror: &str, suite: &str, release: &str) -> Option<String> {
        let list = format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
        fs::write(self.dir.join("sources.list"), list).ok()?;
        process::capture(self.command("apt-get").args(["-q", "update"])).ok()?;
        let known =
            process::capture(self.command("apt-cache").args(["madison", "rust-src"])).ok()?;
        version_of(&known, release)
    }

    fn download(&self, version: &str) -> Result<PathBuf> {
        let mut download = self.command("apt-get");
        download.args(["-q", "download"]).arg(format!("rust-src={version}"));
        process::capture(download.current_dir(&self.dir))?;
        fs::read_dir(&self.dir)?
            .flatten()
            .map(|file| file.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .context("apt downloaded no package")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let places = [
            ("Dir::Etc::SourceList", "sources.list"),
            ("Dir::Etc::SourceParts", "parts"),
            ("Dir::State::Lists", "lists"),
            ("Dir::Cache", "cache"),
        ];
        for (option, place) in places {
            command.arg("-o").arg(format!("{option}={}", self.dir.join(place).display()));
        }
        // The download is ours to read; apt's own user may not enter this directory.
        command.args(["-o", "APT::Sandbox::User=root"]);
        command.args(["-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=1"]);
        command
    }
}

/// The archives that apt is configured for (without those of security updates).
fn configured_mirrors() -> Result<Vec<String>> {
    let listed = process::capture(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(COMPONENT)",
        "Created-By: Packages",
    ]))?;
    Ok(mirrors(&listed))
}

/// The distinct mirrors with a component `main`, in the order in which apt names them.
fn mirrors(listed: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in listed.lines() {
        let Some((uri, "main")) = line.split_once(' ') else { continue };
        if !uri.contains("security") && !found.iter().any(|known| known == uri) {
            found.push(uri.to_owned());
        }
    }
    found
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

    #[test]
    fn mirrors_are_distinct_and_without_security() {
        let listed = "http://m/debian/ main\nhttp://m/debian-security/ main\nhttp://m/debian/ main\n\
                      http://n/ contrib\n";
        assert_eq!(mirrors(listed), ["http://m/debian/"]);
    }
}
