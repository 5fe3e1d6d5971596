//! Ownership hints through the emulator's debug page.

use gen8_spec::debug_page::{self, Hint};

use crate::Platform;

/// The debug page, if the device has one. Real hardware does not.
pub(super) enum HintPort {
    /// No debug page, or hints are off.
    Absent,
    /// The page is there. The registers keep their values between commands, so only those that
    /// differ are written: an MMIO write can cost an exit to the VMM.
    Present {
        /// The device's version of the protocol: hints of a later one are not given.
        version: u32,
        /// What ARG0, ARG1 and ARG2 hold; `None` before the first hint.
        arguments: Option<(u64, u32, u32)>,
    },
}

impl HintPort {
    pub(super) fn detect<P: Platform>(platform: &mut P) -> Self {
        let signature = platform.mmio_read32(debug_page::SIGNATURE);
        let version = platform.mmio_read32(debug_page::VERSION);
        // A version keeps the meaning of those before it.
        if signature == debug_page::SIGNATURE_VALUE && version >= 1 {
            HintPort::Present { version, arguments: None }
        } else {
            HintPort::Absent
        }
    }

    pub(super) fn give<P: Platform>(&mut self, platform: &mut P, hint: Hint) {
        let HintPort::Present { version, arguments } = self else { return };
        if hint.version() > *version {
            return;
        }
        let (arg0, arg1, arg2, command) = hint.encode();
        let (old0, old1, old2) = match *arguments {
            Some((a, b, c)) => (Some(a), Some(b), Some(c)),
            None => (None, None, None),
        };
        if old0 != Some(arg0) {
            platform.mmio_write64(debug_page::ARG0, arg0);
        }
        if old1 != Some(arg1) {
            platform.mmio_write32(debug_page::ARG1, arg1);
        }
        if old2 != Some(arg2) {
            platform.mmio_write32(debug_page::ARG2, arg2);
        }
        *arguments = Some((arg0, arg1, arg2));
        platform.mmio_write32(debug_page::COMMAND, command);
    }
}
