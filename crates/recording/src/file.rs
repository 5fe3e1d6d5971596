//! The files of recordings. What is no file (a FIFO, a terminal, a directory) could keep a program waiting for
//! ever, and cannot be read twice.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};

/// An empty file, which is this recording's alone as long as it is open.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let never_wait = OFlags::NONBLOCK.bits().cast_signed();
    let mut options = File::options();
    options.write(true).create(true).truncate(false).custom_flags(never_wait);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(no_file());
    }
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::Error::other("another recording is being written there"))?;
    file.set_len(0)?;
    Ok(file)
}

/// A file to be read.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(no_file());
    }
    File::open(path)
}

fn no_file() -> io::Error {
    io::Error::other("it is no file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_is_being_written_is_nobody_elses() {
        let path = std::env::temp_dir().join(format!("recording-locked-{}", std::process::id()));
        let first = create(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        let error = create(&path).unwrap_err();
        assert!(error.to_string().contains("another recording"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        drop(first);
        create(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"", "who comes later writes anew");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let path = std::env::temp_dir().join(format!("recording-fifo-{}", std::process::id()));
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        // One that nobody has open at its other end, and one that somebody has.
        for is_open in [false, true] {
            let other = is_open.then(|| File::options().read(true).write(true).open(&path));
            assert!(create(&path).is_err() && open(&path).is_err(), "{other:?}");
        }
        fs::remove_file(&path).unwrap();
        for path in ["/dev/zero", "/"] {
            assert!(create(Path::new(path)).is_err() && open(Path::new(path)).is_err(), "{path}");
        }
    }
}
