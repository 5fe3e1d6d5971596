//! A cpio archive in the form that Linux unpacks as its initramfs ("newc").
//!
//! Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use anyhow::{Result, bail};

const TYPE_MASK: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
/// As many links as Linux follows on the way to a file (`MAXSYMLINKS`).
const LINKS: usize = 40;

/// What the guest finds in its root file system, by path (without a leading slash).
#[derive(Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
}

struct Node {
    /// Type and permissions, as in `st_mode`.
    mode: u32,
    /// A file's content, a link's target.
    data: Vec<u8>,
    /// Major and minor number of a device.
    device: (u32, u32),
}

impl Node {
    fn is_link(&self) -> bool {
        self.mode & TYPE_MASK == SYMLINK
    }
}

impl Tree {
    /// Adds a directory and those above it; one that is there already stays.
    pub(super) fn directory(&mut self, path: &str) -> Result<()> {
        self.put(path, Node { mode: DIRECTORY | 0o755, data: Vec::new(), device: (0, 0) })
    }

    /// Adds a file, or replaces it.
    pub(super) fn file(&mut self, path: &str, permissions: u32, data: Vec<u8>) -> Result<()> {
        self.put(path, Node { mode: REGULAR | (permissions & 0o7777), data, device: (0, 0) })
    }

    /// Adds a symbolic link, or replaces it.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let data = target.as_bytes().to_vec();
        self.put(path, Node { mode: SYMLINK | 0o777, data, device: (0, 0) })
    }

    /// Adds a character device.
    pub(super) fn character_device(&mut self, path: &str, major: u32, minor: u32) -> Result<()> {
        let mode = CHARACTER_DEVICE | 0o600;
        self.put(path, Node { mode, data: Vec::new(), device: (major, minor) })
    }

    /// Whether something lies at `path`, behind the links on its way.
    pub(super) fn has(&self, path: &str) -> Result<bool> {
        Ok(self.nodes.contains_key(&self.resolved(path)?))
    }

    fn put(&mut self, path: &str, node: Node) -> Result<()> {
        if path.is_empty() || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            bail!("{path:?} is no path for an initramfs");
        }
        let path = &self.resolved(path)?;
        // Linux creates no missing parents.
        for (at, _) in path.match_indices('/') {
            let (parent, _) = path.split_at(at);
            self.insert(
                parent,
                Node { mode: DIRECTORY | 0o755, data: Vec::new(), device: (0, 0) },
            )?;
        }
        self.insert(path, node)
    }

    /// `path` with the targets of the links among its directories in their place: a whole root file
    /// system has `lib` as a link to `usr/lib`.
    fn resolved(&self, path: &str) -> Result<String> {
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let (mut done, mut links) = (Vec::new(), 0);
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(part),
            }
            let link = self.nodes.get(&done.join("/")).filter(|node| node.is_link());
            let Some(link) = link.filter(|_| !left.is_empty()) else { continue };
            links += 1;
            if links > LINKS {
                bail!("{path}: the links on the way lead in a circle");
            }
            let target = String::from_utf8_lossy(&link.data).into_owned();
            if target.starts_with('/') {
                done.clear();
            } else {
                done.pop();
            }
            left.extend(target.split('/').rev().map(str::to_owned));
        }
        Ok(done.join("/"))
    }

    fn insert(&mut self, path: &str, node: Node) -> Result<()> {
        match self.nodes.entry(path.to_owned()) {
            Entry::Vacant(free) => {
                free.insert(node);
            }
            Entry::Occupied(mut taken) => {
                let was_directory = taken.get().mode & TYPE_MASK == DIRECTORY;
                let is_directory = node.mode & TYPE_MASK == DIRECTORY;
                if was_directory != is_directory {
                    bail!("{path} would be a directory and something else in the initramfs");
                }
                if !is_directory {
                    taken.insert(node);
                }
            }
        }
        Ok(())
    }

    /// The archive. The map's order puts every directory ahead of what is in it.
    pub(super) fn archive(&self) -> Result<Vec<u8>> {
        let mut archive = Vec::new();
        for (number, (path, node)) in (1_u32..).zip(&self.nodes) {
            entry(&mut archive, number, path, node)?;
        }
        let end = Node { mode: 0, data: Vec::new(), device: (0, 0) };
        entry(&mut archive, 0, "TRAILER!!!", &end)?;
        Ok(archive)
    }
}

