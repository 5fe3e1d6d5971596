//! Error numbers, as replies carry them.

use std::{fmt, io};

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(i32);

impl Errno {
    /// The request makes no sense.
    pub(crate) const INVALID: Errno = Errno(libc::EINVAL);
    /// The message is longer than any that is understood.
    pub(crate) const TOO_LONG: Errno = Errno(libc::EMSGSIZE);
    /// There is something there already.
    pub(crate) const EXISTS: Errno = Errno(libc::EEXIST);
    /// There is nothing there.
    pub(crate) const MISSING: Errno = Errno(libc::ENOENT);
    /// A table is full.
    pub(crate) const FULL: Errno = Errno(libc::ENOSPC);
    /// The server can take no more file descriptors.
    pub(crate) const TOO_MANY_FILES: Errno = Errno(libc::EMFILE);
    /// The command is not known.
    pub(crate) const UNKNOWN: Errno = Errno(libc::ENOSYS);
    /// The command is known, but not with these flags.
    pub(crate) const UNSUPPORTED: Errno = Errno(libc::EOPNOTSUPP);

    /// As the header of a reply holds it: never 0, which would mean success.
    pub(crate) fn code(self) -> u32 {
        u32::try_from(self.0).ok().filter(|&code| code != 0).unwrap_or(libc::EIO as u32)
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        Errno(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.0).fmt(f)
    }
}
