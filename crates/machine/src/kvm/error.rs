//! What can go wrong with a KVM machine.

use std::time::Duration;

use gpu_thread::ThreadError;
use recording::RecordError;

use super::loader::LoadError;

/// Why a KVM machine could not be built, or did not end as it should.
///
/// Each message is whole in itself and has no source, so that printing a chain repeats nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvmError {
    /// A system call of the VMM failed.
    #[error("KVM: {what}: {reason}")]
    Host {
        /// What the VMM was doing.
        what: &'static str,
        /// The operating system's answer.
        reason: std::io::Error,
    },
    /// Guest RAM could not be allocated.
    #[error("cannot allocate {bytes} bytes of guest RAM: {reason}")]
    Ram {
        /// Bytes asked for.
        bytes: u64,
        /// Reason in words.
        reason: String,
    },
    /// The firmware image cannot be loaded.
    #[error("firmware image: {0}")]
    Firmware(LoadError),
    /// The cases do not fit in one boot's command line.
    #[error("a command line of {0} bytes is longer than {max}", max = board::BootInfo::COMMAND_LINE_MAX)]
    CommandLine(usize),
    /// The guest left in a way that the board does not know.
    #[error("the guest stopped at {rip:#x}: {reason}")]
    UnexpectedExit {
        /// KVM's reason in words.
        reason: String,
        /// Guest instruction pointer, 0 if it could not be read.
        rip: u64,
    },
    /// The guest made no progress for too long and was ended.
    #[error(
        "the guest finished no case in {limit:?} and was ended at {rip:#x}; \
         last line: {last_line}"
    )]
    TimeLimit {
        /// The limit.
        limit: Duration,
        /// Guest instruction pointer, 0 if it could not be read.
        rip: u64,
        /// The last line on COM1, for a hint of where it hangs.
        last_line: String,
    },
    /// The firmware ended with an error status.
    #[error("the firmware ended with status {status:#x} ({meaning}); last line: {last_line}")]
    ExitStatus {
        /// Status at [`board::EXIT_PORT`].
        status: u8,
        /// The status in words.
        meaning: &'static str,
        /// The last line on COM1: a panic's message, for example.
        last_line: String,
    },
    /// There is no recording to be had.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The device's thread failed.
    #[error(transparent)]
    Device(#[from] ThreadError),
    /// A thread of the VMM panicked.
    #[error("the {0} thread of the VMM panicked")]
    Thread(&'static str),
}

impl From<LoadError> for KvmError {
    fn from(error: LoadError) -> Self {
        KvmError::Firmware(error)
    }
}

impl KvmError {
    /// Whether it is the guest's doing, so that another guest may fare better.
    pub(super) fn is_of_the_guest(&self) -> bool {
        match self {
            KvmError::UnexpectedExit { .. } | KvmError::TimeLimit { .. } => true,
            KvmError::ExitStatus { status, .. } => *status != board::EXIT_BAD_MACHINE,
            _ => false,
        }
    }

    /// Wraps an error of kvm-ioctls or vmm-sys-util; use as `.map_err(KvmError::host("…"))`.
    pub(super) fn host<E: Into<std::io::Error>>(what: &'static str) -> impl FnOnce(E) -> KvmError {
        move |reason| KvmError::Host { what, reason: reason.into() }
    }
}

/// The words for a status at [`board::EXIT_PORT`].
pub(super) fn exit_meaning(status: u8) -> &'static str {
    match status {
        board::EXIT_OK => "all done",
        board::EXIT_PANIC => "panic",
        board::EXIT_EXCEPTION => "CPU exception",
        board::EXIT_BAD_MACHINE => "the machine is not as promised",
        _ => "unknown status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[test]
    fn a_reason_is_told_once() {
        let host = KvmError::host("open /dev/kvm")(std::io::Error::other("denied"));
        for (error, reason) in [(host, "denied"), (LoadError::Truncated.into(), "cut off")] {
            assert_eq!(error.to_string().matches(reason).count(), 1, "{error}");
            assert!(error.source().is_none(), "{error}: a chain would repeat it");
        }
    }
}
