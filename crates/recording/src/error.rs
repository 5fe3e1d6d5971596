//! What can be wrong with a recording, and where.

use core::fmt;
use std::io;

use thiserror::Error;

/// A place in a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset {
    /// Byte of the file: of the header, or where a block begins.
    pub file: u64,
    /// Byte of the block's contents, when it is unpacked.
    pub content: Option<u64>,
}

impl Offset {
    pub(crate) const fn file(file: u64) -> Offset {
        Offset { file, content: None }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.file)?;
        self.content.map_or(Ok(()), |content| write!(f, ", contents byte {content}"))
    }
}

/// A recording cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The operating system says no.
    #[error("at {offset}: cannot read")]
    Io {
        /// Where.
        offset: Offset,
        /// Its answer.
        source: io::Error,
    },
    /// It is no recording.
    #[error("at byte 0: this is no recording of gen8emu")]
    NoRecording,
    /// It is of a version that this program does not know.
    #[error(
        "at byte 8: the recording has version {found}, and this program reads version {known}: use the gen8emu that wrote it, or a later one"
    )]
    Version {
        /// The recording's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It ends too early.
    #[error(
        "at {offset}: the recording is cut off: {inputs} inputs before that are whole (--partial plays them)"
    )]
    Cut {
        /// Where it ends, or where the block begins that is not whole.
        offset: Offset,
        /// Inputs before it.
        inputs: u64,
    },
    /// Something in it cannot be.
    #[error("at {offset}: the recording is damaged: {what}")]
    Damaged {
        /// Where.
        offset: Offset,
        /// What, in words.
        what: String,
    },
}

/// What cannot be about bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Wrong {
    #[error("a record ends with its block")]
    Ends,
    #[error("a number is out of its range")]
    Number,
    #[error("no record begins with {0:#04x}")]
    Tag(u8),
    #[error("{declared} is more than there can be here ({most})")]
    TooMany { declared: u64, most: u64 },
    #[error(
        "it wants {declared} bytes of guest memory, more than the {most} that are let in (--ram-limit)"
    )]
    TooMuchRam { declared: u64, most: u64 },
    #[error("{0}")]
    What(&'static str),
}

impl Wrong {
    pub(crate) fn at(self, offset: Offset) -> ReadError {
        ReadError::Damaged { offset, what: self.to_string() }
    }
}
