//! The shared libraries that an overlay's programs load: its own where it has them, else this host's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::elf;
use crate::process;

/// What glibc loads by itself, when a thread is cancelled.
const UNNAMED: &str = "libgcc_s.so.1";

/// A file in the overlay that the dynamic loader can be asked for.
pub(super) struct Object {
    /// Its path in the guest, without a leading slash.
    pub(super) path: String,
    /// The libraries that it names.
    needs: Vec<String>,
    /// The loader that it names.
    loader: Option<String>,
}

/// What the guest gets besides the overlay.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Libraries {
    /// This host's files, which lie at the same paths in the guest.
    pub(super) files: BTreeSet<PathBuf>,
    /// The guest's directories in which the loader must look, the overlay's first.
    pub(super) directories: Vec<String>,
    /// Libraries that nobody has, with one that needs them.
    pub(super) missing: BTreeMap<String, String>,
}

/// Where this host's loader finds libraries, by name.
pub(super) type Host = HashMap<String, PathBuf>;

impl Object {
    /// For the file at `path` in the guest; None unless it is one of the loader's.
    pub(super) fn read(path: &str, data: &[u8]) -> Option<Object> {
        let needs = elf::libraries(data).ok()?;
        Some(Object { path: path.to_owned(), needs, loader: elf::loader(data) })
    }
}

/// What `objects` load. `shipped`: the overlay's directory of each library by name. `has`: whether
/// something lies at a path in the guest already.
pub(super) fn resolve(
    objects: &[Object],
    shipped: &BTreeMap<String, String>,
    host: &Host,
    has: impl Fn(&str) -> Result<bool>,
) -> Result<Libraries> {
    let mut found = Libraries::default();
    let loaders: BTreeSet<&String> = objects.iter().filter_map(|o| o.loader.as_ref()).collect();
    // Libraries fit their own loader only: an overlay that brings one must bring them all.
    let mut whole = false;
    for &loader in &loaders {
        if has(loader.trim_start_matches('/'))? {
            whole = true;
        } else if Path::new(loader).is_file() {
            found.files.insert(loader.into());
        } else {
            found.missing.insert(loader.clone(), "programs of the overlay".into());
        }
    }
    let mut unread: Vec<(String, String)> = objects
        .iter()
        .flat_map(|object| object.needs.iter().map(|name| (name.clone(), object.path.clone())))
        .collect();
    if !found.files.is_empty() && host.contains_key(UNNAMED) {
        unread.push((UNNAMED.into(), "glibc".into()));
    }
    let (mut seen, mut own, mut hosts) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    while let Some((name, needed_by)) = unread.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        if let Some(directory) = shipped.get(&name) {
            own.insert(format!("/{directory}"));
        } else if let Some(file) = host.get(&name).filter(|_| !whole && !loaders.is_empty()) {
            let data = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
            let path = file.display().to_string();
            let needs = elf::libraries(&data).unwrap_or_default();
            unread.extend(needs.into_iter().map(|name| (name, path.clone())));
            hosts.extend(file.parent().map(|directory| directory.display().to_string()));
            found.files.insert(file.clone());
        } else if !is_loader(&name, &loaders) {
            found.missing.insert(name, needed_by);
        }
    }
    let hosts = hosts.into_iter().filter(|directory| !own.contains(directory)).collect::<Vec<_>>();
    found.directories = own.iter().cloned().chain(hosts).collect();
    Ok(found)
}

/// Libraries may need the loader itself, under its file name.
fn is_loader(name: &str, loaders: &BTreeSet<&String>) -> bool {
    loaders.iter().any(|loader| loader.rsplit('/').next() == Some(name))
}

/// This host's libraries: those of LD_LIBRARY_PATH, then those that `ldconfig -p` lists.
pub(super) fn of_host() -> Host {
    let mut host = Host::new();
    let own = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    for directory in env::split_paths(&own).filter(|path| path.is_absolute()) {
        for file in fs::read_dir(directory).into_iter().flatten().flatten() {
            if let Ok(name) = file.file_name().into_string() {
                host.entry(name).or_insert(file.path());
            }
        }
    }
    // Not in every user's PATH.
    let listed = ["ldconfig", "/sbin/ldconfig", "/usr/sbin/ldconfig"]
        .into_iter()
        .find_map(|program| process::capture(Command::new(program).arg("-p")).ok());
    for (name, path) in listed.iter().flat_map(|text| text.lines()).filter_map(listed_library) {
        host.entry(name).or_insert(path);
    }
    host
}

