//! The checksums that a pipe makes of its pictures, through debugfs (`drm_debugfs_crc.c`).

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::card::Card;
use super::picture::{FrameBuffer, Picture};
use super::screen::Screen;
use crate::error::{Error, Result};
use crate::gpu::Node;
use crate::{files, sys};

/// A checksum comes with every blanking; i915 takes the third of a row for the first good one.
const PATIENCE: Duration = Duration::from_secs(5);

/// A checksum of a picture: five numbers, of which i915 fills in those that the pipe has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checksum(Vec<u32>);

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0.first().copied().unwrap_or_default())
    }
}

impl Checksum {
    /// That of what `screen` shows now.
    pub(super) fn of(screen: &Screen) -> Result<Checksum> {
        let directory = Node::debugfs()?.join(format!("crtc-{}", screen.pipe)).join("crc");
        files::write(&directory.join("control"), "auto")?;
        let (path, file) = open(&directory.join("data"))?;
        if !sys::wait_readable(file.as_raw_fd(), PATIENCE)? {
            return Err(Error::Late("a checksum of the screen".into()));
        }
        let mut line = String::new();
        BufReader::new(file).read_line(&mut line).map_err(|error| Error::file(&path, error))?;
        parse(&line).ok_or_else(|| Error::Wrong(format!("{} says `{line}`", path.display())))
    }

    /// Fails in words unless this is also the checksum of what `screen` shows now.
    pub(super) fn expect(&self, what: &str, screen: &Screen) -> Result<()> {
        match Checksum::of(screen)? {
            found if found == *self => Ok(()),
            found => Err(Error::Wrong(format!("{what}: the checksum is {found}, not {self}"))),
        }
    }

    /// Fails in words if this is the checksum of what `screen` shows now.
    pub(super) fn expect_another(&self, what: &str, screen: &Screen) -> Result<()> {
        match Checksum::of(screen)? {
            found if found == *self => Err(Error::Wrong(format!("{what}: still {found}"))),
            _ => Ok(()),
        }
    }
}

/// `shown` must be the checksum of the first picture with `top` painted on it.
pub(super) fn expect_painted(
    card: &Card,
    screen: &Screen,
    top: &Picture,
    (x, y): (i32, i32),
    shown: &Checksum,
) -> Result<()> {
    let (width, height) = screen.mode.size();
    let mut whole = Picture::pattern(width, height, 1);
    whole.paint(top, x, y);
    let whole = FrameBuffer::linear(card, &whole)?;
    screen.set(card, &whole, (0, 0))?;
    shown.expect(&format!("painted at {x}, {y}"), screen)?;
    screen.show_first(card)
}

fn open(path: &Path) -> Result<(PathBuf, File)> {
    let file = OpenOptions::new().read(true).open(path);
    Ok((path.to_owned(), file.map_err(|error| Error::file(path, error))?))
}

/// `0x0000002a 0x12345678 …`: the blanking's number, then the checksum.
fn parse(line: &str) -> Option<Checksum> {
    let mut words = line.split_whitespace();
    words.next()?;
    let number = |word: &str| u32::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let numbers: Option<Vec<u32>> = words.map(number).collect();
    numbers.filter(|numbers| !numbers.is_empty()).map(Checksum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_blanking_and_a_checksum() {
        let sum = parse("0x0000002a 0x12345678 0x00000000 0x00000001\n").unwrap();
        assert_eq!(sum, Checksum(vec![0x1234_5678, 0, 1]));
        assert_eq!(sum.to_string(), "12345678");
        assert_eq!(parse("XXXXXXXXXX 0x00000001"), Some(Checksum(vec![1])));
        for bad in ["", "0x1", "0x1 12", "0x1 0x"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
