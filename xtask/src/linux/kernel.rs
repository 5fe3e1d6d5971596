//! The kernel to boot: Debian's, or the one that the user just built.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::modules::Modules;
use super::packages;
use crate::WrongUse;

/// Kernels by the names that `--kernel` takes, each with the suites that carry it.
const DEBIAN: [(&str, &[&str]); 4] = [
    ("5.10", &["bullseye"]),
    ("6.1", &["bookworm"]),
    ("6.12", &["trixie", "bookworm-backports"]),
    ("7.x", &["trixie-backports", "sid"]),
];

/// A kernel and its modules.
pub(super) struct Kernel {
    /// What to call it.
    pub(super) name: String,
    pub(super) image: PathBuf,
    /// The version, as `uname -r` says it.
    pub(super) release: String,
    /// None when the user gave no modules: i915 is then built in.
    pub(super) modules: Option<Modules>,
}

/// The names that `--kernel` takes.
pub(super) fn names() -> Vec<&'static str> {
    DEBIAN.iter().map(|(name, _)| *name).collect()
}

/// Debian's kernel of that name, fetched when the cache lacks it.
pub(super) fn debian(name: &str) -> Result<Kernel> {
    let Some((_, suites)) = DEBIAN.iter().find(|(known, _)| *known == name) else {
        bail!("no kernel {name}: use one of {}", names().join(", "));
    };
    let root = packages::kernel(name, suites)?;
    let (modules, release) = ["usr/lib/modules", "lib/modules"]
        .iter()
        .find_map(|place| only_directory(&root.join(place)))
        .with_context(|| format!("{} holds no modules: delete it", root.display()))?;
    let places = [root.join(format!("boot/vmlinuz-{release}")), modules.join("vmlinuz")];
    let Some(image) = places.into_iter().find(|place| place.is_file()) else {
        bail!("{} holds no kernel image: delete it", root.display());
    };
    Ok(Kernel { name: name.to_owned(), image, release, modules: Some(Modules::open(&modules)?) })
}

/// The user's own kernel: a bzImage, and what `make modules_install` put into
/// `lib/modules/VERSION` (or any directory above it that holds one version only).
pub(super) fn own(image: &Path, modules: Option<&Path>) -> Result<Kernel> {
    if !image.is_file() {
        return Err(WrongUse(format!("there is no kernel image {}", image.display())).into());
    }
    let (image, name) = (image.to_owned(), "own".to_owned());
    let Some(given) = modules else {
        return Ok(Kernel { name, image, release: "none".into(), modules: None });
    };
    let given = given.canonicalize().with_context(|| format!("looking for {}", given.display()))?;
    let (dir, release) = version_directory(&given).with_context(|| {
        format!("{} is no directory like lib/modules/VERSION of one kernel", given.display())
    })?;
    Ok(Kernel { name, image, release, modules: Some(Modules::open(&dir)?) })
}

/// `given` itself if modules lie in it, else the one version below it.
fn version_directory(given: &Path) -> Option<(PathBuf, String)> {
    if given.join("kernel").is_dir() {
        let release = given.file_name()?.to_str()?.to_owned();
        return Some((given.to_owned(), release));
    }
    let below = ["lib/modules", ""];
    let (dir, release) = below.iter().find_map(|place| only_directory(&given.join(place)))?;
    dir.join("kernel").is_dir().then_some((dir, release))
}

/// The only directory in `dir`, and its name.
fn only_directory(dir: &Path) -> Option<(PathBuf, String)> {
    let mut found = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    let mut directories = found.by_ref().filter(|path| path.is_dir());
    let only = directories.next()?;
    if directories.next().is_some() {
        return None;
    }
    let name = only.file_name()?.to_str()?.to_owned();
    Some((only, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_from_the_version_or_from_above() {
        let top = std::env::temp_dir().join(format!("xtask-kernel-{}", std::process::id()));
        let version = top.join("lib/modules/6.9-test");
        fs::create_dir_all(version.join("kernel")).unwrap();
        for given in [&top, &top.join("lib/modules"), &version] {
            let (dir, release) = version_directory(given).unwrap();
            assert_eq!((dir, release.as_str()), (version.clone(), "6.9-test"));
        }
        fs::create_dir_all(top.join("lib/modules/7.0-test/kernel")).unwrap();
        assert_eq!(version_directory(&top), None, "two versions: which one?");
        fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn an_unknown_kernel_is_refused_with_the_known_ones() {
        let error = debian("2.6").err().unwrap().to_string();
        assert!(error.contains("5.10, 6.1, 6.12, 7.x"), "{error}");
    }
}
