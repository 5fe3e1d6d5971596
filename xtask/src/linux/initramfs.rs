//! Packing the guest's root file system: busybox, our init, i915 and what it needs, the overlay.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::broken;
use super::cpio::Tree;
use super::libraries::{self, Object};
use super::module_index;
use super::modules::{self, Module, Modules};
use super::userland;
use crate::WrongUse;

/// The driver.
const I915: &str = "i915";
/// What the guest's kernel may have as modules that the agent's port needs.
const AGENT_MODULES: [&str; 2] = ["virtio_pci", "virtio_console"];

/// What goes in besides the fixed parts.
pub(super) struct Contents<'a> {
    /// A static busybox.
    pub(super) busybox: &'a Path,
    /// The kernel's version, and its modules unless all is built in.
    pub(super) release: &'a str,
    pub(super) modules: Option<&'a Modules>,
    /// Whether i915 is to take the GPU.
    pub(super) i915: bool,
    /// A function of i915's that is to do nothing.
    pub(super) disabled: Option<&'a str>,
    /// Modules to pack besides i915.
    pub(super) more_modules: &'a [String],
    /// Whether a disk with a user land is to be mounted.
    pub(super) user_land: bool,
    /// The program gen8-checks.
    pub(super) checks: Option<&'a Path>,
    /// The checks that it is to run before the payload.
    pub(super) wanted_checks: &'a [String],
    /// The program gen8-agent, and its options.
    pub(super) agent: Option<(&'a Path, &'static str)>,
    /// A directory whose content is laid over ours.
    pub(super) overlay: Option<&'a Path>,
    /// A shell command to run.
    pub(super) payload: Option<&'a str>,
    /// A shell on the console.
    pub(super) interactive: bool,
    /// Programs and files of this host, each with its path in the guest.
    pub(super) more_files: &'a [(String, PathBuf)],
}

/// The archive to hand to the kernel.
pub(super) fn pack(contents: &Contents<'_>) -> Result<Vec<u8>> {
    let mut tree = Tree::default();
    // First, so that what it brings stays: it may be a whole root file system.
    if let Some(overlay) = contents.overlay {
        lay_over(&mut tree, overlay)
            .with_context(|| format!("packing the overlay {}", overlay.display()))?;
    }
    let mut ours = Ours(&mut tree);
    let busybox = fs::read(contents.busybox)
        .with_context(|| format!("reading {}", contents.busybox.display()))?;
    ours.file("bin/busybox", 0o755, busybox)?;
    ours.link("bin/sh", "busybox")?;
    ours.file("init", 0o755, include_bytes!("init.sh").to_vec())?;
    if contents.i915 {
        ours.file("gen8emu/i915", 0o644, Vec::new())?;
    }
    if let Some(modules) = contents.modules {
        let i915 = contents.i915.then_some(I915);
        let disk = contents.user_land.then(|| userland::modules(modules));
        let more = contents.more_modules.iter().map(String::as_str);
        let port =
            contents.agent.map(|_| AGENT_MODULES.into_iter().filter(|name| modules.has(name)));
        let wanted = i915.into_iter().chain(disk.into_iter().flatten()).chain(more);
        let wanted = wanted.chain(port.into_iter().flatten());
        pack_modules(&mut ours, contents, modules, wanted)?;
    } else if let Some(function) = contents.disabled {
        return Err(no_module(function));
    }
    if contents.user_land {
        ours.file("gen8emu/user-land", 0o644, Vec::new())?;
        ours.file("gen8emu/bin/x-server", 0o755, userland::X_SERVER.into())?;
    }
    if let Some(checks) = contents.checks {
        let program = fs::read(checks).with_context(|| format!("reading {}", checks.display()))?;
        ours.file("gen8emu/bin/gen8-checks", 0o755, program)?;
    }
    if !contents.wanted_checks.is_empty() {
        ours.file("gen8emu/checks", 0o644, contents.wanted_checks.join(" ").into_bytes())?;
    }
    if let Some((agent, options)) = contents.agent {
        let program = fs::read(agent).with_context(|| format!("reading {}", agent.display()))?;
        ours.file("gen8emu/bin/gen8-agent", 0o755, program)?;
        ours.file("gen8emu/agent", 0o644, options.into())?;
    }
    if let Some(payload) = contents.payload {
        ours.file("gen8emu/payload", 0o644, format!("{payload}\n").into_bytes())?;
    }
    if contents.interactive {
        ours.file("gen8emu/interactive", 0o644, Vec::new())?;
    }
    for (path, file) in contents.more_files {
        let data = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        ours.file(path, file.metadata()?.permissions().mode(), data)?;
    }
    tree.character_device("dev/console", 5, 1)?;
    tree.archive()
}