fn entry(archive: &mut Vec<u8>, inode: u32, path: &str, node: &Node) -> Result<()> {
    let Ok(size) = u32::try_from(node.data.len()) else { bail!("{path} is larger than 4 GiB") };
    let links = if node.mode & TYPE_MASK == DIRECTORY { 2 } else { 1 };
    let name_size = u32::try_from(path.len() + 1)?; // with the zero byte
    let (major, minor) = node.device;
    // inode, mode, uid, gid, links, mtime, size, device of the file system (2), device (2), name
    // size, check
    let fields = [inode, node.mode, 0, 0, links, 0, size, 0, 0, major, minor, name_size, 0];
    archive.extend_from_slice(b"070701");
    for field in fields {
        archive.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    archive.extend_from_slice(path.as_bytes());
    archive.push(0);
    pad(archive);
    archive.extend_from_slice(&node.data);
    pad(archive);
    Ok(())
}

/// Names and contents start at multiples of four.
fn pad(archive: &mut Vec<u8>) {
    while !archive.len().is_multiple_of(4) {
        archive.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (path, mode, data) of each entry, read by the format's rules alone.
    fn entries(mut archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        while !archive.is_empty() {
            assert_eq!(&archive[..6], b"070701");
            let field = |index: usize| {
                let text = std::str::from_utf8(&archive[6 + 8 * index..14 + 8 * index]).unwrap();
                usize::from_str_radix(text, 16).unwrap()
            };
            let (mode, size, name_size) = (field(1), field(6), field(11));
            let name = String::from_utf8(archive[110..110 + name_size - 1].to_vec()).unwrap();
            let start = (110 + name_size).next_multiple_of(4);
            let data = archive[start..start + size].to_vec();
            archive = &archive[(start + size).next_multiple_of(4)..];
            found.push((name, u32::try_from(mode).unwrap(), data));
        }
        found
    }

    fn sample() -> Tree {
        let mut tree = Tree::default();
        tree.file("lib/modules/a.ko", 0o644, b"12345".to_vec()).unwrap();
        tree.link("bin/sh", "busybox").unwrap();
        tree.character_device("dev/console", 5, 1).unwrap();
        tree
    }

    #[test]
    fn parents_come_first_and_the_trailer_last() {
        let found = entries(&sample().archive().unwrap());
        let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "bin",
                "bin/sh",
                "dev",
                "dev/console",
                "lib",
                "lib/modules",
                "lib/modules/a.ko",
                "TRAILER!!!"
            ]
        );
        assert_eq!(found[6], ("lib/modules/a.ko".into(), 0o100_644, b"12345".to_vec()));
        assert_eq!(found[1], ("bin/sh".into(), 0o120_777, b"busybox".to_vec()));
        assert_eq!(found[0].1, 0o040_755);
    }

    #[test]
    fn a_later_file_replaces_the_earlier_and_a_directory_stays() {
        let mut tree = sample();
        tree.file("lib/modules/a.ko", 0o755, b"new".to_vec()).unwrap();
        tree.directory("lib/modules").unwrap();
        let found = entries(&tree.archive().unwrap());
        assert_eq!(found[6], ("lib/modules/a.ko".into(), 0o100_755, b"new".to_vec()));
    }

    #[test]
    fn what_is_put_behind_a_link_lands_at_its_target() {
        let mut tree = Tree::default();
        tree.directory("usr/lib").unwrap();
        tree.link("lib", "usr/lib").unwrap();
        tree.link("usr/lib64", "../lib").unwrap();
        tree.link("opt", "/usr/lib64/opt").unwrap();
        tree.file("opt/tool", 0o755, Vec::new()).unwrap();
        tree.file("lib/modules/a.ko", 0o644, Vec::new()).unwrap();
        assert!(tree.has("usr/lib64/modules/a.ko").unwrap());
        assert!(tree.has("lib").unwrap() && !tree.has("lib/b").unwrap());
        let found = entries(&tree.archive().unwrap());
        let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert!(names.contains(&"usr/lib/opt/tool") && names.contains(&"usr/lib/modules/a.ko"));
        tree.link("a", "b").unwrap();
        tree.link("b", "a").unwrap();
        assert!(tree.file("a/x", 0o644, Vec::new()).is_err(), "links in a circle");
    }

    #[test]
    fn a_path_is_not_both_directory_and_file() {
        let mut tree = sample();
        assert!(tree.file("lib/modules", 0o644, Vec::new()).is_err());
        assert!(tree.directory("bin/sh").is_err());
        assert!(tree.file("lib/modules/a.ko/x", 0o644, Vec::new()).is_err());
        for path in ["", "/etc", "a//b", "a/../b", "a/."] {
            assert!(tree.file(path, 0o644, Vec::new()).is_err(), "{path}");
        }
    }
}
