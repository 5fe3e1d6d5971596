//! A directory as a file system in a file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Part of e2fsprogs; not in every user's PATH.
const PROGRAMS: [&str; 3] = ["mke2fs", "/sbin/mke2fs", "/usr/sbin/mke2fs"];
/// Bytes for the file system's own tables beside a sixteenth of the files'.
const ROOM: u64 = 16 << 20;

/// `image`, made of the directory `root` unless it is there; `settle` gives `root` its last touch.
pub(super) fn make(
    root: &Path,
    image: &Path,
    settle: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    if image.is_file() {
        return Ok(image.to_owned());
    }
    settle(root)?;
    let part = image.with_extension(format!("part-{}", std::process::id()));
    let size = size(root)?;
    let file = File::create(&part).with_context(|| format!("creating {}", part.display()))?;
    file.set_len(size + size / 16 + ROOM)?;
    let mut failure = None;
    for program in PROGRAMS {
        match write(program, root, &part) {
            Ok(()) => {
                // If another run was faster, its image is as good.
                fs::rename(&part, image)?;
                return Ok(image.to_owned());
            }
            Err(error) if is_missing(&error) => failure = failure.or(Some(error)),
            Err(error) => failure = Some(error),
        }
    }
    fs::remove_file(&part).ok(); // What stays costs only space.
    let failure = failure.context("no program to ask")?;
    Err(failure.context("the disk of --user-land takes mke2fs (Debian: e2fsprogs)"))
}

/// No journal: nobody writes.
fn write(program: &str, root: &Path, file: &Path) -> Result<()> {
    let mut mke2fs = Command::new(program);
    mke2fs.args(["-q", "-F", "-t", "ext2", "-m", "0", "-d"]).arg(root).arg(file);
    process::capture(&mut mke2fs).map(drop)
}

/// Bytes that the files below `root` take, in whole blocks; hard links to one file share it.
fn size(root: &Path) -> Result<u64> {
    const BLOCK: u64 = 4096;
    let mut sum = BLOCK;
    for entry in fs::read_dir(root).with_context(|| format!("reading {}", root.display()))? {
        let entry = entry?;
        let found = entry.metadata()?;
        sum += match found.is_dir() {
            true => size(&entry.path())?,
            false => found.size().next_multiple_of(BLOCK) / found.nlink().max(1),
        };
    }
    Ok(sum)
}

fn is_missing(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::scratch::Scratch;

    /// Where ext2 keeps its magic number (`fs/ext2/ext2.h`), and that number.
    const MAGIC: (usize, [u8; 2]) = (1024 + 56, [0x53, 0xef]);

    #[test]
    fn a_directory_becomes_a_file_system_once() {
        let scratch = Scratch::for_test("image");
        let (root, image) = (scratch.join("root"), scratch.join("disk.ext2"));
        fs::create_dir_all(root.join("deep")).unwrap();
        fs::write(root.join("deep/file"), "what is in the file").unwrap();
        let mut settled = 0;
        let mut settle = |dir: &Path| {
            settled += 1;
            Ok(fs::write(dir.join("late"), "what came last")?)
        };
        match make(&root, &image, &mut settle) {
            Ok(made) => {
                let bytes = fs::read(made).unwrap();
                let holds = |text: &str| bytes.windows(text.len()).any(|at| at == text.as_bytes());
                assert_eq!(bytes[MAGIC.0..MAGIC.0 + 2], [MAGIC.1[0], MAGIC.1[1]]);
                assert!(holds("what is in the file") && holds("what came last"));
                make(&root, &image, &mut settle).unwrap();
                assert_eq!(settled, 1, "the image is kept");
            }
            Err(error) => assert!(format!("{error:#}").contains("e2fsprogs"), "{error:#}"),
        }
        assert!(fs::read_dir(scratch.join("")).unwrap().count() <= 2, "nothing half done is left");
    }

    #[test]
    fn what_settling_cannot_do_is_told_and_leaves_no_image() {
        let scratch = Scratch::for_test("image-unsettled");
        let (root, image) = (scratch.join("root"), scratch.join("disk.ext2"));
        fs::create_dir_all(&root).unwrap();
        let error = make(&root, &image, |_| anyhow::bail!("no fonts")).err().unwrap();
        assert!(error.to_string().contains("no fonts") && !image.exists(), "{error}");
    }
}
