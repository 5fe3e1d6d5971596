//! The beginning of a connection (RFC 6143, 7.1 to 7.3): version, security, sizes.

use std::io;

use thiserror::Error;

use crate::connection::Connection;
use crate::pixel_format::PixelFormat;

/// The newest version, ours.
const VERSION: &[u8; 12] = b"RFB 003.008\n";
/// The only security type: none.
const SECURITY_NONE: u8 = 1;
/// The name of the screen, for the viewer's window.
const NAME: &str = "gen8emu";

/// Why there is no session.
#[derive(Debug, Error)]
pub(crate) enum HandshakeError {
    /// The socket failed, the viewer has gone, or it took too long.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no viewer.
    #[error("it does not speak RFB")]
    NoViewer,
    /// It wants to prove who it is.
    #[error("it chose security type {0}; there is only {SECURITY_NONE} (none)")]
    Security(u8),
}

/// How versions differ: 3.3 has no choice of security, 3.8 a result of it even if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    V3,
    V7,
    V8,
}

impl Version {
    /// A version that nobody has defined is taken for 3.3 (7.1.1), one after ours for ours.
    fn parse(bytes: &[u8; 12]) -> Option<Version> {
        let digits = bytes.strip_prefix(b"RFB 003.")?.strip_suffix(b"\n")?;
        match std::str::from_utf8(digits).ok()?.parse::<u16>().ok()? {
            8.. => Some(Version::V8),
            7 => Some(Version::V7),
            _ => Some(Version::V3),
        }
    }
}

/// Leads a viewer to the point where it may ask for pictures of this size. Whether it would like to be
/// the only one is not minded: all of them only look.
pub(crate) fn shake_hands(
    connection: &mut Connection,
    size: impl FnOnce() -> (u16, u16),
) -> Result<(u16, u16), HandshakeError> {
    let end = connection.deadline();
    connection.send(VERSION, end)?;
    let version = Version::parse(&connection.read_all()?).ok_or(HandshakeError::NoViewer)?;
    if version == Version::V3 {
        connection.send(&u32::from(SECURITY_NONE).to_be_bytes(), end)?;
    } else {
        connection.send(&[1, SECURITY_NONE], end)?;
        let [chosen] = connection.read_all()?;
        if chosen != SECURITY_NONE {
            return Err(HandshakeError::Security(chosen));
        }
    }
    if version == Version::V8 {
        connection.send(&0u32.to_be_bytes(), end)?;
    }
    let [_shared] = connection.read_all()?;
    let size = size();
    let mut init = Vec::new();
    init.extend(size.0.to_be_bytes());
    init.extend(size.1.to_be_bytes());
    init.extend(PixelFormat::OURS.bytes());
    init.extend((NAME.len() as u32).to_be_bytes());
    init.extend(NAME.as_bytes());
    connection.send(&init, end)?;
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_the_last_that_both_know() {
        for (text, version) in [
            (b"RFB 003.003\n", Some(Version::V3)),
            (b"RFB 003.005\n", Some(Version::V3)),
            (b"RFB 003.007\n", Some(Version::V7)),
            (b"RFB 003.008\n", Some(Version::V8)),
            (b"RFB 003.889\n", Some(Version::V8)),
            (b"RFB 004.001\n", None),
            (b"RFB 003.+08 ", None),
            (b"GET / HTTP/1", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\n", None),
        ] {
            assert_eq!(Version::parse(text), version, "{text:?}");
        }
    }
}
