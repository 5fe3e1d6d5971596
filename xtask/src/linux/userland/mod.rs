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
    /// X server, xterm, xclock, modetest, Mesa (93 MB to fetch).
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Output};

    use super::*;
    use crate::linux::scratch::Scratch;

    /// Says that it answers and ends when it is told to, or after a minute.
    const SERVER: &str = "#!/bin/sh\ntrap 'exit 0' TERM\necho 0 >&3\ntries=600\n\
                          while [ $((tries -= 1)) -gt 0 ]; do sleep 0.1; done\n";

    /// The script with this program in the X server's place, and nothing of it outside `scratch`.
    fn x_server(scratch: &Scratch, server: &str) -> PathBuf {
        let (program, script) = (scratch.join("Xorg"), scratch.join("x-server"));
        fs::write(&program, server).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let place = |path: &Path| path.display().to_string();
        let text = X_SERVER
            .replace("/usr/lib/xorg/Xorg", &place(&program))
            .replace("/run/x-server", &place(&scratch.join("state")))
            .replace("/var/", &place(&scratch.join("var/")));
        fs::write(&script, text).unwrap();
        script
    }

    fn run(script: &Path, words: &[&str]) -> Output {
        Command::new("sh").arg(script).args(words).output().unwrap()
    }

    fn refused(script: &Path, words: &[&str], why: &str) {
        let output = run(script, words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why), "{words:?}: {said}");
    }

    #[test]
    fn x_starts_once_and_is_gone_after_its_stop() {
        let scratch = Scratch::for_test("x-server");
        let script = x_server(&scratch, SERVER);
        refused(&script, &["stop"], "not running");
        for accel in ["none", "glamor"] {
            assert!(run(&script, &["start", "--accel", accel, "-retro"]).status.success());
            refused(&script, &["start"], "running already");
            let configuration = fs::read_to_string(scratch.join("state/xorg.conf")).unwrap();
            assert!(configuration.contains(&format!("\"AccelMethod\" \"{accel}\"")));
            let pid = fs::read_to_string(scratch.join("state/pid")).unwrap();
            assert!(Path::new("/proc").join(pid.trim()).join("exe").exists());
            assert!(run(&script, &["stop"]).status.success());
            assert!(!Path::new("/proc").join(pid.trim()).join("exe").exists());
        }
    }

    #[test]
    fn an_x_that_does_not_start_is_told_with_its_log() {
        let scratch = Scratch::for_test("x-server-bad");
        let dies = "#!/bin/sh\nwhile [ \"$1\" != -logfile ]; do shift; done\n\
                    echo no screens found >$2\nexit 1\n";
        let script = x_server(&scratch, dies);
        refused(&script, &["start"], "no screens found");
        refused(&script, &["start", "--accel", "uxa"], "none and glamor");
        refused(&script, &[], "say start");
    }
}
