//! `modules.dep.bin` and its siblings, which libkmod reads in place of the text files: programs that
//! load modules themselves (test suites do) find none without them.
//!
//! Format: kmod, `libkmod/libkmod-index.c` and `tools/depmod.c`: a header and the nodes of a trie,
//! children ahead of their parents, all numbers big-endian.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::modules::Module;

const MAGIC: u32 = 0xb007_f457;
const VERSION: u32 = 0x0002_0001;
/// The header: magic, version and the root's offset.
const HEADER: usize = 12;
/// Flags in a node's offset.
const HAS_VALUES: u32 = 0x4000_0000;
const HAS_CHILDREN: u32 = 0x2000_0000;
/// Offsets have the bits below the flags.
const OFFSET_LIMIT: usize = 1 << 28;

/// Siblings of `modules.dep.bin` that libkmod wants to open; ours name nothing.
pub(super) const EMPTY: [&str; 4] = [
    "modules.alias.bin",
    "modules.symbols.bin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
];

#[derive(Default)]
struct Node {
    children: BTreeMap<u8, Node>,
    value: Option<String>,
}

/// The index of the lines of a `modules.dep` by the names of the modules.
pub(super) fn dependencies(modules_dep: &str, closure: &[Module]) -> Result<Vec<u8>> {
    let mut root = Node::default();
    for (line, module) in modules_dep.lines().zip(closure) {
        let mut node = &mut root;
        for &letter in module.name.as_bytes() {
            ensure!(letter.is_ascii(), "{}: no name of a module", module.name);
            node = node.children.entry(letter).or_default();
        }
        node.value = Some(line.to_owned());
    }
    index(&root)
}

/// An index that holds nothing.
pub(super) fn empty() -> Result<Vec<u8>> {
    index(&Node::default())
}

fn index(root: &Node) -> Result<Vec<u8>> {
    let mut file = vec![0; HEADER];
    let root = write(root, &mut file);
    ensure!(file.len() < OFFSET_LIMIT, "too many modules for an index");
    let header: Vec<u8> = [MAGIC, VERSION, root].into_iter().flat_map(u32::to_be_bytes).collect();
    file.splice(..HEADER, header);
    Ok(file)
}

/// Writes a node behind its children; gives its offset and flags (0: there is none).
fn write(node: &Node, file: &mut Vec<u8>) -> u32 {
    let offsets: BTreeMap<u8, u32> =
        node.children.iter().map(|(&letter, child)| (letter, write(child, file))).collect();
    let mut place = file.len() as u32; // `index` looks whether it fits
    if let (Some((&first, _)), Some((&last, _))) =
        (offsets.first_key_value(), offsets.last_key_value())
    {
        place |= HAS_CHILDREN;
        file.extend([first, last]);
        for letter in first..=last {
            file.extend(offsets.get(&letter).copied().unwrap_or(0).to_be_bytes());
        }
    }
    if let Some(value) = &node.value {
        place |= HAS_VALUES;
        // How many values, and the priority of this one: among modules of one name the lowest.
        file.extend(1_u32.to_be_bytes());
        file.extend(0_u32.to_be_bytes());
        file.extend(value.as_bytes());
        file.push(0);
    }
    if offsets.is_empty() && node.value.is_none() { 0 } else { place }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::modules::modules_dep;

    fn number(file: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(file[at..at + 4].try_into().unwrap())
    }

    /// As libkmod looks a name up.
    fn look_up(file: &[u8], name: &str) -> Option<String> {
        assert_eq!((number(file, 0), number(file, 4)), (0xb007_f457, 0x0002_0001));
        let mut place = number(file, 8);
        for letter in name.bytes() {
            let at = (place & 0x0fff_ffff) as usize;
            if place & HAS_CHILDREN == 0 {
                return None;
            }
            let (first, last) = (file[at], file[at + 1]);
            if !(first..=last).contains(&letter) {
                return None;
            }
            place = number(file, at + 2 + 4 * usize::from(letter - first));
        }
        let mut at = (place & 0x0fff_ffff) as usize;
        if place & HAS_VALUES == 0 {
            return None;
        }
        if place & HAS_CHILDREN != 0 {
            at += 2 + 4 * usize::from(file[at + 1] - file[at] + 1);
        }
        assert_eq!(number(file, at), 1, "one value");
        let value = file[at + 8..].split(|&byte| byte == 0).next().unwrap();
        Some(String::from_utf8(value.to_vec()).unwrap())
    }

    #[test]
    fn a_module_is_found_by_its_name_and_by_no_other() {
        let module = |name: &str, needs: &[&str]| Module {
            name: name.to_owned(),
            data: Vec::new(),
            needs: needs.iter().map(ToString::to_string).collect(),
        };
        let closure = [module("drm", &[]), module("drm_x", &["drm"]), module("vgem", &["drm_x"])];
        let file = dependencies(&modules_dep(&closure), &closure).unwrap();
        assert_eq!(look_up(&file, "drm").as_deref(), Some("drm.ko:"));
        assert_eq!(look_up(&file, "drm_x").as_deref(), Some("drm_x.ko: drm.ko"));
        assert_eq!(look_up(&file, "vgem").as_deref(), Some("vgem.ko: drm_x.ko drm.ko"));
        for other in ["", "d", "drm_", "vgemm", "zzz"] {
            assert_eq!(look_up(&file, other), None, "{other}");
        }
        assert_eq!(look_up(&empty().unwrap(), "drm"), None);
    }
}
