//! Finding i915's device nodes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where the kernel lists the nodes of graphics devices.
const CLASS: &str = "/sys/class/drm";

/// Which node of the device to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// `card*`: can give objects global names.
    Card,
    /// `renderD*`: for ordinary work.
    Render,
}

impl Node {
    /// The node's path below `/dev`; its number changes when the driver is loaded again.
    pub(crate) fn path(self) -> Result<PathBuf> {
        Ok(Path::new("/dev/dri").join(self.name()?))
    }

    /// The device's directory below `/sys/class/drm`, with its `engine` and `error`.
    pub(crate) fn sysfs(self) -> Result<PathBuf> {
        Ok(Path::new(CLASS).join(self.name()?))
    }

    /// The device's directory in debugfs.
    pub(crate) fn debugfs() -> Result<PathBuf> {
        let card = Node::Card.name()?;
        let number = card.trim_start_matches(Node::Card.prefix());
        Ok(Path::new("/sys/kernel/debug/dri").join(number))
    }

    fn name(self) -> Result<String> {
        let class = Path::new(CLASS);
        let entries = fs::read_dir(class).map_err(|error| Error::file(class, error))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter(|name| self.takes(name) && is_i915(&class.join(name))).collect();
        names.sort();
        names.into_iter().next().ok_or_else(|| {
            Error::Wrong(format!("there is no {} node of i915 in {CLASS}", self.prefix()))
        })
    }

    fn prefix(self) -> &'static str {
        match self {
            Node::Card => "card",
            Node::Render => "renderD",
        }
    }

    /// Whether `name` is the prefix and a number (`card0-eDP-1` is a connector).
    fn takes(self, name: &str) -> bool {
        name.strip_prefix(self.prefix())
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

fn is_i915(node: &Path) -> bool {
    fs::read_link(node.join("device/driver"))
        .is_ok_and(|driver| driver.file_name().is_some_and(|name| name == "i915"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_a_prefix_and_a_number() {
        assert!(Node::Card.takes("card0") && Node::Card.takes("card12"));
        assert!(!Node::Card.takes("card0-eDP-1") && !Node::Card.takes("card"));
        assert!(Node::Render.takes("renderD128") && !Node::Render.takes("card0"));
    }
}
