//! What the packages' maintainer scripts would have made: they run only as root, in the system that
//! the packages are installed into.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Face, fonts};
use crate::WrongUse;
use crate::linux::screen::Pcf;

/// Where the guest's init mounts something.
const MOUNT_POINTS: [&str; 9] =
    ["dev", "proc", "sys", "tmp", "var", "run", "root", "gen8emu", "lib/modules"];
/// Ends the names of the fonts whose characters are numbered as in ASCII.
const LATIN: &str = "-ISO8859-1.pcf.gz";
/// The pointer's pictures.
const CURSOR: &str = "cursor.pcf.gz";
/// The package's short names of fonts, which X wants beside the fonts.
const ALIASES: &str = "etc/X11/fonts/misc/xfonts-base.alias";

/// Gives unpacked packages what they lack to run.
pub(super) fn settle(root: &Path) -> Result<()> {
    for point in MOUNT_POINTS {
        fs::create_dir_all(root.join(point)).with_context(|| format!("creating /{point}"))?;
    }
    let shell = root.join("bin/sh");
    if shell.symlink_metadata().is_err() {
        symlink("busybox", shell).context("linking /bin/sh")?;
    }
    let fonts = fonts(root);
    fs::write(fonts.join("fonts.dir"), fonts_dir(&fonts)?).context("writing fonts.dir")?;
    fs::copy(root.join(ALIASES), fonts.join("fonts.alias"))
        .context("copying the fonts' aliases")?;
    Ok(())
}

/// The index that X reads: how many fonts, and the file and the full name of each. Of the several
/// sets of characters only Latin 1.
fn fonts_dir(directory: &Path) -> Result<String> {
    let mut lines = Vec::new();
    for file in files(directory)? {
        if file.ends_with(LATIN) || file == CURSOR {
            let name = Pcf::read(&directory.join(&file))?.name()?;
            lines.push(format!("{file} {name}\n"));
        }
    }
    Ok(format!("{}\n{}", lines.len(), lines.concat()))
}

/// The font with a short name.
pub(super) fn face(directory: &Path, name: &str) -> Result<Face> {
    let files = files(directory)?;
    let mut names = files.iter().filter_map(|file| file.strip_suffix(LATIN));
    if names.clone().all(|known| known != name) {
        let names = names.by_ref().collect::<Vec<_>>().join(", ");
        return Err(WrongUse(format!("X has no font {name}; it has {names}")).into());
    }
    Pcf::read(&directory.join(format!("{name}{LATIN}")))?.face()
}

/// The names of a directory's files, sorted.
fn files(directory: &Path) -> Result<Vec<String>> {
    let read = || format!("reading {}", directory.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(read)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::scratch::Scratch;
    use crate::linux::screen::pcf_for_test;

    fn packages(scratch: &Scratch) -> std::path::PathBuf {
        let root = scratch.join("root");
        let fonts = fonts(&root);
        for directory in [fonts.as_path(), &root.join("bin"), &root.join("etc/X11/fonts/misc")] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(root.join(ALIASES), "fixed -x-y\n").unwrap();
        // `gzip -d` passes on what is compressed only.
        let gzip = |name: &str| {
            fs::write(fonts.join(name), pcf_for_test()).unwrap();
            let file = fonts.join(name);
            let ended = std::process::Command::new("gzip").arg(&file).status().unwrap();
            assert!(ended.success());
        };
        ["4x3-ISO8859-1.pcf", "4x3-ISO8859-2.pcf", "cursor.pcf"].into_iter().for_each(gzip);
        root
    }

    #[test]
    fn settled_packages_have_an_index_of_fonts_a_shell_and_places_to_mount_at() {
        let scratch = Scratch::for_test("settle");
        let root = packages(&scratch);
        settle(&root).unwrap();
        settle(&root).unwrap(); // after a run that was interrupted
        let read = |name: &str| fs::read_to_string(fonts(&root).join(name)).unwrap();
        assert_eq!(
            read("fonts.dir"),
            "2\n4x3-ISO8859-1.pcf.gz -x-y\ncursor.pcf.gz -x-y\n",
            "Latin 1 and the pointer"
        );
        assert_eq!(read("fonts.alias"), "fixed -x-y\n");
        assert_eq!(fs::read_link(root.join("bin/sh")).unwrap(), Path::new("busybox"));
        assert!(MOUNT_POINTS.iter().all(|point| root.join(point).is_dir()));
    }

    #[test]
    fn a_font_that_x_does_not_have_is_told_with_those_that_it_has() {
        let scratch = Scratch::for_test("face");
        let fonts = fonts(&packages(&scratch));
        assert!(face(&fonts, "4x3").is_ok());
        for bad in ["4x4", "../4x3", ""] {
            let error = face(&fonts, bad).err().unwrap();
            assert!(error.is::<WrongUse>() && error.to_string().ends_with("it has 4x3"), "{error}");
        }
    }
}