/// Our part of the tree, which gives way to what lies there already.
struct Ours<'a>(&'a mut Tree);

impl Ours<'_> {
    fn file(&mut self, path: &str, permissions: u32, data: Vec<u8>) -> Result<()> {
        if self.0.has(path)? { Ok(()) } else { self.0.file(path, permissions, data) }
    }

    fn link(&mut self, path: &str, target: &str) -> Result<()> {
        if self.0.has(path)? { Ok(()) } else { self.0.link(path, target) }
    }
}

/// Flat, uncompressed and with what modprobe and libkmod look them up in, so that all programs can
/// load them.
fn pack_modules<'a>(
    ours: &mut Ours<'_>,
    contents: &Contents<'_>,
    modules: &Modules,
    wanted: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let home = format!("lib/modules/{}", contents.release);
    let closure = modules.closure(wanted)?;
    let dependencies = modules::modules_dep(&closure);
    let index = module_index::dependencies(&dependencies, &closure)?;
    ours.file(&format!("{home}/modules.dep"), 0o644, dependencies.into())?;
    ours.file(&format!("{home}/modules.dep.bin"), 0o644, index)?;
    for name in module_index::EMPTY {
        ours.file(&format!("{home}/{name}"), 0o644, module_index::empty()?)?;
    }
    if let Some(function) = contents.disabled
        && closure.iter().all(|module| module.name != I915)
    {
        return Err(no_module(function));
    }
    for Module { name, mut data, .. } in closure {
        if let Some(function) = contents.disabled.filter(|_| name == I915) {
            data = broken::disable(data, function)?;
        }
        ours.file(&format!("{home}/{name}.ko"), 0o644, data)?;
    }
    Ok(())
}

/// A kernel that has i915 built in.
fn no_module(function: &str) -> anyhow::Error {
    let what =
        format!("{function} can be disabled in a module only, and this kernel's i915 is none");
    WrongUse(what).into()
}

/// Lays `dir` into the tree, with the shared libraries that its programs load.
fn lay_over(tree: &mut Tree, dir: &Path) -> Result<()> {
    let mut programs = Programs::default();
    lay_directory(tree, dir, "", &mut programs)?;
    let libraries =
        libraries::resolve(&programs.objects, &programs.shipped, &libraries::of_host(), |path| {
            tree.has(path)
        })?;
    for (name, needed_by) in &libraries.missing {
        eprintln!("neither the overlay nor this host has {name}, which {needed_by} needs");
    }
    for file in &libraries.files {
        let data = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let path = file.to_str().context("a library's path is not UTF-8")?;
        tree.file(path.trim_start_matches('/'), 0o755, data)?;
    }
    if !libraries.directories.is_empty() {
        let text = format!("export LD_LIBRARY_PATH={}\n", libraries.directories.join(":"));
        tree.file("gen8emu/environment", 0o644, text.into_bytes())?;
    }
    Ok(())
}

/// What of an overlay concerns the dynamic loader.
#[derive(Default)]
struct Programs {
    objects: Vec<Object>,
    /// The directory of each library, by its name.
    shipped: BTreeMap<String, String>,
}