/// From a line `NAME (libc6,x86-64) => PATH`.
fn listed_library(line: &str) -> Option<(String, PathBuf)> {
    let (what, path) = line.split_once(" => ")?;
    let (name, kind) = what.trim().split_once(' ')?;
    kind.contains("x86-64").then(|| (name.to_owned(), path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::elf::tests::{loaded, program};

    /// A host with a loader, `libc`, and `liba`, which needs `libc`.
    fn host(test: &str) -> (PathBuf, Host) {
        let dir = env::temp_dir().join(format!("xtask-{test}-{}", std::process::id()));
        fs::remove_dir_all(&dir).ok();
        fs::create_dir_all(&dir).unwrap();
        let mut host = Host::new();
        for (name, needs) in
            [("ld.so", &[][..]), ("liba.so.1", &["libc.so.6"]), ("libc.so.6", &["ld.so"])]
        {
            fs::write(dir.join(name), program(needs)).unwrap();
            host.insert(name.to_owned(), dir.join(name));
        }
        host.remove("ld.so");
        (dir, host)
    }

    fn test_program(dir: &Path, needs: &[&str]) -> Object {
        let loader = dir.join("ld.so").display().to_string();
        Object::read("opt/test", &loaded(needs, &loader)).unwrap()
    }

    #[test]
    fn what_the_overlay_lacks_comes_from_the_host_with_all_that_it_needs() {
        let (dir, host) = host("libraries");
        let objects = [test_program(&dir, &["libt.so.0", "liba.so.1"])];
        let shipped = BTreeMap::from([("libt.so.0".to_owned(), "opt/lib".to_owned())]);
        let found = resolve(&objects, &shipped, &host, |_| Ok(false)).unwrap();
        let files = ["ld.so", "liba.so.1", "libc.so.6"].map(|name| dir.join(name));
        assert_eq!(found.files, BTreeSet::from(files));
        assert_eq!(found.directories, ["/opt/lib".to_owned(), dir.display().to_string()]);
        assert!(found.missing.is_empty(), "{:?}", found.missing);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_overlay_with_its_own_loader_gets_nothing_from_the_host() {
        let (dir, host) = host("libraries-whole");
        let objects = [test_program(&dir, &["liba.so.1"])];
        let found = resolve(&objects, &BTreeMap::new(), &host, |_| Ok(true)).unwrap();
        assert!(found.files.is_empty());
        assert_eq!(found.missing.get("liba.so.1").map(String::as_str), Some("opt/test"));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_nobody_has_is_told_with_who_needs_it() {
        let (dir, host) = host("libraries-missing");
        let objects = [test_program(&dir, &["libz.so.9"])];
        let found = resolve(&objects, &BTreeMap::new(), &host, |_| Ok(false)).unwrap();
        assert_eq!(found.missing, BTreeMap::from([("libz.so.9".into(), "opt/test".into())]));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn scripts_and_static_programs_load_nothing() {
        assert!(Object::read("a", b"#!/bin/sh").is_none());
        let none = resolve(&[], &BTreeMap::new(), &Host::new(), |_| Ok(false)).unwrap();
        assert_eq!(none, Libraries::default());
    }

    #[test]
    fn the_list_of_ldconfig_is_read_for_our_architecture() {
        let line =
            "\tlibc.so.6 (libc6,x86-64, OS ABI: Linux 3.2.0) => /lib/x86_64-linux-gnu/libc.so.6";
        let path = "/lib/x86_64-linux-gnu/libc.so.6".into();
        assert_eq!(listed_library(line), Some(("libc.so.6".into(), path)));
        assert_eq!(listed_library("\tlibc.so.6 (libc6) => /lib32/libc.so.6"), None);
        assert_eq!(listed_library("900 libs found in cache `/etc/ld.so.cache'"), None);
    }
}
