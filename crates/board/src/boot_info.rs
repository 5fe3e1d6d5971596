//! What the VMM tells the firmware, and its layout in memory.

/// Start of the boot info: "G8BOOT\0\2".
const MAGIC: u64 = u64::from_le_bytes(*b"G8BOOT\0\x02");
/// Bytes before the command line: five qwords.
const HEADER: usize = 5 * 8;
/// Longest command line in bytes.
const COMMAND_LINE_MAX: usize = BOOT_INFO_SIZE - HEADER;

/// Bytes that the boot info takes in memory.
pub const BOOT_INFO_SIZE: usize = 4096;

/// What stands ahead of a bug's name in a line that plants it.
pub const PLANT: &str = "plant ";

/// What the VMM tells the firmware, at [`crate::BOOT_INFO`].
///
/// In memory: magic, RAM size, TSC frequency, log level, length of the command line, each a little
/// endian qword; then the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootInfo<'a> {
    /// Bytes of RAM from address 0.
    pub ram_size: u64,
    /// Frequency of the time-stamp counter in kHz.
    pub tsc_khz: u64,
    /// How much the firmware logs on COM1: 0 nothing, 1 errors … 5 everything (as
    /// `log::LevelFilter` counts).
    pub log_level: u64,
    /// One case a line: `scenario policy levels submission`, in the words of the program's own
    /// command line. `plant BUG` ([`PLANT`]) has that bug in the driver from there on. `misbehave panic` instead of a case (or `page-fault`, `stack-overflow`,
    /// `silence`, `chatter`, `nap`) makes the firmware do that, for tests of the VMM.
    pub command_line: &'a str,
}

/// The command line does not fit in [`BootInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLineTooLong;

impl<'a> BootInfo<'a> {
    /// Longest command line in bytes; a VMM with more cases boots several times.
    pub const COMMAND_LINE_MAX: usize = COMMAND_LINE_MAX;

    /// The bytes to put at [`crate::BOOT_INFO`].
    pub fn encode(&self) -> Result<[u8; BOOT_INFO_SIZE], CommandLineTooLong> {
        let line = self.command_line.as_bytes();
        let mut bytes = [0; BOOT_INFO_SIZE];
        let (header, rest) = bytes.split_at_mut(HEADER);
        let fields = [MAGIC, self.ram_size, self.tsc_khz, self.log_level, line.len() as u64];
        for (slot, field) in header.chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.to_le_bytes());
        }
        rest.get_mut(..line.len()).ok_or(CommandLineTooLong)?.copy_from_slice(line);
        Ok(bytes)
    }

    /// Reads what [`BootInfo::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &'a [u8; BOOT_INFO_SIZE]) -> Option<Self> {
        let (header, rest) = bytes.split_at(HEADER);
        let mut fields = header.chunks_exact(8).filter_map(|chunk| {
            let qword: [u8; 8] = chunk.try_into().ok()?;
            Some(u64::from_le_bytes(qword))
        });
        let mut next = || fields.next();
        if next()? != MAGIC {
            return None;
        }
        let (ram_size, tsc_khz, log_level) = (next()?, next()?, next()?);
        let len = usize::try_from(next()?).ok()?;
        let command_line = core::str::from_utf8(rest.get(..len)?).ok()?;
        Some(BootInfo { ram_size, tsc_khz, log_level, command_line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: BootInfo<'_> = BootInfo {
        ram_size: crate::RAM_SIZE,
        tsc_khz: 2_100_000,
        log_level: 3,
        command_line: "flink-and-exit none 4 execlists\nrecursion v1 3 legacy",
    };

    #[test]
    fn the_guest_decodes_what_the_vmm_encoded() {
        let bytes = INFO.encode().unwrap();
        assert_eq!(BootInfo::decode(&bytes), Some(INFO));
    }

    #[test]
    fn memory_without_the_magic_is_refused() {
        let mut bytes = INFO.encode().unwrap();
        bytes[0] ^= 1;
        assert_eq!(BootInfo::decode(&bytes), None);
        assert_eq!(BootInfo::decode(&[0; BOOT_INFO_SIZE]), None);
    }

    #[test]
    fn a_length_beyond_the_page_is_refused() {
        let mut bytes = INFO.encode().unwrap();
        bytes[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(BootInfo::decode(&bytes), None);
    }

    #[test]
    fn a_command_line_may_fill_the_page_but_not_more() {
        let line = [b'x'; BOOT_INFO_SIZE];
        let text = core::str::from_utf8(&line).unwrap();
        let fits = &text[..BootInfo::COMMAND_LINE_MAX];
        let bytes = BootInfo { command_line: fits, ..INFO }.encode().unwrap();
        assert_eq!(BootInfo::decode(&bytes).map(|info| info.command_line), Some(fits));
        let longer = &text[..=BootInfo::COMMAND_LINE_MAX];
        assert_eq!(BootInfo { command_line: longer, ..INFO }.encode(), Err(CommandLineTooLong));
    }
}
