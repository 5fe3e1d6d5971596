//! The clients' programs and all libraries that they load, laid out for the guest.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::linux::elf;

/// Where the loader that Debian's programs name lies.
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
/// Where that loader looks for libraries without being told.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// Directories of the package that go in whole.
const WHOLE: [&str; 2] = ["usr/libexec/igt-gpu-tools/benchmarks", "usr/share/igt-gpu-tools"];
/// Where the package's tools lie.
const TOOLS: &str = "usr/bin";

/// Lays the benchmarks, the register lists and `tools` of the packages unpacked in `root` into
/// `target`, with all that they load.
pub(super) fn lay(root: &Path, tools: &BTreeSet<&str>, target: &Path) -> Result<()> {
    let mut programs = Vec::new();
    for directory in WHOLE {
        copy_all(root, directory, target, &mut programs)?;
    }
    for tool in tools {
        copy(root, &format!("{TOOLS}/{tool}"), target, &mut programs)?;
    }
    let found = libraries_below(root)?;
    let loader = place(&found, "ld-linux-x86-64.so.2")?;
    copy_file(loader, &target.join(LOADER))?;
    for name in closure(&found, programs)? {
        copy_file(place(&found, &name)?, &target.join(LIBRARIES).join(name))?;
    }
    Ok(())
}

/// The names of all libraries that `programs` need, directly or not.
fn closure(found: &HashMap<String, PathBuf>, programs: Vec<PathBuf>) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut unread = programs;
    while let Some(path) = unread.pop() {
        let file = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        // Register lists and static programs need nothing.
        for name in elf::libraries(&file).unwrap_or_default() {
            if names.insert(name.clone()) {
                unread.push(place(found, &name)?.clone());
            }
        }
    }
    Ok(names)
}

fn place<'a>(found: &'a HashMap<String, PathBuf>, name: &str) -> Result<&'a PathBuf> {
    found.get(name).with_context(|| format!("the packages hold no {name}: delete them"))
}

/// All files below `root` that are named like libraries.
fn libraries_below(root: &Path) -> Result<HashMap<String, PathBuf>> {
    let mut found = HashMap::new();
    let mut unread = vec![root.to_owned()];
    while let Some(directory) = unread.pop() {
        for entry in entries(&directory)? {
            let is_directory = entry.symlink_metadata()?.is_dir();
            let Some(name) = entry.file_name().and_then(|name| name.to_str()) else { continue };
            if is_directory {
                unread.push(entry);
            } else if name.contains(".so") && entry.is_file() {
                found.entry(name.to_owned()).or_insert(entry);
            }
        }
    }
    Ok(found)
}

fn copy_all(root: &Path, below: &str, target: &Path, copied: &mut Vec<PathBuf>) -> Result<()> {
    for entry in entries(&root.join(below))? {
        let Some(name) = entry.file_name().and_then(|name| name.to_str()) else { continue };
        let inside = format!("{below}/{name}");
        if entry.is_dir() {
            copy_all(root, &inside, target, copied)?;
        } else {
            copy(root, &inside, target, copied)?;
        }
    }
    Ok(())
}

fn copy(root: &Path, inside: &str, target: &Path, copied: &mut Vec<PathBuf>) -> Result<()> {
    let from = root.join(inside);
    if !from.is_file() {
        bail!("the package intel-gpu-tools holds no {inside}");
    }
    copy_file(&from, &target.join(inside))?;
    copied.push(from);
    Ok(())
}

/// Writes a file of ours into the overlay.
pub(super) fn write(path: &Path, content: &str) -> Result<()> {
    make_room(path)?;
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    make_room(to)?;
    fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}

fn make_room(path: &Path) -> Result<()> {
    let directory = path.parent().context("a file without a directory")?;
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(directory);
    let read = read.with_context(|| format!("reading {}", directory.display()))?;
    Ok(read.flatten().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::elf::tests::program;

    /// Unpacked packages: a tool that needs `liba`, which needs `libb`; `libc` is nobody's.
    fn packages(test: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("xtask-{test}-{}", std::process::id()));
        fs::remove_dir_all(&root).ok();
        for directory in ["usr/bin", "lib/x86_64-linux-gnu", WHOLE[0], WHOLE[1], LIBRARIES] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let lay = |path: &str, needs: &[&str]| fs::write(root.join(path), program(needs)).unwrap();
        lay("usr/bin/lsgpu", &["liba.so.1"]);
        lay("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", &[]);
        lay("lib/x86_64-linux-gnu/liba.so.1", &["libb.so"]);
        lay(&format!("{LIBRARIES}/libb.so"), &[]);
        lay(&format!("{LIBRARIES}/libc.so"), &[]);
        lay(&format!("{}/gem_exec_nop", WHOLE[0]), &[]);
        fs::write(root.join(WHOLE[1]).join("broadwell"), "a list").unwrap();
        root
    }

    #[test]
    fn programs_come_with_the_libraries_that_they_need_and_no_others() {
        let root = packages("clients-overlay");
        let target = root.join("target");
        lay(&root, &BTreeSet::from(["lsgpu"]), &target).unwrap();
        for path in ["usr/bin/lsgpu", LOADER, "usr/libexec/igt-gpu-tools/benchmarks/gem_exec_nop"] {
            assert!(target.join(path).is_file(), "{path}");
        }
        let libraries = target.join(LIBRARIES);
        assert!(libraries.join("liba.so.1").is_file() && libraries.join("libb.so").is_file());
        assert!(!libraries.join("libc.so").exists());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_tool_or_a_library_that_is_missing_is_named() {
        let root = packages("clients-overlay-missing");
        let target = root.join("target");
        let error = lay(&root, &BTreeSet::from(["intel_reg"]), &target).err().unwrap();
        assert!(error.to_string().contains("usr/bin/intel_reg"), "{error}");
        fs::remove_file(root.join(LIBRARIES).join("libb.so")).unwrap();
        let error = lay(&root, &BTreeSet::from(["lsgpu"]), &target).err().unwrap();
        assert!(error.to_string().contains("libb.so"), "{error}");
        fs::remove_dir_all(root).unwrap();
    }
}
