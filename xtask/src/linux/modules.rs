//! Which kernel modules i915 needs, and their plain bytes.
//!
//! A packed kernel has no `modules.dep` (the package's postinst makes it), one that was installed
//! by `make modules_install` has. With it we believe it; without it the modules themselves say what
//! they need, in the section `.modinfo`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::elf;
use crate::WrongUse;

/// The modules of one kernel.
pub(super) struct Modules {
    /// Each module's file by its name (with `_` for `-`).
    files: BTreeMap<String, PathBuf>,
    /// Who needs whom, from `modules.dep`.
    listed: Option<BTreeMap<String, Vec<String>>>,
    /// What is linked into the kernel, from `modules.builtin`.
    builtin: BTreeSet<String>,
}

/// A module to pack.
pub(super) struct Module {
    pub(super) name: String,
    /// The file's content, uncompressed.
    pub(super) data: Vec<u8>,
    /// The names of the modules that it needs itself.
    pub(super) needs: Vec<String>,
}

impl Modules {
    /// Looks at a directory like `/lib/modules/VERSION`.
    pub(super) fn open(dir: &Path) -> Result<Modules> {
        let mut files = BTreeMap::new();
        index(dir, &mut files).with_context(|| format!("reading {}", dir.display()))?;
        let listed = fs::read_to_string(dir.join("modules.dep")).ok();
        let builtin = fs::read_to_string(dir.join("modules.builtin")).unwrap_or_default();
        Ok(Modules {
            files,
            listed: listed.as_deref().map(parse_modules_dep),
            builtin: builtin.lines().filter_map(module_name).collect(),
        })
    }

    /// Whether there is a file of this module.
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The modules `names` and all that they need, what is needed ahead of who needs it. What the
    /// kernel has built in is left out.
    pub(super) fn closure<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Module>> {
        let (mut seen, mut closure) = (BTreeSet::new(), Vec::new());
        for name in names {
            self.visit(&name.replace('-', "_"), &mut seen, &mut closure)?;
        }
        Ok(closure)
    }

    fn visit(
        &self,
        name: &str,
        seen: &mut BTreeSet<String>,
        closure: &mut Vec<Module>,
    ) -> Result<()> {
        if self.builtin.contains(name) || !seen.insert(name.to_owned()) {
            return Ok(());
        }
        let Some(path) = self.files.get(name) else {
            let what = format!(
                "the kernel has no module {name}: is this the modules directory of that kernel?"
            );
            return Err(WrongUse(what).into());
        };
        let data = plain(path)?;
        let needs = match self.listed.as_ref().and_then(|listed| listed.get(name)) {
            Some(needs) => needs.clone(),
            None => elf::module_needs(&data)
                .with_context(|| format!("reading the needs of {}", path.display()))?,
        };
        for needed in &needs {
            self.visit(needed, seen, closure)?;
        }
        closure.push(Module { name: name.to_owned(), data, needs });
        Ok(())
    }
}

/// The content of a `modules.dep` for the modules of a closure, which lie beside it as `NAME.ko`.
///
/// modprobe loads what a line names, from its end to its start, and nothing else: so a line names
/// also what is needed indirectly.
pub(super) fn modules_dep(closure: &[Module]) -> String {
    let mut text = String::new();
    for (index, module) in closure.iter().enumerate() {
        let mut wanted: BTreeSet<&str> = module.needs.iter().map(String::as_str).collect();
        text.push_str(&format!("{}.ko:", module.name));
        // Whoever is needed stands ahead in the closure; what is built in does not stand there.
        for earlier in closure.iter().take(index).rev() {
            if wanted.contains(earlier.name.as_str()) {
                wanted.extend(earlier.needs.iter().map(String::as_str));
                text.push_str(&format!(" {}.ko", earlier.name));
            }
        }
        text.push('\n');
    }
    text
}

