//! What stops a check.

use std::io;
use std::path::{Path, PathBuf};

/// Why a check could not go on, or found what should not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A system call failed.
    #[error("{call}: {error}")]
    Call {
        /// The call, by its name in the kernel's headers.
        call: &'static str,
        /// What it said.
        error: io::Error,
    },
    /// A file could not be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Its name.
        path: PathBuf,
        /// What was said.
        error: io::Error,
    },
    /// A result is not what it should be, in words.
    #[error("{0}")]
    Wrong(String),
    /// Work did not end in time.
    #[error("{0} did not end in time")]
    Late(String),
    /// This cannot be checked here, and why; counted as skipped.
    #[error("{0}")]
    NotHere(String),
}

/// What checks give back.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The last system call of this thread failed.
    pub(crate) fn last(call: &'static str) -> Error {
        Error::Call { call, error: io::Error::last_os_error() }
    }

    /// Something about the file `path` failed.
    pub(crate) fn file(path: &Path, error: io::Error) -> Error {
        Error::File { path: path.to_owned(), error }
    }

    /// The errno of a failed system call.
    pub(crate) fn errno(&self) -> Option<i32> {
        match self {
            Error::Call { error, .. } | Error::File { error, .. } => error.raw_os_error(),
            Error::Wrong(_) | Error::Late(_) | Error::NotHere(_) => None,
        }
    }
}

/// Fails in words unless `found` is as `expected`.
pub(crate) fn expect_dword(what: &str, found: u32, expected: u32) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Wrong(format!("{what} is {found:#x} and should be {expected:#x}")))
}
