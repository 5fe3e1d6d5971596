//! The way out: a virtio port, which the host's program has at its other end.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::{Error, Result};

/// Where the kernel names its ports.
const PORTS: &str = "/sys/class/virtio-ports";
/// The name that QEMU gave ours.
const NAME: &str = "gen8-agent";
/// Bytes that wait for the host. When there are more, the trace is not read, and the kernel's own
/// buffer fills; what it then overwrites it counts.
const MOST_WAITING: usize = 256 << 10;
/// Bytes of a line from the host.
const LONGEST_LINE: usize = 4096;

/// The port. Nothing here ever waits.
pub(crate) struct Port {
    path: PathBuf,
    file: File,
    /// To be sent.
    waiting: Vec<u8>,
    /// Received, without the line's end.
    begun: Vec<u8>,
}

impl Port {
    /// Opens the port of our name.
    pub(crate) fn open() -> Result<Port> {
        let path = find(Path::new(PORTS)).ok_or(Error::NoPort)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&path)
            .map_err(Error::file(&path))?;
        Ok(Port { path, file, waiting: Vec::new(), begun: Vec::new() })
    }

    /// Whether more may be put in.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < MOST_WAITING
    }

    /// Puts `bytes` behind what waits.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// Sends what the host takes; whether it took anything.
    pub(crate) fn flush(&mut self) -> Result<bool> {
        let mut sent = 0;
        while sent < self.waiting.len() {
            match self.file.write(&self.waiting[sent..]) {
                Ok(0) => break,
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(Error::File { path: self.path.clone(), error }),
            }
        }
        self.waiting.drain(..sent);
        Ok(sent > 0)
    }

    /// The host's next lines, if there are any.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let mut chunk = [0; 1024];
        // Without a host a read says 0 bytes or an error: then there is no line.
        while let Ok(count @ 1..) = self.file.read(&mut chunk) {
            self.begun.extend_from_slice(chunk.get(..count).unwrap_or_default());
        }
        take_lines(&mut self.begun)
    }
}

/// Takes the whole lines out of `begun`; what is too long to be one is dropped.
fn take_lines(begun: &mut Vec<u8>) -> Vec<String> {
    let whole = begun.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let lines: Vec<u8> = begun.drain(..whole).collect();
    if begun.len() > LONGEST_LINE {
        begun.clear();
    }
    String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect()
}

/// The device node of the port that has our name.
fn find(ports: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(ports).ok()?.filter_map(std::result::Result::ok);
    let mut ours = entries.map(|entry| entry.path()).filter(|port| {
        fs::read_to_string(port.join("name")).is_ok_and(|name| name.trim_end() == NAME)
    });
    Some(Path::new("/dev").join(ours.next()?.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_port_of_our_name_is_taken() {
        let ports = std::env::temp_dir().join(format!("gen8-agent-ports-{}", std::process::id()));
        fs::remove_dir_all(&ports).ok();
        for (port, name) in [("vport0p1", "org.qemu.guest_agent.0\n"), ("vport1p2", "gen8-agent\n")]
        {
            fs::create_dir_all(ports.join(port)).unwrap();
            fs::write(ports.join(port).join("name"), name).unwrap();
        }
        assert_eq!(find(&ports), Some(PathBuf::from("/dev/vport1p2")));
        fs::remove_dir_all(ports.join("vport1p2")).unwrap();
        assert_eq!(find(&ports), None);
        fs::remove_dir_all(&ports).unwrap();
        assert_eq!(find(&ports), None, "a kernel without virtio ports");
    }

    #[test]
    fn lines_are_taken_when_they_are_whole_and_no_endless_one_is_kept() {
        let mut begun = b"settled a equal\nsettled b".to_vec();
        assert_eq!(take_lines(&mut begun), ["settled a equal"]);
        begun.extend_from_slice(b" equal\n");
        assert_eq!(take_lines(&mut begun), ["settled b equal"]);
        begun = vec![b'x'; LONGEST_LINE + 1];
        assert!(take_lines(&mut begun).is_empty() && begun.is_empty());
    }
}
