//! What a client's call can fail with, as i915's error numbers.

/// An error that a call returns to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `ENOENT`: no such client, handle, name, context or buffer.
    #[error("no such handle, name or context")]
    NoEntry,
    /// `EINVAL`: a malformed argument.
    #[error("invalid argument")]
    Invalid,
    /// `EBUSY`: pinned, or still in use.
    #[error("busy")]
    Busy,
    /// `ENOSPC`: no room in the address space, even after eviction.
    #[error("no space in the address space")]
    NoSpace,
    /// `ENOMEM`: no guest page left.
    #[error("out of memory")]
    NoMemory,
    /// `EAGAIN`: a GPU reset began while the caller waited with the lock held.
    #[error("interrupted by a GPU reset")]
    Again,
    /// `EIO`: the context is banned or the GPU does not answer.
    #[error("GPU error")]
    Io,
    /// `ETIME`: a wait's time limit passed.
    #[error("timed out")]
    TimedOut,
    /// `ENODEV`: this engine or feature does not exist on this GPU.
    #[error("not supported by this device")]
    NoDevice,
    /// A record named by the driver's own books no longer exists: a use after free, had it been C.
    #[error("stale reference to a {0}")]
    Stale(&'static str),
}
