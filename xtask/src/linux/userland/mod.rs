//! `--user-land`: Debian's programs as a read-only disk of the guest.
//!
//! The packages are unpacked without root, get what their maintainer scripts would have made
//! ([`settle`]), and become a file system in a file ([`image`]). The guest's init mounts it, lays its
//! own `/dev`, `/proc`, `/sys` and empty `/tmp`, `/var`, `/run`, `/root` over it, and runs the payload
//! in it.

mod image;
mod settle;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;

use super::modules::Modules;
use super::packages;
use super::screen::Face;

/// Starts and stops X in the guest.
pub(super) const X_SERVER: &str = include_str!("x-server.sh");

/// What the guest's kernel may have as modules that mounts the disk. Before 6.14, ext4 asks for
/// `crc32c` by a name that only an index of aliases knows.
const MODULES: [&str; 4] = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"];

/// Number of what [`settle`] makes: an image of another number is not taken.
const GENERATION: u32 = 1;

/// Where the packages keep X's bitmap fonts.
const FONTS: &str = "usr/share/fonts/X11/misc";

/// A user land that a guest can have.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(super) enum UserLand {
    /// X server, xterm, xclock, modetest, Mesa (92 MB to fetch).
    X,
}

impl UserLand {
    /// The disk's image; fetched and made where it is not there yet.
    pub(super) fn disk(self) -> Result<PathBuf> {
        let root = self.root()?;
        let image = root.with_extension(format!("{GENERATION}.ext2"));
        image::make(&root, &image, settle::settle)
    }

    /// The font of X's with this short name (`6x13`), to read what its clients write.
    pub(super) fn face(self, name: &str) -> Result<Face> {
        settle::face(&self.root()?.join(FONTS), name)
    }

    /// The directory where its packages lie.
    fn root(self) -> Result<PathBuf> {
        match self {
            UserLand::X => packages::user_land_x(),
        }
    }
}

/// Those of `modules` that it takes to mount the disk.
pub(super) fn modules(modules: &Modules) -> impl Iterator<Item = &str> {
    MODULES.into_iter().filter(|name| modules.has(name))
}

/// The directory of fonts below a root.
fn fonts(root: &Path) -> PathBuf {
    root.join(FONTS)
}
