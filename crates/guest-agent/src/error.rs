//! What can go wrong, in one line each.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The result of anything here.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why it does not go on.
#[derive(Debug)]
pub(crate) enum Error {
    /// A file of the kernel's, or a socket, did not do what it should.
    File {
        /// Which.
        path: PathBuf,
        /// How.
        error: io::Error,
    },
    /// The background process could not be started.
    Start {
        /// Why.
        error: io::Error,
    },
    /// The kernel has none of the events, so i915 is not loaded or has no tracepoints.
    NoEvents,
    /// There is no way out of the guest.
    NoPort,
    /// A word that cannot be a name of a settle point.
    BadName(String),
}

impl Error {
    /// For `map_err` beside a file's name.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |error| Error::File { path, error }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::File { path, error } => write!(f, "{}: {error}", path.display()),
            Error::Start { error } => write!(f, "the background process did not start: {error}"),
            Error::NoEvents => {
                write!(f, "the kernel has no events of i915: load the module first")
            }
            Error::NoPort => write!(
                f,
                "there is no virtio port gen8-agent: give QEMU one, and load virtio_pci and \
                 virtio_console"
            ),
            Error::BadName(name) => write!(
                f,
                "'{name}' is no name: expected up to 40 letters, digits, '-', '_' and '.'"
            ),
        }
    }
}