fn lay_directory(tree: &mut Tree, dir: &Path, below: &str, programs: &mut Programs) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            bail!("{} has a name that is not UTF-8", path.display());
        };
        let inside = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let found = path.symlink_metadata()?;
        if !found.is_dir() && name.contains(".so") {
            programs.shipped.entry(name.to_owned()).or_insert_with(|| below.to_owned());
        }
        if found.is_symlink() {
            let target = fs::read_link(&path)?;
            tree.link(&inside, target.to_str().context("a link's target is not UTF-8")?)?;
        } else if found.is_dir() {
            tree.directory(&inside)?;
            lay_directory(tree, &path, &inside, programs)?;
        } else if found.is_file() {
            let data = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            programs.objects.extend(Object::read(&inside, &data));
            tree.file(&inside, found.permissions().mode(), data)?;
        } else {
            // A root file system has devices, sockets and pipes; the guest's kernel makes its own.
            eprintln!("left out of the overlay: {}", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overlay_wins_and_keeps_links_and_permissions() {
        let dir = std::env::temp_dir().join(format!("xtask-overlay-{}", std::process::id()));
        fs::remove_dir_all(&dir).ok();
        fs::create_dir_all(dir.join("etc/deep")).unwrap();
        fs::write(dir.join("init"), "theirs").unwrap();
        fs::write(dir.join("etc/tool"), "run me").unwrap();
        fs::set_permissions(dir.join("etc/tool"), fs::Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::symlink("/etc/tool", dir.join("etc/deep/link")).unwrap();
        let busybox = dir.join("etc/tool");
        let archive = pack(&Contents {
            busybox: &busybox,
            release: "1",
            modules: None,
            i915: false,
            disabled: None,
            more_modules: &[],
            user_land: false,
            checks: Some(&busybox),
            wanted_checks: &["engines".to_owned(), "softpin".to_owned()],
            agent: Some((&busybox, "--stacks")),
            overlay: Some(&dir),
            payload: Some("exit 3"),
            interactive: false,
            more_files: &[],
        })
        .unwrap();
        let text = String::from_utf8_lossy(&archive);
        assert!(text.contains("init\0") && text.contains("theirs"));
        assert!(!text.contains("First program of the guest"), "the overlay's init replaces ours");
        assert!(text.contains("000081e8"), "permissions 0750 of a regular file");
        assert!(text.contains("etc/deep/link\0") && text.contains("/etc/tool"));
        assert!(text.contains("exit 3\n"));
        assert!(text.contains("gen8emu/bin/gen8-checks\0") && text.contains("engines softpin"));
        assert!(text.contains("gen8emu/bin/gen8-agent\0") && text.contains("--stacks"));
        assert!(!text.contains("user-land\0") && !text.contains("x-server\0"));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_whole_root_file_system_can_be_the_overlay() {
        let dir = std::env::temp_dir().join(format!("xtask-root-{}", std::process::id()));
        fs::remove_dir_all(&dir).ok();
        fs::create_dir_all(dir.join("usr/bin")).unwrap();
        fs::create_dir_all(dir.join("usr/lib")).unwrap();
        fs::write(dir.join("usr/bin/sh"), "their shell").unwrap();
        fs::write(dir.join("usr/bin/busybox-of-ours"), "the program").unwrap();
        std::os::unix::fs::symlink("usr/bin", dir.join("bin")).unwrap();
        std::os::unix::fs::symlink("usr/lib", dir.join("lib")).unwrap();
        let busybox = dir.join("usr/bin/busybox-of-ours");
        let archive = pack(&Contents {
            busybox: &busybox,
            release: "1",
            modules: None,
            i915: false,
            disabled: None,
            more_modules: &[],
            user_land: true,
            checks: None,
            wanted_checks: &[],
            agent: None,
            overlay: Some(&dir),
            payload: None,
            interactive: false,
            more_files: &[],
        })
        .unwrap();
        let text = String::from_utf8_lossy(&archive);
        assert!(text.contains("usr/bin/busybox\0") && !text.contains("\0bin/busybox\0"));
        assert!(text.contains("their shell"), "its shell stays");
        assert!(text.contains("gen8emu/user-land\0"), "init is told to mount the disk");
        assert!(text.contains("gen8emu/bin/x-server\0"), "X is started by what the disk lacks");
        fs::remove_dir_all(dir).unwrap();
    }
}
