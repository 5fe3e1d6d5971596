//! apt with a state of its own: Debian's packages into our cache, without root.
//!
//! The system's package state stays as it is: apt gets a private state and cache directory and a
//! private source list that names the mirror that it is configured for already. apt checks the
//! archive's signature and each package's hash as always.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// Signs every suite of Debian's archive.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt with its state in a directory of ours.
pub(crate) struct PrivateApt {
    dir: PathBuf,
}

impl PrivateApt {
    /// Prepares `dir`; an error where there is no Debian to ask.
    pub(crate) fn new(dir: &Path) -> Result<PrivateApt> {
        if !Path::new(KEYRING).is_file() {
            bail!("not a Debian system ({KEYRING} is missing)");
        }
        for sub in ["lists/partial", "cache/archives/partial", "parts"] {
            fs::create_dir_all(dir.join(sub))
                .with_context(|| format!("creating {}", dir.display()))?;
        }
        // Nothing counts as installed, so that `install` names all that a program needs.
        fs::write(dir.join("status"), "")?;
        fs::write(dir.join("apt.conf"), configuration(dir))?;
        Ok(PrivateApt { dir: dir.to_owned() })
    }

    /// Reads the package lists of `suites` from `mirror`.
    pub(crate) fn update(&self, mirror: &str, suites: &[&str]) -> Result<()> {
        let list: String = suites
            .iter()
            .map(|suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"))
            .collect();
        fs::write(self.dir.join("sources.list"), list)?;
        process::capture(self.command("apt-get").args(["-q", "--error-on=any", "update"]))?;
        Ok(())
    }

    /// The packages that `package` names as its dependencies, in that order.
    pub(crate) fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let told = process::capture(self.command("apt-cache").args(["depends", package]))?;
        Ok(dependencies_in(&told))
    }

    /// apt's table of the versions of `package`: name, version and source, cut by `|`.
    pub(crate) fn versions(&self, package: &str) -> Result<String> {
        process::capture(self.command("apt-cache").args(["madison", package]))
    }

    /// Downloads these packages (`NAME` or `NAME=VERSION`) alone; gives the files.
    pub(crate) fn download(&self, packages: &[String]) -> Result<Vec<PathBuf>> {
        let mut download = self.command("apt-get");
        download.args(quiet()).arg("download").args(packages);
        download.current_dir(&self.dir).stdin(Stdio::null());
        // Standard output is for results.
        process::run(download.stdout(io::stderr()))?;
        packages_in(&self.dir)
    }

    /// `packages` of `suite` and everything that they depend on, each as `NAME=VERSION`.
    pub(crate) fn with_dependencies(&self, packages: &[&str], suite: &str) -> Result<Vec<String>> {
        let mut install = self.command("apt-get");
        install.args(["-qq", "-y", "--no-install-recommends", "--print-uris"]);
        install.arg("-o").arg(format!("APT::Default-Release={suite}"));
        install.arg("install").args(packages);
        Ok(packages_named(&process::capture(&mut install)?))
    }

    /// Throws apt's lists and downloads away.
    pub(crate) fn remove(self) {
        fs::remove_dir_all(&self.dir).ok(); // What stays costs only space.
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.dir.join("apt.conf")).env("LC_ALL", "C");
        command
    }
}

/// apt's options for a state in `dir`.
fn configuration(dir: &Path) -> String {
    let places = [
        ("Dir::Etc::SourceList", "sources.list"),
        ("Dir::Etc::SourceParts", "parts"),
        ("Dir::State::Lists", "lists"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
    ];
    let mut text = String::new();
    for (option, place) in places {
        text.push_str(&format!("{option} \"{}\";\n", dir.join(place).display()));
    }
    // The download is ours to read; apt's own user may not enter this directory. Nothing is
    // installed, so the system's lock has nothing to guard.
    text.push_str("APT::Sandbox::User \"root\";\nDebug::NoLocking \"1\";\n");
    text.push_str("Acquire::Languages \"none\";\n");
    text.push_str("Acquire::http::Timeout \"20\";\nAcquire::Retries \"1\";\n");
    text
}

/// apt shows its own progress on a terminal, and a line a package elsewhere.
fn quiet() -> &'static [&'static str] {
    if io::stderr().is_terminal() { &[] } else { &["-q"] }
}

fn packages_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)?
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    found.sort();
    if found.is_empty() {
        bail!("apt downloaded no package");
    }
    Ok(found)
}

/// The archives that apt is configured for (without those of security updates).
pub(crate) fn configured_mirrors() -> Result<Vec<String>> {
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

/// Picks the hard dependencies from what `apt-cache depends` prints.
fn dependencies_in(told: &str) -> Vec<String> {
    told.lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .filter(|name| !name.starts_with('<')) // a virtual package
        .map(str::to_owned)
        .collect()
}

/// Reads lines `'ADDRESS' NAME_VERSION_ARCHITECTURE.deb SIZE HASH`.
fn packages_named(told: &str) -> Vec<String> {
    told.lines()
        .filter_map(|line| {
            let mut parts = line.split_whitespace().nth(1)?.split('_');
            let (name, version) = (parts.next()?, parts.next()?);
            // A colon cannot stand in a file's name.
            Some(format!("{name}={}", version.replace("%3a", ":")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_distinct_and_without_security() {
        let listed = "http://m/debian/ main\nhttp://m/debian-security/ main\nhttp://m/debian/ main\n\
                      http://n/ contrib\n";
        assert_eq!(mirrors(listed), ["http://m/debian/"]);
    }

    #[test]
    fn only_hard_dependencies_on_real_packages_count() {
        let told = "linux-image-9-amd64\n  Depends: linux-binary-9\n  Depends: <virtual>\n  \
                    Recommends: firmware\n |Depends: kmod\n";
        assert_eq!(dependencies_in(told), ["linux-binary-9"]);
    }

    #[test]
    fn packages_are_read_from_the_names_of_their_files() {
        let told = "'http://m/q.deb' qemu-system-x86_1%3a11.1.3+ds-1_amd64.deb 10 MD5Sum:0\n\
                    'http://m/z.deb' zlib1g_1.3_amd64.deb 2 MD5Sum:0\nnoise\n";
        assert_eq!(packages_named(told), ["qemu-system-x86=1:11.1.3+ds-1", "zlib1g=1.3"]);
    }
}
