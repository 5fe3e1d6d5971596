//! A private sysroot: the toolchain's own files by symbolic links, plus the library's source where
//! build-std looks for it. The toolchain itself stays untouched, so this needs no rights.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Compiler;
use crate::workspace;

/// A sysroot in our cache and a `rustc` that uses it.
pub(crate) struct PrivateSysroot {
    root: PathBuf,
    rustc: PathBuf,
}

impl PrivateSysroot {
    /// Makes cargo use it.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        cargo.env("RUSTC", &self.rustc);
        // clippy-driver asks no rustc for its sysroot but this variable.
        cargo.env("SYSROOT", &self.root);
    }

    /// Where the library's source is.
    pub(crate) fn library(&self) -> PathBuf {
        self.root.join("lib/rustlib/src/rust/library")
    }
}

/// Makes (or renews) the sysroot for `compiler` with the library's source at `library`.
pub(crate) fn make(compiler: &Compiler, library: &Path) -> Result<PrivateSysroot> {
    let base = workspace::cache().join(format!("rust-{}", compiler.release));
    let root = base.join("sysroot");
    let rustlib = root.join("lib/rustlib");
    let source = rustlib.join("src/rust");
    let bin = base.join("bin");
    for dir in [&source, &bin] {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    }
    link_entries(&compiler.sysroot.join("lib"), &root.join("lib"), "rustlib")?;
    link_entries(&compiler.sysroot.join("lib/rustlib"), &rustlib, "src")?;
    link(library, &source.join("library"))?;
    let rustc = bin.join("rustc");
    write_wrapper(&rustc, &compiler.sysroot.join("bin/rustc"), &root)?;
    Ok(PrivateSysroot { root, rustc })
}

/// Links every entry of `from` into `to`, except `except`.
fn link_entries(from: &Path, to: &Path, except: &str) -> Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("reading {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_name() != except {
            link(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn link(from: &Path, at: &Path) -> Result<()> {
    if fs::read_link(at).is_ok_and(|old| old == from) {
        return Ok(());
    }
    match fs::remove_file(at) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("replacing {}", at.display()));
        }
        _ => {}
    }
    symlink(from, at).with_context(|| format!("linking {}", at.display()))
}

/// A rustc that finds our sysroot: its own search would follow the links back to the real one.
fn write_wrapper(at: &Path, rustc: &Path, sysroot: &Path) -> Result<()> {
    let text =
        format!("#!/bin/sh\nexec '{}' --sysroot '{}' \"$@\"\n", quoted(rustc), quoted(sysroot));
    // Not written again when it is right already: cargo takes a new file for a new compiler.
    if fs::read_to_string(at).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(at, text).with_context(|| format!("writing {}", at.display()))?;
    fs::set_permissions(at, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("making {} executable", at.display()))
}

/// For use within single quotes of a shell.
fn quoted(path: &Path) -> String {
    path.to_string_lossy().replace('\'', r"'\''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_path_does_not_end_the_shell_word() {
        assert_eq!(quoted(Path::new("/a'b")), r"/a'\''b");
    }
}