fn index(dir: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        // `build` and `source` are links into a tree that is not ours to walk.
        if entry.file_type()?.is_dir() {
            index(&path, files)?;
        } else if let Some(name) = path.to_str().and_then(module_name) {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// `drm_kms_helper` for `kernel/drivers/gpu/drm/drm-kms-helper.ko.xz`; nothing for other files.
fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let (name, compression) = file.split_once(".ko")?;
    let known = matches!(compression, "" | ".xz" | ".zst" | ".gz");
    (known && !name.is_empty()).then(|| name.replace('-', "_"))
}

/// Lines `PATH: PATH...`: a module and all that it needs, also indirectly.
fn parse_modules_dep(text: &str) -> BTreeMap<String, Vec<String>> {
    text.lines()
        .filter_map(|line| {
            let (module, needs) = line.split_once(':')?;
            Some((module_name(module)?, needs.split_whitespace().filter_map(module_name).collect()))
        })
        .collect()
}

/// A file's bytes without the compression that its name tells.
pub(super) fn plain(path: &Path) -> Result<Vec<u8>> {
    let tool = match path.extension().and_then(OsStr::to_str) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("reading {}", path.display())),
    };
    let output = Command::new(tool)
        .arg("-dc")
        .arg(path)
        .output()
        .with_context(|| format!("{} needs the program {tool}: install it", path.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{tool} cannot unpack {}: {}", path.display(), said.trim());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of modules: those of the map `name → needs`.
    fn directory(test: &str, modules: &[(&str, &str)]) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-{test}-{}", std::process::id()));
        fs::remove_dir_all(&dir).ok();
        fs::create_dir_all(dir.join("kernel/drivers")).unwrap();
        for (name, needs) in modules {
            let file = dir.join("kernel/drivers").join(format!("{name}.ko"));
            fs::write(file, elf::tests::module(needs)).unwrap();
        }
        dir
    }

    fn names(closure: &[Module]) -> Vec<&str> {
        closure.iter().map(|module| module.name.as_str()).collect()
    }

    #[test]
    fn the_closure_loads_what_is_needed_first_and_once() {
        let dir = directory(
            "closure",
            &[
                ("drm", ""),
                ("ttm", "drm"),
                ("i2c-algo-bit", ""),
                ("i915", "i2c-algo-bit,ttm"),
                ("x", ""),
            ],
        );
        let closure = Modules::open(&dir).unwrap().closure(["i915"]).unwrap();
        assert_eq!(names(&closure), ["i2c_algo_bit", "drm", "ttm", "i915"]);
        assert_eq!(
            modules_dep(&closure),
            "i2c_algo_bit.ko:\ndrm.ko:\nttm.ko: drm.ko\n\
             i915.ko: ttm.ko drm.ko i2c_algo_bit.ko\n"
        );
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn modules_dep_is_believed_where_it_exists() {
        let dir = directory("listed", &[("drm", ""), ("i915", "nonsense")]);
        let text = "kernel/drivers/drm.ko:\nkernel/drivers/i915.ko: kernel/drivers/drm.ko\n";
        fs::write(dir.join("modules.dep"), text).unwrap();
        let closure = Modules::open(&dir).unwrap().closure(["i915"]).unwrap();
        assert_eq!(names(&closure), ["drm", "i915"]);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn built_in_modules_need_no_file_and_missing_ones_are_an_error() {
        let dir = directory("builtin", &[("i915", "drm,video")]);
        fs::write(dir.join("modules.builtin"), "kernel/drivers/gpu/drm/drm.ko\n").unwrap();
        let error = Modules::open(&dir).unwrap().closure(["i915"]).err().unwrap();
        assert!(error.to_string().contains("no module video"), "{error}");
        assert!(error.is::<WrongUse>(), "the user names modules and where they are");
        fs::write(dir.join("modules.builtin"), "k/drm.ko\nk/video.ko\n").unwrap();
        let modules = Modules::open(&dir).unwrap();
        assert_eq!(names(&modules.closure(["i915"]).unwrap()), ["i915"]);
        assert!(modules.closure(["drm"]).unwrap().is_empty());
        assert_eq!(modules_dep(&modules.closure(["i915"]).unwrap()), "i915.ko:\n");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn modules_that_need_each_other_end_the_search() {
        let dir = directory("circle", &[("a", "b"), ("b", "a")]);
        let closure = Modules::open(&dir).unwrap().closure(["a"]).unwrap();
        assert_eq!(names(&closure), ["b", "a"]);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn names_are_found_behind_every_compression() {
        assert_eq!(module_name("kernel/drm-buddy.ko.xz").as_deref(), Some("drm_buddy"));
        assert_eq!(module_name("i915.ko.zst").as_deref(), Some("i915"));
        assert_eq!(module_name("i915.ko").as_deref(), Some("i915"));
        for other in ["modules.dep", "i915.koala", ".ko", "i915.ko.debug"] {
            assert_eq!(module_name(other), None, "{other}");
        }
    }
}
