//! Programs of Debian's packages that run on this host from our cache, each through a script that gives
//! it its own libraries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::packages;
use crate::process;

/// Programs that are a browser as the tests need it, on the host.
const BROWSERS: [&str; 3] = ["chromium", "chromium-headless-shell", "google-chrome"];

/// A browser without a window: the host's, else Debian's.
pub(crate) fn browser() -> Result<PathBuf> {
    let works = |program: &Path| process::capture(Command::new(program).arg("--version")).is_ok();
    let host = BROWSERS.into_iter().map(PathBuf::from).find(|program| works(program));
    if let Some(host) = host {
        return Ok(host);
    }
    let root = packages::browser()?;
    // The host's loader and C library: the browser finds its files beside the program that the kernel
    // started, which the loader would be. Fonts and their configuration lie in the packages, too.
    let root_text = text(&root)?;
    let script = format!(
        "export FONTCONFIG_SYSROOT={root_text}\n\
         export LD_LIBRARY_PATH={root_text}/usr/lib/x86_64-linux-gnu:{root_text}/lib/x86_64-linux-gnu\n\
         exec {root_text}/usr/lib/chromium/chromium-headless-shell \"$@\"\n"
    );
    let browser = launcher(&root, "run-browser", &script)?;
    process::capture(Command::new(&browser).arg("--version"))
        .context("Debian's Chromium does not run here")?;
    Ok(browser)
}

/// Debian's `intel_error_decode`, which reads error states of i915.
pub(crate) fn error_decoder() -> Result<PathBuf> {
    let root = packages::clients()?;
    let root_text = text(&root)?;
    let script = format!(
        "exec {root_text}/lib64/ld-linux-x86-64.so.2 \
         --library-path {root_text}/lib/x86_64-linux-gnu:{root_text}/usr/lib/x86_64-linux-gnu \
         {root_text}/usr/bin/intel_error_decode \"$@\"\n"
    );
    launcher(&root, "run-intel_error_decode", &script)
}

/// A shell script in `root`.
fn launcher(root: &Path, name: &str, script: &str) -> Result<PathBuf> {
    let path = root.join(name);
    let told = || format!("writing {}", path.display());
    let part = root.join(format!("{name}.part-{}", std::process::id()));
    fs::write(&part, format!("#!/bin/sh\n{script}")).with_context(told)?;
    fs::set_permissions(&part, fs::Permissions::from_mode(0o755)).with_context(told)?;
    // Whole or not at all: another run may start it now.
    fs::rename(&part, &path).with_context(told)?;
    Ok(path)
}

/// The path as a word of a shell.
fn text(path: &Path) -> Result<String> {
    let path = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(format!("'{}'", path.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_whatever_it_holds() {
        let path = Path::new("/tmp/it's a $HOME");
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("printf %s {}/x", text(path).unwrap())]);
        assert_eq!(process::capture(&mut shell).unwrap(), "/tmp/it's a $HOME/x");
    }
}
