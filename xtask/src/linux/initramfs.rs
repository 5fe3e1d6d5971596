//! Packing the guest's root file system: busybox, our init, i915 and what it needs, the overlay.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::cpio::Tree;
use super::modules::{self, Modules};

/// What goes in besides the fixed parts.
pub(super) struct Contents<'a> {
    /// A static busybox.
    pub(super) busybox: &'a Path,
    /// The kernel's version, and its modules unless all is built in.
    pub(super) release: &'a str,
    pub(super) modules: Option<&'a Modules>,
    /// Whether i915 is to take the GPU.
    pub(super) i915: bool,
    /// Modules to pack besides i915.
    pub(super) more_modules: &'a [String],
    /// The program gen8-checks.
    pub(super) checks: Option<&'a Path>,
    /// The checks that it is to run.
    pub(super) wanted_checks: &'a [String],
    /// A directory whose content is laid over ours.
    pub(super) overlay: Option<&'a Path>,
    /// A shell command to run.
    pub(super) payload: Option<&'a str>,
    /// A shell on the console.
    pub(super) interactive: bool,
}

/// The archive to hand to the kernel.
pub(super) fn pack(contents: &Contents<'_>) -> Result<Vec<u8>> {
    let mut tree = Tree::default();
    let busybox = fs::read(contents.busybox)
        .with_context(|| format!("reading {}", contents.busybox.display()))?;
    tree.file("bin/busybox", 0o755, busybox)?;
    tree.link("bin/sh", "busybox")?;
    tree.file("init", 0o755, include_bytes!("init.sh").to_vec())?;
    tree.character_device("dev/console", 5, 1)?;
    if contents.i915 {
        tree.file("gen8emu/i915", 0o644, Vec::new())?;
    }
    if let Some(modules) = contents.modules {
        let i915 = contents.i915.then_some("i915");
        let wanted = i915.into_iter().chain(contents.more_modules.iter().map(String::as_str));
        pack_modules(&mut tree, contents.release, modules, wanted)?;
    }
    if let Some(checks) = contents.checks
        && !contents.wanted_checks.is_empty()
    {
        let program = fs::read(checks).with_context(|| format!("reading {}", checks.display()))?;
        tree.file("bin/gen8-checks", 0o755, program)?;
        tree.file("gen8emu/checks", 0o644, contents.wanted_checks.join(" ").into_bytes())?;
    }
    if let Some(payload) = contents.payload {
        tree.file("gen8emu/payload", 0o644, format!("{payload}\n").into_bytes())?;
    }
    if contents.interactive {
        tree.file("gen8emu/interactive", 0o644, Vec::new())?;
    }
    if let Some(overlay) = contents.overlay {
        lay_over(&mut tree, overlay, "")
            .with_context(|| format!("packing the overlay {}", overlay.display()))?;
    }
    tree.archive()
}

/// Flat, uncompressed and with a `modules.dep`, so that every modprobe can load them.
fn pack_modules<'a>(
    tree: &mut Tree,
    release: &str,
    modules: &Modules,
    wanted: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let home = format!("lib/modules/{release}");
    let closure = modules.closure(wanted)?;
    tree.file(&format!("{home}/modules.dep"), 0o644, modules::modules_dep(&closure).into())?;
    for module in closure {
        tree.file(&format!("{home}/{}.ko", module.name), 0o644, module.data)?;
    }
    Ok(())
}

fn lay_over(tree: &mut Tree, dir: &Path, below: &str) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            bail!("{} has a name that is not UTF-8", path.display());
        };
        let inside = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let found = path.symlink_metadata()?;
        if found.is_symlink() {
            let target = fs::read_link(&path)?;
            tree.link(&inside, target.to_str().context("a link's target is not UTF-8")?)?;
        } else if found.is_dir() {
            tree.directory(&inside)?;
            lay_over(tree, &path, &inside)?;
        } else if found.is_file() {
            let data = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            tree.file(&inside, found.permissions().mode(), data)?;
        } else {
            bail!("{} is neither file, directory nor link", path.display());
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
            more_modules: &[],
            checks: Some(&busybox),
            wanted_checks: &["engines".to_owned(), "softpin".to_owned()],
            overlay: Some(&dir),
            payload: Some("exit 3"),
            interactive: false,
        })
        .unwrap();
        let text = String::from_utf8_lossy(&archive);
        assert!(text.contains("init\0") && text.contains("theirs"));
        assert!(!text.contains("First program of the guest"), "the overlay's init replaces ours");
        assert!(text.contains("000081e8"), "permissions 0750 of a regular file");
        assert!(text.contains("etc/deep/link\0") && text.contains("/etc/tool"));
        assert!(text.contains("exit 3\n"));
        assert!(text.contains("bin/gen8-checks\0") && text.contains("engines softpin"));
        fs::remove_dir_all(dir).unwrap();
    }
}
